package pipelines_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
)

// thousandTasks is a document as people write them, a thousand tasks long.
func thousandTasks() []byte {
	var b strings.Builder
	b.WriteString("name: many\nstate:\n  workspace: /home/workspace\n  verbose: true\n  format: glb\ntasks:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, `  - name: "Convert part %[1]d"
    id: part%[1]d
    module: Shell
    when: verbose == true and format != "none%[1]d"
    register: out%[1]d
    retry: 2
    props:
      command: echo
      args: ["-n", "{{ workspace }}/part%[1]d.{{ format | lower }}", "{{ %[1]d * 2 }}"]
    callbacks:
      onError:
        - module: StdErr
          props: {msg: "part %[1]d of {{ name }}: {{ error_message | default('unknown') }}"}
`, i)
		if i > 0 {
			fmt.Fprintf(&b, "    after: part%d\n", i-1)
		}
	}
	return []byte(b.String())
}

func BenchmarkCheck1000Tasks(b *testing.B) {
	mods, err := modules.NewRegistry(standard.Modules()...)
	require.NoError(b, err)
	cbs, err := modules.NewRegistry(callbacks.Modules()...)
	require.NoError(b, err)
	doc := thousandTasks()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		require.Empty(b, lint.Document("many.yaml", doc, lint.Options{Modules: mods, Callbacks: cbs}))
	}
}

func BenchmarkExpand1000Tasks(b *testing.B) {
	doc := []byte("state: {dir: /w}\ntasks:\n  {% for i in range(1000) %}\n  - name: \"Convert {{ i }}\"\n    module: Stat\n    props: {path: \"{{ dir }}/{{ i }}.glb\"}\n  {% endfor %}\n")
	for b.Loop() {
		p, err := pipelines.Parse("many.yaml", doc)
		require.NoError(b, err)
		require.Len(b, p.Tasks, 1000)
	}
}

func BenchmarkParse1000Tasks(b *testing.B) {
	doc := thousandTasks()
	for b.Loop() {
		_, err := pipelines.Parse("many.yaml", doc)
		require.NoError(b, err)
	}
}

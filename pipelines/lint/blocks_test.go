package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/lint"
)

func checked(t *testing.T, doc string) []string {
	t.Helper()
	var out []string
	for _, p := range lint.Document("p.yaml", []byte(doc), standardOptions(t)) {
		out = append(out, p.String())
	}
	return out
}

func TestBlocksThatNeedAParamAreLookedAtWithoutIt(t *testing.T) {
	require.Equal(t, []string{`p.yaml:7:6: task #1: module "Nwo" is unknown, did you mean "Now"?`}, checked(t, `params:
  assets: {type: string, required: true}
tasks:
  {% for a in assets.split(',') %}
  - {name: "{{ a }}", module: "{% if a %}Now{% endif %}", props: {key: at}}
  {% endfor %}
  - {module: Nwo, props: {key: at}}
`))
}

func TestACircleInTheStateHidesNoOtherMistake(t *testing.T) {
	require.Equal(t, []string{
		`p.yaml:1:1: a pipeline has no key "descripton", did you mean "description"?`,
		"p.yaml:3:3: state keys refer to each other in a circle: a → b → a; give one of them a value",
		`p.yaml:7:5: a task has no key "modul", did you mean "module"?`,
		`p.yaml:7:5: the task names no module; add module: and one of those that ` + "`millrace modules` lists",
	}, checked(t, `descripton: x
state:
  a: "{{ b }}"
  b: "{{ a }}"
tasks:
  {% for x in a %}
  - modul: Now
  {% endfor %}
`))
}

func TestABlockCantChangeWhatBlocksAreReadWith(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"strict", "settings:\n  {% if true %}\n  strict: true\n  {% endif %}\ntasks: []\n", "p.yaml:3:3: a block can't set strict, which holds in the blocks themselves; set it outside"},
		{"strict where nothing takes it", "settings:\n  {% if false %}\n  strict: true\n  {% endif %}\ntasks: []\n", "p.yaml:3:3: a block can't set strict, which holds in the blocks themselves; set it outside"},
		{"an anchor of the state", "tasks:\n  {% if true %}\n  - {module: Now, props: &p {key: at}}\n  {% endif %}\nstate: {a: *p}\n", "p.yaml:5:12: state can't use an anchor that stands in a block, as blocks are expanded from it; put the anchor before the blocks"},
		{"an anchor that there is not", "tasks:\n  {% if true %}\n  - module: Now\n    props: *q\n  {% endif %}\n", "p.yaml:4:1: this is not YAML, its blocks expanded: no &q stands before *q"},
		{"what a task registers", "tasks:\n  {% for at in [1] %}\n  - {module: Now, register: at, props: {key: k}}\n  {% endfor %}\n", `p.yaml:3:19: register "at" is the name of a variable that a block sets here, which hides what the task registers; give one of them another name`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, strings.Join(checked(t, tt.doc), "\n"))
		})
	}
}

func TestNoBranchIsLeftOutInSilence(t *testing.T) {
	var doc strings.Builder
	doc.WriteString("state: {kind: 0}\ntasks:\n  {% if kind == 0 %}\n  - {module: Now, props: {key: at}}\n")
	for i := range 60 {
		fmt.Fprintf(&doc, "  {%% elif kind == %d %%}\n  - {module: Now, props: {kye: at}}\n", i)
	}
	doc.WriteString("  {% endif %}\n")
	require.Len(t, checked(t, doc.String()), 120, "an unknown prop and a missing one each")

	doc.WriteString("  # " + strings.Repeat("x", 400_000) + "\n")
	got := checked(t, doc.String())
	require.Len(t, got, 41)
	require.Equal(t, "p.yaml:45:3: warning: 40 branches, from here on, were not looked at, as that takes too long; split the document", got[40])
}

func TestATagMayReadAParamOfAnEntry(t *testing.T) {
	require.Empty(t, checked(t, `entries:
  one:
    params: {times: {type: integer, required: true}}
    tasks:
      {% for i in range(0, times) %}
      - {module: StdOut, props: {message: "{{ i }}"}}
      {% endfor %}
  two:
    tasks:
      - {module: StdOut, props: {message: two}}
`))
}

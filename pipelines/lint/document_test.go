package lint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/pipelines/lint"
)

// standardOptions are the program's.
func standardOptions(t *testing.T) lint.Options {
	t.Helper()
	mods, err := modules.NewRegistry(standard.Modules()...)
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	return lint.Options{Modules: mods, Callbacks: cbs}
}

// A mistake of one kind must not hide those of another.
func TestDocumentFindsMistakesOfAllKindsAtOnce(t *testing.T) {
	var got []string
	for _, p := range lint.Document("four.yaml", []byte(`name: four
tasks:
  - name: a
    modul: Shell
  - name: b
    module: Shel
  - name: c
    module: Stat
    props: {pth: x, path: y}
  - name: d
    module: Zip
    props: {src: a, dest: "{{ b | }}", config: {level: high}}
    retry: often
`), standardOptions(t)) {
		got = append(got, p.String())
	}
	require.Len(t, got, 7)
	for i, want := range []string{
		"four.yaml:3:5: ", `four.yaml:4:5: `, `four.yaml:6:5: `, `four.yaml:9:13: `, `four.yaml:12:`, `four.yaml:12:`, `four.yaml:13:`,
	} {
		require.Contains(t, got[i], want)
	}
}

func TestDocumentSeesWhatThisDataDoesNotTake(t *testing.T) {
	var got []string
	for _, p := range lint.Document("p.yaml", []byte(`state: {fast: true}
tasks:
  {% for file in flies %}
  - name: "{{ file }}"
    modul: Stat
    register: "r_{{ file }}"
    after: "{{ file }}"
    module: "{{ file }}"
    props: {path: "{{ file | nope }}"}
  {% endfor %}
  {% if fast %}
  - {module: Now, props: {key: "{{ 1 + }}"}}
  {% elif fats | wrong %}
  - module: Now
    retry: often
  {% else %}
  - module: Now
    props: [
  {% endif %}
  {% set n = fast + 1 %}
  {% if n > flies.length %}
  {% endif %}
`), lint.Options{}) {
		got = append(got, p.String())
	}
	require.Equal(t, strings.TrimSpace(`
p.yaml:3:18: warning: {% for %}: variable "flies" is in neither the state nor a block round this; unless the message brings it, it is empty
p.yaml:5:5: a task has no key "modul", did you mean "module"?
p.yaml:12:40: task #0: the template doesn't parse: a value is missing before }}
p.yaml:13:11: warning: {% elif %}: variable "fats" is in neither the state nor a block round this, did you mean "fast"; unless the message brings it, it is empty
p.yaml:13:18: {% elif %}: the filter "wrong" is unknown
p.yaml:15:5: retry must be a whole number of further tries from 0 to 1000, got "often"
p.yaml:18:1: this is not YAML, its blocks expanded: did not find expected node content
p.yaml:21:13: warning: {% if %}: variable "flies" is in neither the state nor a block round this; unless the message brings it, it is empty
`), strings.Join(got, "\n"))
}

func TestDocumentTakesALoopThatNothingIsGivenForAsItWillBe(t *testing.T) {
	require.Empty(t, lint.Document("p.yaml", []byte(`params:
  tools: {type: list}
tasks:
  {% for tool in tools %}
  - {name: "use {{ tool.name }}", id: "t{{ loop.index }}", module: "{{ tool.module }}", register: "r_{{ tool.name }}", props: {src: "{{ tool.src }}"}}
  {% endfor %}
`), standardOptions(t)))
}

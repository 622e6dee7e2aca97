package pipelines_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
)

const split = `params:
  assets: {type: string, required: true}
tasks:
  {% for a in assets.split(',') %}
  - {name: "{{ a }}", module: "{% if a %}Now{% endif %}", props: {key: at}}
  {% endfor %}
  - {module: Nwo, props: {key: at}}
`

func TestBlocksThatMissAParamSayWhichOne(t *testing.T) {
	_, err := pipelines.ParseGiven(t.Context(), "p.yaml", []byte(split), pipelines.Given{})
	require.EqualError(t, err, `p.yaml:2:3: param "assets" (string) is required, and the job gives none`)
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = pipelines.ParseGiven(t.Context(), "p.yaml", []byte(split), pipelines.Given{State: map[string]any{"assets": []any{}}})
	require.EqualError(t, err, `p.yaml:2:3: param "assets" must be text, and the job gives a list`)
	require.Len(t, given(t, split, map[string]any{"assets": "a,b"}).Tasks, 3)
}

func TestADocumentWhoseBlocksNeedAParamCanBeReadWithoutIt(t *testing.T) {
	p, err := pipelines.Parse("p.yaml", []byte(split))
	require.NoError(t, err)
	require.Equal(t, "assets", p.Params[0].Name)
	require.Len(t, p.Tasks, 2)
	require.Equal(t, []string{`p.yaml:7:6: task #1: module "Nwo" is unknown, did you mean "Now"?`}, checked(t, split))
}

func checked(t *testing.T, doc string) []string {
	t.Helper()
	var out []string
	for _, p := range pipelines.Check("p.yaml", []byte(doc), lintOptions(t)) {
		out = append(out, p.String())
	}
	return out
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
	_, err := pipelines.Parse("p.yaml", []byte("state:\n  a: \"{{ 1 | nope }}\"\ntasks:\n  {% for x in a %}\n  - {module: Now}\n  {% endfor %}\n"))
	require.ErrorContains(t, err, "p.yaml:1:1: state key \"a\": ")
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

func TestAnAnchorInABlockIsKnownBehindIt(t *testing.T) {
	p := given(t, `state: {assets: [a, b]}
tasks:
  {% for a in assets %}
  - &t
    module: StdOut
    props: &p {message: "{{ a }}"}
  {% endfor %}
  - {<<: *t, name: again}
  {% for b in assets %}
  - *t
  {% endfor %}
`, nil)
	require.Len(t, p.Tasks, 5)
	require.Equal(t, map[string]any{"message": "b"}, props(t, state(t, p, nil), p.Tasks[4].Props))
}

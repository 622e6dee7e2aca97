package pipelines_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

// ordered is the state that p starts with, and its tasks' names.
func ordered(t *testing.T, doc string, g pipelines.Given) (s *render.State, names string) {
	t.Helper()
	p, err := pipelines.ParseGiven(t.Context(), "p.yaml", []byte(doc), g)
	require.NoError(t, err)
	data, err := p.Bind(g.State)
	require.NoError(t, err)
	s, err = render.NewState(t.Context(), render.Config{
		Document: p.State, DocumentOrder: p.StateOrder, Data: data, DataOrder: g.StateOrder,
	})
	require.NoError(t, err)
	var all []string
	for _, task := range p.Tasks {
		name, err := s.With(task.Vars).Text(t.Context(), task.Name)
		require.NoError(t, err)
		all = append(all, name)
	}
	return s, strings.Join(all, " ")
}

func decoded(t *testing.T, state string) pipelines.Given {
	t.Helper()
	v, order, err := pipelines.DecodeOrdered("state", []byte(state))
	require.NoError(t, err)
	return pipelines.Given{State: v.(map[string]any), StateOrder: order}
}

func TestMapsAreWalkedInTheOrderOfTheText(t *testing.T) {
	const walk = `
tasks:
{% for name, step in steps %}
  - {name: "{{ name }}{% for k, v in step %} {{ k }}{% endfor %}", module: Now, props: {key: at}}
{% endfor %}
`
	const dump = `{"name": "{{ steps | dump }}", "module": "Now"}`
	const given = `{"steps": {"stop": 1, "go": {"b": 2, "a": 1}, "10": 0, "9": 0}}`
	for _, tt := range []struct {
		name, doc, given string
		want             string
	}{
		{"of the document", `state: {steps: {prepare: {}, build: {z: 1, y: 2}, cleanup: {}}}` + walk, `{}`, "prepare build z y cleanup"},
		{"as JSON", `{"state": {"steps": {"b": 1, "a": 2}}, "tasks": [` + dump + `]}`, `{}`, `{"b":1,"a":2}`},
		{"of the job", `state: {steps: {c: {}, b: {}, a: {}}}` + walk, given, "9 10 stop go b a"},
		{"of the job, with a key less", `state: {steps: {c: {}, a: {}}, other: {}}` + walk, `{"other": 1}`, "c a"},
		{"of a param's default", `params: {steps: {type: map, default: {z: {}, y: {q: 0, p: 0}}}}` + walk, `{}`, "z y q p"},
		{"of a param", `params: {steps: {type: map, default: {z: {}}}}` + walk, given, "9 10 stop go b a"},
		{"of a param of an entry", `entries: {one: {params: {steps: {default: {z: {}, y: {}}}}, tasks: [` + dump + `]}}`, `{}`, `{"z":{},"y":{}}`},
		{"behind a template", `state: {all: {c: {z: 1, y: 2}, b: {}}, steps: "{{ all }}"}` + walk, `{}`, "c z y b"},
		{"behind templates in lists", `state: {steps: "{{ list[1].x }}", list: [0, {x: "{{ all }}"}], all: {c: {z: 1, y: 2}, b: {}}}` + walk, `{}`, "c z y b"},
		{"of a map that a template writes", `state: {steps: "{{ {c: {z: 1, y: 2}, b: { } } }}"}` + walk, `{}`, "c z y b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, names := ordered(t, tt.doc, decoded(t, tt.given))
			require.Equal(t, tt.want, names)
		})
	}
}

func TestLoopVariablesKeepTheOrderOfTheirMaps(t *testing.T) {
	_, names := ordered(t, `state:
  pairs: [[x, {d: 1, c: 2}], [y, {b: {n: 1, m: 2}, a: 4}]]
tasks:
{% set first = pairs[0][1] %}
{% for name, map in pairs %}
  - {name: "{{ name }} {{ map | dump }} {{ first | json }}", module: Now}
  {% for k, v in map %}
  - {name: "{{ k }} {{ v | dump }}", module: Now}
  {% endfor %}
{% endfor %}
`, pipelines.Given{})
	require.Equal(t, `x {"d":1,"c":2} {"d":1,"c":2} d 1 c 2 `+
		`y {"b":{"n":1,"m":2},"a":4} {"d":1,"c":2} b {"n":1,"m":2} a 4`, names)
}

func TestTheStateItselfHasAnOrder(t *testing.T) {
	s, _ := ordered(t, `{state: {z: 1, b: {y: 1, x: 2}, a: 3}, tasks: [{module: Now}]}`, decoded(t, `{"q": 1, "b": {"w": 1, "v": 2}, "p": 2}`))
	text := func(tmpl string) string {
		out, err := s.Text(t.Context(), tmpl)
		require.NoError(t, err)
		return out
	}
	require.Equal(t, `{"z":1,"b":{"w":1,"v":2},"a":3,"q":1,"p":2}`, text("{{ state | dump }}"))
	s.Set("m", map[string]any{"d": 1, "c": 2})
	s.Set("b", map[string]any{"w": 1, "v": 2})
	s.Set("c", nil)
	require.Equal(t, `{"z":1,"b":{"v":2,"w":1},"a":3,"q":1,"p":2,"m":{"c":2,"d":1},"c":null}`, text("{{ state | json }}"))
	all, ok := s.Get("state")
	require.True(t, ok)
	require.IsType(t, map[string]any{}, all.(map[string]any)["b"])
}

package pipelines_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
)

// split has blocks that fail without a param.
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
	require.Empty(t, p.Tasks[0].Module, "what the block chooses is not known")
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

func TestBlocksNeedAStateThatCanBeKnown(t *testing.T) {
	_, err := pipelines.Parse("p.yaml", []byte("state:\n  a: \"{{ 1 | nope }}\"\ntasks:\n  {% for x in a %}\n  - {module: Now}\n  {% endfor %}\n"))
	require.ErrorContains(t, err, "p.yaml:1:1: state key \"a\": ")
}

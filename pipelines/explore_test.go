package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExploreShowsWhatBlocksHide(t *testing.T) {
	views, tags := Explore("p.yaml", []byte(`state: {fast: true}
tasks:
  {% if fast %}
  - {module: Now}
  {% else %}
  {% for tool in tools %}
  - {module: "{{ tool }}"}
  - {modul: Stat}
  {% endfor %}
  {% endif %}
`))
	require.Len(t, views, 2)
	require.Equal(t, "Now", views[0].Pipeline.Tasks[0].Module)
	require.Empty(t, views[0].Problems)
	require.Equal(t, map[int]bool{1: true, 2: true, 4: true}, views[0].Lines)

	require.Len(t, views[1].Pipeline.Tasks, 2)
	require.Empty(t, views[1].Pipeline.Tasks[0].Module, "what tool is only a job can tell")
	require.Equal(t, `p.yaml:8:6: a task has no key "modul", did you mean "module"?`, views[1].Problems[0].String())
	require.True(t, views[1].Lines[8])

	require.Len(t, tags, 2)
	require.Equal(t, []string{"if", "for"}, []string{tags[0].Tag, tags[1].Tag})
}

func TestExploreOfADocumentWithoutBlocksIsWhatParseReturns(t *testing.T) {
	doc := []byte("tasks: [{module: Now}]")
	want, err := Parse("p.yaml", doc)
	require.NoError(t, err)
	views, tags := Explore("p.yaml", doc)
	require.Equal(t, []View{{Pipeline: want}}, views)
	require.Empty(t, tags)
}

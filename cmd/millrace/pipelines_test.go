package main_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
)

const withParams = `description: Makes a preview.
params:
  input: {type: string, required: true, description: The model.}
  width: {type: integer, default: 640, enum: [640, 1280]}
tasks: [{name: Convert, module: STL2OBJ, props: {src: "{{ input }}", dest: a.obj}}]
`

func TestPipelinesListsTheFolderAndWhatIsShipped(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("mine.yaml", withParams)
	p.write("broken.yaml", "taks: []\n")
	out := p.succeeds("pipelines", "--pipelines", ".")
	require.Equal(t, out, p.succeeds("pipelines", "list", "--pipelines", "."))
	require.Regexp(t, `(?m)^mine +folder +[0-9a-f]{12} +input\* width +Makes a preview\.$`, out)
	require.Regexp(t, `(?m)^broken +folder .*! broken\.yaml:1:1: .*did you mean "tasks"\?`, out)
	require.Regexp(t, `(?m)^hello_world +shipped `, out)

	list := decoded[[]map[string]any](t, p.succeeds("pipelines", "list", "--json", "--pipelines", "."))
	broken := slices.IndexFunc(list, func(l map[string]any) bool { return l["name"] == "broken" })
	require.GreaterOrEqual(t, broken, 0)
	require.Contains(t, list[broken]["error"], "broken.yaml:1:1: ")
}

func TestPipelinesShowsOnePipeline(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("mine.yaml", withParams)
	shipped, err := os.ReadFile(repository + "pipelines/gear.yaml")
	require.NoError(t, err)
	require.Equal(t, string(shipped), p.succeeds("pipelines", "show", "gear"))

	got := decoded[map[string]any](t, p.succeeds("pipelines", "show", "mine", "--json", "--pipelines", "."))
	require.Equal(t, pipelines.Digest([]byte(withParams)), got["digest"])
	require.Equal(t, "input", got["params"].([]any)[0].(map[string]any)["name"])
	require.Equal(t, "Convert", got["tasks"].([]any)[0].(map[string]any)["name"])

	table := p.succeeds("pipelines", "show", "mine", "--params", "--pipelines", ".")
	require.Regexp(t, `(?m)^. +input +string +required +The model\.$`, table)
	require.Regexp(t, `(?m)^. +width +integer +default 640, one of \[640,1280\]`, table)
	require.Contains(t, p.millrace("pipelines", "show", "gaer").stderr, `pipeline "gaer" is not in the catalogue, did you mean "gear"?`)
}

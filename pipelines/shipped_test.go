package pipelines_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
	"github.com/millrace/millrace/pipelines/trial"
)

// registries are what the program's tasks and callbacks may name.
func registries(t *testing.T) (tasks, calls *modules.Registry) {
	t.Helper()
	tasks, err := modules.NewRegistry(standard.Modules()...)
	require.NoError(t, err)
	calls, err = modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	return tasks, calls
}

func TestThePipelinesThatAreShipped(t *testing.T) {
	require.Equal(t, []string{
		"advanced_optimization", "batch", "curl", "cwd", "gear", "gpu_rendering", "hello_world", "image_infer", "obj_to_glb", "other", "s3_download",
		"s3_obj2glb", "stl_cad_to_glb", "stl_to_glb", "videogenie_render", "web_model", "webhooks", "zip_cad_to_glb",
	}, pipelines.NewCatalogue("").Names())
}

func TestEveryShippedPipelineLintsClean(t *testing.T) {
	tasks, calls := registries(t)
	c := pipelines.NewCatalogue("")
	for _, name := range c.Names() {
		doc, source, _, err := c.Document(name)
		require.NoError(t, err)
		for _, p := range lint.Document(source, doc, lint.Options{Modules: tasks, Callbacks: calls}) {
			require.Equal(t, pipelines.SeverityNote, p.Severity, p.String())
		}
		p, err := c.Lookup(name)
		require.NoError(t, err)
		require.NotEmpty(t, p.Description, name)
	}
}

func TestEveryShippedPipelinePassesItsTests(t *testing.T) {
	const fewest = 3 // of each: what it does, with other values, and how it fails
	tasks, calls := registries(t)
	planned := func(name string) bool { return standard.Planned(name) || callbacks.Planned(name) }
	runner := trial.New(trial.Config{Modules: tasks, Callbacks: calls, Planned: planned})
	found, err := trial.Find([]string{".", filepath.Join("testdata", "gateway.test.yaml")})
	require.NoError(t, err)
	require.Empty(t, found.Untested)
	for _, path := range found.Tests {
		t.Run(filepath.Base(path), func(t *testing.T) {
			suite, err := trial.Load(path)
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(suite.File.Tests), fewest)
			for i := range suite.File.Tests {
				r := runner.Run(t.Context(), &suite.File.Tests[i], suite.Source, suite.Doc)
				require.Empty(t, r.Problems, r.Name)
			}
		})
	}
}

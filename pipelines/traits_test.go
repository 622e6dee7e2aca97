package pipelines_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

func state(t *testing.T, p *pipelines.Pipeline, data map[string]any) *render.State {
	t.Helper()
	s, err := render.NewState(t.Context(), render.Config{Name: p.Name, Document: p.State, Data: data})
	require.NoError(t, err)
	return s
}

func props(t *testing.T, s *render.State, from map[string]any) map[string]any {
	t.Helper()
	out, _, err := s.Props(t.Context(), from)
	require.NoError(t, err)
	return out
}

// The document has the traits of messages that a real gateway sent.
func TestAGatewayMessageRendersAsItsAuthorMeant(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("testdata", "gateway.json"))
	require.NoError(t, err)
	p, err := pipelines.Parse("gateway.json", src)
	require.NoError(t, err)
	s := state(t, p, map[string]any{"assetName": "table"})

	require.Equal(t, []any{"/home/workspace/outputs/table.glb"}, props(t, s, p.Tasks[0].Props)["args"], "state over state, out of order, under a message's")
	onStart := p.Tasks[0].Callbacks[pipelines.OnStart][0]
	require.Equal(t, map[string]any{"status": "RUNNING", "actionUuid": "4f0c-11"}, props(t, s, onStart.Props)["data"])
	onError := p.Tasks[0].Callbacks[pipelines.OnError][0]
	scope := s.With(map[string]any{"error_message": "out of disk"})
	require.Equal(t, map[string]any{"status": "FAILED", "error": "out of disk"}, props(t, scope, onError.Props)["data"])

	s.Set("optimized", map[string]any{"stdout": "a.glb"})
	require.Equal(t, map[string]any{
		"src": "a.glb", "dest": "a.glb", "config": map[string]any{"c0": "null", "c3": `""`, "target_tex_density": int64(3000)},
	}, props(t, s, p.Tasks[1].Props), "a registered output replaces the text of that name; literals stay")

	generate, err := s.Cond(t.Context(), p.Tasks[2].When)
	require.NoError(t, err)
	require.True(t, generate)
	require.Equal(t, []any{"--viewer-config", `{"environment": {"name": "neutral", "path": "a\\b"}}`, "--width", int64(1024)}, props(t, s, p.Tasks[2].Props)["args"])

	video, err := s.Cond(t.Context(), p.Tasks[3].When)
	require.NoError(t, err)
	require.False(t, video)
	require.Equal(t, []any{"-i", ""}, props(t, s, p.Tasks[3].Props)["args"], "what a skipped task would have made is empty")

	all, ok := s.Get("state")
	require.True(t, ok)
	require.NotContains(t, all, "__kafka")
}

func TestAFoldedExpressionStillRenders(t *testing.T) {
	p, err := pipelines.Parse("p.yaml", []byte("state: {prefix: in, file: a.obj}\ntasks:\n  - module: Shell\n    props:\n      src: \"{{ prefix\n        ~ '/' ~ file }}\"\n      msg: >-\n        from {{ prefix |\n        upper }}\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"src": "in/a.obj", "msg": "from IN"}, props(t, state(t, p, nil), p.Tasks[0].Props))
}

func TestADocumentMayAskForJavaScriptsIndexes(t *testing.T) {
	p, err := pipelines.Parse("p.yaml", []byte("settings: {strict: true}\nstate: {file: a.glb}\ntasks:\n  {% if file.split('.')[-1] %}\n  - {module: Stat, props: {path: x}}\n  {% endif %}\n"))
	require.NoError(t, err)
	require.True(t, p.Settings.Strict)
	require.Empty(t, p.Tasks, "blocks speak as the tasks do")
}

package usdchecker_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/usdchecker"
)

// Whatever a file holds, our own rules come to a verdict that is no pass.
func FuzzOurRules(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.usd*"} {
		names, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Add([]byte("#usda 1.0\n(subLayers = [@@@a@@@, @b.usda@] upAxis = '''Y''')\ndef \"x\" (references = @a.usdz[b.usda]@) { /* */ }"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _ := moduletest.Call(t)
		c.Tools = &tool.Set{}
		require.NoError(t, c.Workspace.WriteFile("a.usd", data))
		out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": "a.usd", "config": map[string]any{"arkit": true}})
		if err == nil {
			require.NotEqual(t, "pass", out["verdict"])
		}
	})
}

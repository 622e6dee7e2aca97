package fbx2gltf_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/fbx2gltf"
	"github.com/millrace/millrace/modules/moduletest"
)

// Whatever a file holds, it is measured or refused for good.
func FuzzMeasure(f *testing.F) {
	for _, name := range []string{"phong_cube.fbx", "boxWithCompressedCTypeArray.FBX", "embedded_ascii/box.FBX"} {
		data, err := os.ReadFile(models + "/" + name)
		require.NoError(f, err)
		f.Add(data[:min(len(data), 20_000)])
	}
	f.Add(node(0, "PolygonVertexIndex", 1<<29))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _ := moduletest.Call(t)
		require.NoError(t, c.Workspace.WriteFile("a.fbx", data))
		w, err := modules.Probe(t.Context(), fbx2gltf.Module, c, map[string]any{"src": "a.fbx", "dest": "a.glb"})
		if err != nil {
			require.Equal(t, fault.Permanent, fault.Of(err), err.Error())
			return
		}
		require.Equal(t, int64(len(data)), w.Input)
	})
}

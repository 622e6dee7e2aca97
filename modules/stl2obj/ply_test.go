package stl2obj_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/raster/mesh"
	"github.com/millrace/millrace/modules/stl2obj"
)

func TestAPLYBecomesAnOBJ(t *testing.T) {
	c, _ := moduletest.Call(t)
	for _, tt := range []struct {
		file      string
		triangles int
		colours   bool
		normals   bool
	}{{"cube.ply", 12, false, false}, {"cube_binary.ply", 12, false, false}, {"Wuson.ply", 3732, false, true}, {"float-color.ply", 1, true, false}} {
		data, err := os.ReadFile("/usr/share/assimp/models/PLY/" + tt.file)
		require.NoError(t, err)
		require.NoError(t, c.Workspace.WriteFile("in.stl", data)) // whatever its name says
		out, err := stl2obj.Module.Run(t.Context(), c, map[string]any{"src": "in.stl", "dest": "out.obj"})
		require.NoError(t, err, tt.file)
		require.EqualValues(t, tt.triangles, out["triangles"], tt.file)
		obj, err := c.Workspace.ReadFile("out.obj")
		require.NoError(t, err)
		m, err := mesh.ReadOBJ(t.Context(), bytes.NewReader(obj))
		require.NoError(t, err)
		want, _, err := mesh.ReadPLY(t.Context(), bytes.NewReader(data))
		require.NoError(t, err)
		require.Equal(t, want.Positions, m.Positions, tt.file)
		require.Equal(t, want.Triangles, m.Triangles, tt.file)
		require.Equal(t, tt.colours, m.Colors != nil, tt.file)
		require.Equal(t, tt.normals, m.Normals != nil, tt.file)
	}
}

func TestAPLYOfPointsIsRefused(t *testing.T) {
	c, _ := moduletest.Call(t)
	data, err := os.ReadFile("/usr/share/assimp/models/PLY/points.ply")
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("in.ply", data))
	_, err = stl2obj.Module.Run(t.Context(), c, map[string]any{"src": "in.ply", "dest": "out.obj"})
	require.ErrorContains(t, err, "has no triangles")
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = c.Workspace.Stat("out.obj")
	require.Error(t, err)
}

func TestAPLYThatIsTooLargeIsRefusedBeforeItIsRead(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("in.ply", []byte("ply\n")))
	require.NoError(t, os.Truncate(c.Workspace.Real()+"/in.ply", 1<<30+1))
	_, err := modules.Probe(t.Context(), stl2obj.Module, c, map[string]any{"src": "in.ply", "dest": "out.obj"})
	require.ErrorContains(t, err, "it has 1024 MiB, more than the 1024 of a PLY")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestTrianglesOfAPLYThatAreLeftOutAreCounted(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("in.ply", []byte("ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"+
		"element face 2\nproperty list uchar int vertex_indices\nend_header\n0 0 0 1 0 0 0 1 0\n3 0 1 2\n3 0 1 1\n")))
	out, err := stl2obj.Module.Run(t.Context(), c, map[string]any{"src": "in.ply", "dest": "out.obj"})
	require.NoError(t, err)
	require.Equal(t, []any{int64(1), int64(1), int64(2)}, []any{out["triangles"], out["degenerate"], out["originalTriangles"]})
}

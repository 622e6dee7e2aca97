package meshoptimizer_test

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/assetconverter"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/meshoptimizer"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/raster/mesh"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/usdchecker"
)

// real is a call that runs the real tools over a file.
func real(t *testing.T, file string) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, moduletest.Tools(t)
	c.Tools.Compiled = compiled
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("in.glb", data))
	return c
}

func TestAModelIsWrittenInOtherFormatsToo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		config     map[string]any
		pictures   int // of the OBJ
	}{
		{"with pictures", profile(t, "hp-mixed-reality"), map[string]any{"tris": 3000, "max_tex_size": 256, "draco_encode": true}, 3},
		{"of many parts", engine, map[string]any{"tris": 20000}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := real(t, tt.file)
			for _, key := range []string{"output_usdz", "output_fbx", "output_obj"} {
				tt.config[key] = true
			}
			out, err := meshoptimizer.Module.Run(t.Context(), c, map[string]any{"src": "in.glb", "dest": "out/my model.glb", "config": tt.config})
			require.NoError(t, err)
			require.Equal(t, []any{"out/my model.fbx", "out/my model.usdz", "out/my model.usdz", "out/my model.zip"},
				[]any{out["fbxDest"], out["usdzDest"], out["usdDest"], out["objDest"]})
			for _, name := range []string{"fbx", "usdz", "obj"} {
				info, err := c.Workspace.Stat(out[name+"Dest"].(string))
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(info.Size()), out[name+"Size"])
				require.Contains(t, fmt.Sprint(out["tracing"]), strings.ToUpper(name))
			}
			sameAfterUSDZ(t, c)
			files, triangles := unzipped(t, filepath.Join(c.Workspace.Real(), "out/my model.zip"))
			require.Equal(t, out["triangles"], triangles)
			named := 0
			for _, name := range files[2:] {
				if strings.Contains(files[0], " "+name) {
					named++
				}
			}
			require.Equal(t, tt.pictures, named, "the MTL has no word for a texture of roughness")
			var names []string
			require.NoError(t, fs.WalkDir(c.Workspace.FS(), "out", func(name string, _ fs.DirEntry, err error) error {
				names = append(names, filepath.Ext(name))
				return err
			}))
			require.Equal(t, []string{"", ".fbx", ".glb", ".json", ".usdz", ".zip"}, names)
		})
	}
}

// sameAfterUSDZ makes a GLB of the USDZ, in which OpenUSD's validators find no error, and holds it against the model.
func sameAfterUSDZ(t *testing.T, c *modules.Call) {
	t.Helper()
	checked, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": "out/my model.usdz"})
	require.NoError(t, err)
	require.Equal(t, true, checked["valid"], "%v", checked)
	require.Contains(t, checked["by"], "OpenUSD")
	_, err = assetconverter.Module.Run(t.Context(), c, map[string]any{"src": "out/my model.usdz", "dest": "back.glb"})
	require.NoError(t, err)
	model, before := open(t, c, "out/my model.glb")
	back, after := open(t, c, "back.glb")
	require.Equal(t, before.Triangles, after.Triangles)
	require.Equal(t, shownMaterials(model), shownMaterials(back))
	for i, size := range before.Bounds.Size() {
		require.InDelta(t, size, after.Bounds.Size()[i], 0.01*size)
		require.InDelta(t, before.Bounds.Center()[i], after.Bounds.Center()[i], 0.01*size)
	}
}

// shownMaterials is how many materials something has: parts may have lost all their triangles.
func shownMaterials(d *glb.Document) int {
	all := map[int]bool{}
	for _, m := range d.Meshes {
		for _, p := range m.Primitives {
			all[*p.Material] = true
		}
	}
	return len(all)
}

// unzipped is what the MTL of a zipped OBJ says, then its name, those of its pictures, and the triangles it draws.
func unzipped(t *testing.T, file string) (files []string, triangles int64) {
	t.Helper()
	z, err := zip.OpenReader(file)
	require.NoError(t, err)
	defer z.Close()
	materials, err := fs.ReadFile(z, "my model.mtl")
	require.NoError(t, err)
	files = []string{string(materials), "my model.obj"}
	f, err := z.Open("my model.obj")
	require.NoError(t, err)
	defer f.Close()
	m, err := mesh.ReadOBJ(t.Context(), f)
	require.NoError(t, err)
	for _, file := range z.File {
		if filepath.Ext(file.Name) != ".mtl" && filepath.Ext(file.Name) != ".obj" {
			files = append(files, file.Name)
		}
	}
	return files, int64(len(m.Triangles))
}

func TestBlenderThatIsNotThereIsASentenceBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	c := real(t, engine)
	c.Tools = &tool.Set{Path: "/nowhere", Folder: t.TempDir(), Compiled: compiled}
	_, err := meshoptimizer.Module.Run(t.Context(), c, map[string]any{"src": "in.glb", "dest": "out.glb", "config": map[string]any{"output_usdz": true}})
	require.ErrorContains(t, err, "config.output_usdz: Blender is missing")
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.NoFileExists(t, filepath.Join(c.Workspace.Real(), "out.glb"))
}

func TestAModelThatOtherFormatsCannotHoldPublishesNothing(t *testing.T) {
	t.Parallel()
	c := real(t, engine)
	_, err := meshoptimizer.Module.Run(t.Context(), c, map[string]any{
		"src": "in.glb", "dest": "out.glb", "config": map[string]any{"tris": 2000, "output_obj": true, "remove_geometry_material_regex": "."},
	})
	require.Error(t, err)
	names, err := c.Workspace.Glob("*")
	require.NoError(t, err)
	require.Equal(t, []string{"in.glb"}, names)
}

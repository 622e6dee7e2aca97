package standard_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
)

// whole are files of each kind that is read, small ones, and what reads them.
func whole(t *testing.T) map[string][]byte {
	t.Helper()
	made := t.TempDir()
	for _, args := range [][]string{
		{"ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=48x32:r=5:d=1", "-f", "lavfi", "-i", "sine=d=1", filepath.Join(made, "a.mp4")},
		{"ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=48x32:d=1", "-frames:v", "1", filepath.Join(made, "a.png")},
		{"ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=48x32:d=1", "-frames:v", "1", filepath.Join(made, "a.jpg")},
	} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	all := map[string][]byte{}
	for _, name := range []string{"a.mp4", "a.png", "a.jpg"} {
		b, err := os.ReadFile(filepath.Join(made, name))
		require.NoError(t, err)
		all[name] = b
	}
	for name, file := range map[string]string{
		"a.glb": "glTF2/BoxTextured-glTF-Binary/BoxTextured.glb", "a.fbx": "FBX/phong_cube.fbx", "a.stl": "STL/Spider_binary.stl", "a.ply": "PLY/cube.ply",
		"a.obj": "OBJ/box.obj", "a.dae": "Collada/cube_triangulate.dae", "a.3ds": "3DS/cubes_with_alpha.3DS", "a.3mf": "3MF/box.3mf", "a.blend": "BLEND/box.blend",
	} {
		all[name] = model(t, file)
	}
	for name, file := range map[string]string{"a.usdz": "clean/clean.usdz", "a.usdc": "clean/clean_flat.usdc", "a.usda": "clean/cleanSkelBindingAPIApplied.usda"} {
		b, err := os.ReadFile(filepath.Join("../usdchecker/testdata", file))
		require.NoError(t, err)
		all[name] = b
	}
	return all
}

// Wherever a file is torn, or a byte of it is another: it is refused in a sentence and leaves nothing, or what is written has passed
// its module's checks.
func TestATornFileIsRefusedOrWhatComesOfItIsWhole(t *testing.T) {
	readBy := map[string]string{
		"a.glb": "AssetConverter MeshOptimizer ScreenshotGenerator GlbHtmlEmbed glTF-Validator", "a.fbx": "FBX2glTF AssetConverter", "a.stl": "STL2OBJ ScreenshotGenerator AssetConverter", "a.ply": "STL2OBJ ScreenshotGenerator AssetConverter",
		"a.obj": "AssetConverter MeshOptimizer ScreenshotGenerator", "a.dae": "AssetConverter", "a.3ds": "AssetConverter", "a.3mf": "AssetConverter", "a.blend": "AssetConverter",
		"a.usdz": "usdchecker AssetConverter", "a.usdc": "AssetConverter", "a.usda": "usdchecker", "a.mp4": "FFmpeg", "a.png": "ImageMagick ImageInfer FFmpeg", "a.jpg": "ImageMagick ImageInfer FFmpeg",
	}
	all, files := readers(), whole(t)
	for name, by := range readBy {
		data := files[name]
		require.NotEmpty(t, data, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := real(t)
			random := rand.New(rand.NewPCG(8, uint64(len(data))))
			for module := range strings.FieldsSeq(by) {
				// Where headers end, in the middle, and at the end.
				for _, length := range []int{1, 16, 100, 1 + random.IntN(len(data)), len(data) / 2, 1 + random.IntN(len(data)), len(data) - 1} {
					all[module].torn(t, c, name, data[:min(length, len(data)-1)])
				}
				for range 2 {
					changed := bytes.Clone(data)
					for range 1 + len(data)/500 {
						changed[random.IntN(len(data))] ^= byte(1 + random.IntN(255))
					}
					all[module].torn(t, c, name, changed)
				}
			}
		})
	}
}

// torn works on a file that may be of use or not.
func (r reader) torn(t *testing.T, c *modules.Call, src string, data []byte) {
	t.Helper()
	require.NoError(t, c.Workspace.WriteFile(src, data))
	out, err := r.work(t, c, src)
	if err != nil {
		require.NotContains(t, strings.TrimSpace(err.Error()), "\n", "%d bytes", len(data))
		require.NotContains(t, err.Error(), "Traceback")
		require.NotContains(t, err.Error(), "panic")
		require.Equal(t, []string{".", src}, files(t, c), "%d bytes: %v", len(data), err)
		return
	}
	if n, ok := out["triangles"]; ok {
		require.Positive(t, n, "%d bytes", len(data))
	}
	_, err = c.Workspace.Stat(r.dest)
	require.NoError(t, err)
	for _, name := range files(t, c) {
		if name != "." && name != src {
			require.NoError(t, c.Workspace.RemoveAll(name))
		}
	}
}

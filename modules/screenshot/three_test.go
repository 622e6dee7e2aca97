package screenshot_test

import (
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/screenshot"
)

const (
	assimp   = "/usr/share/assimp/models/glTF2/"
	profiles = "npm/node_modules/@webxr-input-profiles/assets/dist/profiles/"
)

// real is a call with the programs of this machine, and a model in its workspace.
func real(t *testing.T, model string) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	c.Tools, c.Exec = moduletest.Tools(t), &proc.Local{}
	if !filepath.IsAbs(model) {
		model = filepath.Join(c.Tools.Folder, profiles, model)
	}
	text, err := os.ReadFile(model)
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("model.glb", text))
	return c
}

// keep leaves a picture to be looked at, with -artifacts.
func keep(t *testing.T, img image.Image, name string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.ArtifactDir(), name))
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, img))
	require.NoError(t, f.Close())
}

// overlap is what two pictures both cover by what one of them does.
func overlap(a, b image.Image) float64 {
	both, either := 0, 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			_, _, _, alphaA := a.At(x, y).RGBA()
			_, _, _, alphaB := b.At(x, y).RGBA()
			inA, inB := alphaA >= 0x8000, alphaB >= 0x8000
			if inA && inB {
				both++
			}
			if inA || inB {
				either++
			}
		}
	}
	return float64(both) / float64(either)
}

func TestAPictureOfAMeshIsDrawnByThreeToo(t *testing.T) {
	c := real(t, assimp+"BoxTextured-glTF-Binary/BoxTextured.glb")
	require.NoError(t, c.Workspace.WriteFile("part.obj", []byte(tetrahedron)))
	out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
		"src": "part.obj", "dest": "turn_%d.jpg", "config": map[string]any{"width": 64, "height": 48},
		"args":         []any{"--camera-angles", "turntable:3", "--camera-angles top"},
		"viewerConfig": `{"background": "#ff0000", "environment": "none", "lights": [{"type": "ambient", "intensity": 0}], "toneMapping": "linear"}`,
	})
	require.NoError(t, err)
	require.Equal(t, []any{"turn_0.jpg", "turn_1.jpg", "turn_2.jpg", "turn_3.jpg"}, out["images"])
	require.Equal(t, "three", out["renderer"])
	img := decode(t, c, "turn_0.jpg", jpeg.Decode)
	require.Equal(t, image.Pt(64, 48), img.Bounds().Size())
	r, g, _, _ := img.At(1, 1).RGBA()
	require.Greater(t, r, uint32(0xf000), "the background")
	require.Less(t, g, uint32(0x1000))
	r, _, _, _ = img.At(32, 24).RGBA()
	require.Less(t, r, uint32(0x2000), "without light the model is black")
}

func TestCompressedGeometryIsUnpackedByThree(t *testing.T) {
	c := real(t, assimp+"BoxTextured-glTF-Binary/BoxTextured.glb")
	draco := "/usr/share/assimp/models/glTF2/draco/2CylinderEngine.gltf"
	doc, err := os.ReadFile(draco)
	require.NoError(t, err)
	buffer, err := os.ReadFile(filepath.Join(filepath.Dir(draco), "2CylinderEngine.bin"))
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("2CylinderEngine.gltf", doc))
	require.NoError(t, c.Workspace.WriteFile("2CylinderEngine.bin", buffer))
	props := map[string]any{"src": "2CylinderEngine.gltf", "config": map[string]any{"width": 64, "height": 64}}
	out, err := screenshot.Module.Run(t.Context(), c, props)
	require.NoError(t, err)
	require.Equal(t, "three", out["renderer"])
	props["renderer"] = "raster"
	_, err = screenshot.Module.Run(t.Context(), c, props)
	require.ErrorContains(t, err, "its geometry is compressed (Draco or meshopt), which raster can't read; install Chromium, or unpack it first (MeshOptimizer)")
}

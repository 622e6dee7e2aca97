package screenshot_test

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
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

func TestBothRenderersShowTheSameOutline(t *testing.T) {
	for model, least := range map[string]float64{
		assimp + "BoxTextured-glTF-Binary/BoxTextured.glb":         0.97,
		assimp + "2CylinderEngine-glTF-Binary/2CylinderEngine.glb": 0.97,
		"hp-mixed-reality/left.glb":                                0.97,
		"generic-trigger/left.glb":                                 0.97,
		"valve-index/left.glb":                                     0.95,
	} {
		t.Run(strings.ReplaceAll(strings.TrimPrefix(model, assimp), "/", " "), func(t *testing.T) {
			c := real(t, model)
			pictures := map[string]image.Image{}
			for _, renderer := range []string{"three", "raster"} {
				out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
					"src": "model.glb", "dest": renderer + ".png", "renderer": renderer, "config": map[string]any{"width": 512, "height": 512},
				})
				require.NoError(t, err)
				require.Equal(t, renderer, out["renderer"])
				require.Equal(t, []any{}, out["warnings"])
				require.Equal(t, renderer == "three", out["device"] != "")
				pictures[renderer] = decode(t, c, renderer+".png", png.Decode)
				keep(t, pictures[renderer], renderer+".png")
			}
			same := overlap(pictures["three"], pictures["raster"])
			t.Logf("IoU %.4f", same)
			require.Greater(t, same, least)
		})
	}
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

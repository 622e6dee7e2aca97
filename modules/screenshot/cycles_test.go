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
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/screenshot"
)

// folder puts what a glTF lies beside into a call's workspace too.
func folder(t *testing.T, c *modules.Call, file string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	for _, e := range all {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(file), e.Name()))
		require.NoError(t, err)
		require.NoError(t, c.Workspace.WriteFile(e.Name(), text))
	}
}

func TestAllRenderersShowTheSamePose(t *testing.T) {
	warm := blender.NewWarm()
	defer warm.Close()
	for name, file := range map[string]string{
		"a skin":                "simple_skin/simple_skin.gltf",
		"a morph, animated":     "glTF-Sample-Models/AnimatedMorphCube-glTF/AnimatedMorphCube.gltf",
		"textures that lie off": "textureTransform/TextureTransformTest.gltf",
	} {
		t.Run(name, func(t *testing.T) {
			c := real(t, assimp+"BoxTextured-glTF-Binary/BoxTextured.glb")
			c.Blender = warm
			folder(t, c, assimp+file)
			var pictures []image.Image
			for _, renderer := range renderers {
				_, err := screenshot.Module.Run(t.Context(), c, map[string]any{
					"src": filepath.Base(file), "dest": renderer + ".png", "renderer": renderer, "config": map[string]any{"width": 96, "height": 96},
				})
				require.NoError(t, err)
				pictures = append(pictures, decode(t, c, renderer+".png", png.Decode))
				keep(t, pictures[len(pictures)-1], renderer+".png")
			}
			for i := range renderers {
				require.Greater(t, overlap(pictures[0], pictures[i]), 0.97, renderers[i])
				want, got := mean(pictures[0]), mean(pictures[i])
				require.InDeltaSlice(t, want[:], got[:], 25, renderers[i])
			}
		})
	}
}

func TestCyclesDrawsATurntableOfWhatIsCompressed(t *testing.T) {
	c := real(t, assimp+"BoxTextured-glTF-Binary/BoxTextured.glb")
	folder(t, c, assimp+"draco/2CylinderEngine.gltf")
	out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
		"src": "2CylinderEngine.gltf", "dest": "turn_%d.jpg", "renderer": "cycles",
		"args": []any{"-w 48", "--height=32", "--camera-angles turntable:3", "--background '#ff0000'"}, "config": map[string]any{"samples": 1000},
	})
	require.NoError(t, err)
	require.Equal(t, []any{"turn_0.jpg", "turn_1.jpg", "turn_2.jpg"}, out["images"])
	require.Equal(t, "cycles", out["renderer"])
	require.NotEmpty(t, out["device"])
	require.EqualValues(t, 128, out["samples"])
	require.Len(t, out["warnings"], 1)
	require.Contains(t, out["warnings"].([]any)[0], "each pixel has 128 samples instead of 1000: ")
	img := decode(t, c, "turn_2.jpg", jpeg.Decode)
	require.Equal(t, image.Pt(48, 32), img.Bounds().Size())
	r, g, _, _ := img.At(1, 1).RGBA()
	require.Greater(t, r, uint32(0xf000), "the background")
	require.Less(t, g, uint32(0x1000))
	_, g, _, _ = img.At(24, 16).RGBA()
	require.Greater(t, g, uint32(0x4000), "the model")
}

func TestWhatBlenderCannotReadIsRefusedByName(t *testing.T) {
	c := call(t)
	for extension, want := range map[string]string{
		"EXT_meshopt_compression": "its geometry is compressed (meshopt), which Blender can't read; take renderer three, or unpack it first (MeshOptimizer)",
		"KHR_texture_basisu":      "its pictures are KTX2, which Blender can't read; take renderer three, or unpack it first (MeshOptimizer)",
	} {
		text := `{"asset": {"version": "2.0"}, "extensionsUsed": ["` + extension + `"], "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
			"meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "accessors": [{"componentType": 5126, "type": "VEC3", "count": 3}]}`
		require.NoError(t, c.Workspace.WriteFile("a.gltf", []byte(text)))
		_, err := screenshot.Module.Run(t.Context(), c, map[string]any{"src": "a.gltf", "renderer": "cycles"})
		require.EqualError(t, err, "draw a.gltf: "+want)
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
}

func TestWhoRunsAPipelineMayLetTheCPUDraw(t *testing.T) {
	c := real(t, assimp+"BoxTextured-glTF-Binary/BoxTextured.glb")
	props := map[string]any{"src": "model.glb", "renderer": "cycles", "config": map[string]any{"width": 8, "height": 8, "use_gpu": true}}
	_, err := screenshot.Module.Run(t.Context(), c, props)
	require.EqualError(t, err, "draw model.glb: no GPU was leased for it; write gpu: required to the task")
	c.GPU = gpu.Need{Use: gpu.Preferred}
	out, err := screenshot.Module.Run(t.Context(), c, props)
	require.NoError(t, err)
	require.Equal(t, "cycles", out["renderer"])
}

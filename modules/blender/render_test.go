package blender_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/raster/mesh"
	"github.com/millrace/millrace/modules/threejs"
)

const box = models + "/glTF2/BoxTextured-glTF-Binary/BoxTextured.glb"

func TestCyclesStandsWhereTheRasteriserDoes(t *testing.T) {
	cube := &mesh.Mesh{} // BoxTextured's
	for i := range 8 {
		cube.Positions = append(cube.Positions, mesh.Vec{float32(i&1) - 0.5, float32(i>>1&1) - 0.5, float32(i>>2&1) - 0.5})
	}
	cube.Triangles = [][3]uint32{{0, 1, 2}, {3, 4, 5}, {6, 7, 0}}
	scene, err := raster.NewScene(t.Context(), cube)
	require.NoError(t, err)
	views := append(raster.Turntable(3), raster.ThreeQuarter(), raster.View{Elevation: 90}, raster.View{Elevation: -90})
	shots := blender.Shots{Model: box, Width: 40, Height: 30, Samples: 1}
	for _, v := range views {
		shots.Views = append(shots.Views, threejs.View(v))
	}
	seen := 0
	drawn, err := warm(t).Draw(t.Context(), shots, func(i int, s blender.Shot) error {
		require.Equal(t, seen, i)
		seen++
		want, err := scene.Camera(t.Context(), raster.Options{Width: shots.Width, Height: shots.Height, View: views[i]})
		require.InDeltaSlice(t, want[:], s.Matrix[:], 1e-5)
		require.Equal(t, uint8(255), s.Image.RGBAAt(20, 15).A)
		require.Zero(t, s.Image.RGBAAt(0, 0).A)
		return err
	})
	require.NoError(t, err)
	require.Equal(t, len(views), seen)
	require.Equal(t, int64(12), drawn.Triangles)
	require.NotEmpty(t, drawn.Device)
	require.False(t, drawn.GPU)
	require.Positive(t, drawn.Stats.Elapsed)
}

func TestCyclesIsLitAsAskedFor(t *testing.T) {
	b := warm(t)
	bright := func(l threejs.Look) int {
		var light int
		_, err := b.Draw(t.Context(), blender.Shots{Model: box, Look: l, Width: 16, Height: 16, Views: make([]threejs.View, 1), Samples: 8}, func(_ int, s blender.Shot) error {
			p := s.Image.RGBAAt(8, 8)
			light = int(p.R) + int(p.G) + int(p.B)
			return nil
		})
		require.NoError(t, err)
		return light
	}
	dark := threejs.Look{Environment: "none", Lights: []threejs.Light{}}
	const black = 6 // of 765: what takes out the noise leaves a trace
	require.Less(t, bright(dark), black)
	ambient, behind, before := dark, dark, dark
	ambient.Lights = []threejs.Light{{Type: "ambient", Color: "#ffffff", Intensity: 2}}
	require.Greater(t, bright(ambient), 200)
	before.Lights = []threejs.Light{{Type: "directional", Color: "#ffffff", Intensity: 2}}
	require.Greater(t, bright(before), 200)
	behind.Lights = []threejs.Light{{Type: "directional", Color: "#ffffff", Intensity: 2, Position: &[3]float64{0, 0, -1}}}
	require.Less(t, bright(behind), black)
	room := threejs.Look{Lights: []threejs.Light{}}
	dim := threejs.Look{Lights: []threejs.Light{}, Exposure: new(0.3)}
	require.Greater(t, bright(room), 200)
	require.Less(t, bright(dim), bright(room))
}

func TestTheCPUDrawsABoundedNumberOfSamples(t *testing.T) {
	b := warm(t)
	shots := blender.Shots{Model: box, Width: 8, Height: 8, Views: make([]threejs.View, 1), Samples: 1 << 20, GPU: true}
	none := func(int, blender.Shot) error { return nil }
	drawn, err := b.Draw(t.Context(), shots, none)
	require.NoError(t, err)
	if !drawn.GPU {
		require.Equal(t, []string{
			"each pixel has 4096 samples instead of 1048576: no picture gets better by more",
			"the CPU drew, since Blender's driver of the GPU (CUDA or OptiX) did not start; the container needs it (NVIDIA_DRIVER_CAPABILITIES=all)",
		}, drawn.Warnings)
		shots.Must = true
		_, err = b.Draw(t.Context(), shots, none)
		require.ErrorContains(t, err, "no GPU drew: ")
	}
	shots.GPU, shots.Must = false, false
	drawn, err = b.Draw(t.Context(), shots, none)
	require.NoError(t, err)
	require.Equal(t, 128, drawn.Samples)
	require.Equal(t, []string{
		"each pixel has 128 samples instead of 1048576: that is what the CPU draws of a picture of 8 x 8 pixels; a GPU draws up to 4096 (gpu: preferred)",
	}, drawn.Warnings)
}

func TestCyclesEndsWithItsContextAndLeavesNothing(t *testing.T) {
	b := warm(t) // whose end looks for what was left
	shots := blender.Shots{Model: box, Width: 512, Height: 512, Views: make([]threejs.View, 100), Samples: 64}
	for _, after := range []time.Duration{10 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), after, errors.New("enough"))
		_, err := b.Draw(ctx, shots, func(int, blender.Shot) error { t.Error("no picture is whole"); return nil })
		cancel()
		require.EqualError(t, err, "enough")
	}
}

func TestWhatCyclesCannotDrawIsRefusedForGood(t *testing.T) {
	b := warm(t)
	for text, want := range map[string]string{
		"hello": "Blender: ",
		`{"asset": {"version": "2.0"}, "scenes": [{}], "scene": 0}`: "there is no triangle in it",
	} {
		file := filepath.Join(t.TempDir(), "a.glb")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := b.Draw(t.Context(), blender.Shots{Model: file, Width: 8, Height: 8, Views: make([]threejs.View, 1)}, nil)
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
}

package screenshot_test

import (
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/screenshot"
)

func TestRealPicturesOfThreeAreDrawnByTheGPU(t *testing.T) {
	if os.Getenv("MILLRACE_GPU") == "" {
		t.Skip("`make gpu` runs this on a machine with a GPU")
	}
	c := real(t, "hp-mixed-reality/left.glb")
	c.Devices = []gpu.Device{{}} // the machine's own: nothing hides them here
	began := time.Now()
	out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
		"src": "model.glb", "renderer": "three", "config": map[string]any{"width": 512, "height": 512, "use_gpu": true},
	})
	require.NoError(t, err)
	require.Contains(t, out["device"], "NVIDIA")
	t.Logf("%s: %v", out["device"], time.Since(began))
}

func TestRealPicturesOfCyclesAreThoseOfTheCPU(t *testing.T) {
	if os.Getenv("MILLRACE_GPU") == "" {
		t.Skip("`make gpu` runs this on a machine with a GPU")
	}
	c := real(t, "hp-mixed-reality/left.glb")
	run := func(devices []gpu.Device, dest string, must bool) (map[string]any, time.Duration) {
		c.Devices = devices
		began := time.Now()
		out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
			"src": "model.glb", "dest": dest, "renderer": "cycles", "config": map[string]any{"width": 512, "height": 512, "samples": 64, "use_gpu": must},
		})
		require.NoError(t, err)
		return out, time.Since(began)
	}
	onCPU, slow := run(nil, "cpu.png", false)
	_, first := run([]gpu.Device{{}}, "gpu.png", true) // kernels are compiled where the wheel has none for this GPU
	onGPU, fast := run([]gpu.Device{{}}, "gpu.png", true)
	require.Regexp(t, `NVIDIA.*\((OptiX|CUDA)\)$`, onGPU["device"])
	require.Equal(t, []any{}, onGPU["warnings"])
	a, b := decode(t, c, "cpu.png", png.Decode), decode(t, c, "gpu.png", png.Decode)
	require.Greater(t, overlap(a, b), 0.995)
	want, got := mean(a), mean(b)
	require.InDeltaSlice(t, want[:], got[:], 3)
	t.Logf("%s: %v; %s: %v, the first time %v", onCPU["device"], slow, onGPU["device"], fast, first)
}

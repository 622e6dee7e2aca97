package ffmpeg_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/ffmpeg"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/proc"
)

// The encoder is tried on the GPU itself, and what it says must come true: a video that is encoded by it and decoded, by the GPU too,
// or a refusal that names it.
func TestRealEncoderProbesSayTheTruth(t *testing.T) {
	if os.Getenv("MILLRACE_GPU") == "" {
		t.Skip("`make gpu` runs this on a machine with a GPU")
	}
	uuid, err := exec.CommandContext(t.Context(), "nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader").Output()
	require.NoError(t, err)
	first, _, _ := strings.Cut(strings.TrimSpace(string(uuid)), "\n")
	device := gpu.Device{UUID: first}
	c, _ := real(t)
	c.Env = gpu.Environ(os.Environ(), []gpu.Device{device})
	source(t, c, "clip.mp4", "-i", "testsrc2=s=640x360:r=25:d=2")
	tried := gpu.NVENC(&proc.Local{}, "ffmpeg", os.Environ())(t.Context(), device)
	out, err := ffmpeg.Module.Run(t.Context(), c, props("clip.mp4", "out.mp4", nil, map[string]any{"c:v": "h264_nvenc", "b:v": "4M"}))
	t.Logf("figure: h264_nvenc tried: %v; used: %v", tried, err)
	require.Equal(t, tried == nil, err == nil, "what the probe says is what a task finds")
	if tried != nil {
		require.ErrorContains(t, err, "use libx264")
		return
	}
	require.Equal(t, "h264_nvenc", out["encoder"])
	require.EqualValues(t, 50, out["frames"])
	for _, decoder := range []string{"h264", "h264_cuvid"} { // on the CPU, and by NVDEC
		out, err := ffmpeg.Module.Run(t.Context(), c, props("out.mp4", decoder+".png", map[string]any{"c:v": decoder}, map[string]any{"frames:v": int64(1)}))
		require.NoError(t, err, decoder)
		require.EqualValues(t, 640, out["width"])
	}
}

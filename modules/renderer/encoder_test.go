package renderer_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/renderer"
)

// encoders answers for the GPU's encoder, which this machine may lack: what was tried to be encoded with it is encoded with libx264 if it
// opens. Everything else is FFmpeg's own.
type encoders struct {
	proc.Local
	says  string // why no session opens; empty: it does
	tried int
}

func (e *encoders) Run(ctx context.Context, cmd proc.Cmd) (proc.Exit, error) {
	at := slices.Index(cmd.Args, "h264_nvenc")
	if at < 0 {
		return e.Local.Run(ctx, cmd)
	}
	if slices.Contains(cmd.Args, "lavfi") {
		e.tried++
		if e.says != "" {
			_, err := io.WriteString(cmd.Stderr, e.says+"\n")
			return proc.Exit{Code: 1}, err
		}
		return proc.Exit{}, nil
	}
	end := slices.Index(cmd.Args, "-b:v")
	cmd.Args = slices.Concat(cmd.Args[:at], []string{"libx264"}, cmd.Args[end+2:])
	return e.Local.Run(ctx, cmd)
}

func TestTheEncoderIsTheOneThatTrulyOpens(t *testing.T) {
	t.Parallel()
	const none = "[h264_nvenc @ 0x1] No capable devices found"
	leased := []gpu.Device{{UUID: "GPU-1", Name: "L4"}}
	for _, tt := range []struct {
		name    string
		devices []gpu.Device
		use     gpu.Use
		want    string // of the task
		says    string
		encoder string
		warning string
		refusal string
		kind    fault.Kind
		tried   int
	}{
		{name: "no GPU", use: gpu.Preferred, encoder: "libx264"},
		{name: "a GPU that encodes", devices: leased, use: gpu.Preferred, encoder: "h264_nvenc", tried: 1},
		{name: "a GPU without an encoder", devices: leased, use: gpu.Preferred, says: none, encoder: "libx264", tried: 1, warning: "libx264 encoded, in software, since the encoder of the GPU (L4) does not open: FFmpeg could not open a session: No capable devices found"},
		{name: "software by choice", devices: leased, use: gpu.Required, want: "libx264", encoder: "libx264"},
		{name: "required and none", use: gpu.Required, refusal: "GPU is required: the task has none to encode with", kind: fault.Permanent},
		{name: "by name and none", use: gpu.Preferred, want: "h264_nvenc", refusal: "GPU is required: the task has none to encode with", kind: fault.Permanent},
		{name: "required and without an encoder", devices: leased, use: gpu.Required, says: none, tried: 1, refusal: "GPU is required: the encoder of the GPU (L4) does not open", kind: fault.Permanent},
		{name: "required and busy", devices: leased, use: gpu.Required, says: "OpenEncodeSessionEx failed: out of memory (10)", tried: 1, refusal: "out of memory (10)", kind: fault.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := real(t)
			source(t, c, "a.png", "-i", "testsrc=s=64x48", "-frames:v", "1")
			e := &encoders{says: tt.says}
			c.Exec, c.Devices, c.GPU = e, tt.devices, gpu.Need{Use: tt.use}
			props := map[string]any{"slides": "a.png", "dest": "a.mp4", "width": 64, "height": 48, "fps": 5, "duration": 1}
			if tt.want != "" {
				props["encoder"] = tt.want
			}
			out, err := renderer.Module.Run(t.Context(), c, props)
			require.Equal(t, tt.tried, e.tried)
			if tt.refusal != "" {
				require.ErrorContains(t, err, tt.refusal)
				require.Equal(t, tt.kind, fault.Of(err))
				require.Equal(t, []string{"a.png"}, files(t, c))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.encoder, out["encoder"])
			require.Equal(t, tt.encoder == "h264_nvenc", out["gpu"] == "L4")
			if tt.warning == "" {
				require.Equal(t, []any{}, out["warnings"])
				return
			}
			require.Equal(t, []any{tt.warning}, out["warnings"])
		})
	}
	need := renderer.Module.Spec().GPU
	require.Equal(t, gpu.Preferred, need.Use)
	require.True(t, need.Encoder)
}

// What the GPU's encoder of this machine writes is decoded and held against what went in, as software's is; where the GPU has none, the
// video says that software encoded.
func TestRealVideosAreEncodedByWhatTheySay(t *testing.T) {
	if os.Getenv("MILLRACE_GPU") == "" {
		t.Skip("`make gpu` runs this on a machine with a GPU")
	}
	c, _ := real(t)
	source(t, c, "a.png", "-i", "testsrc=s=640x360", "-frames:v", "1")
	uuid, err := exec.CommandContext(t.Context(), "nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader").Output()
	require.NoError(t, err)
	first, _, _ := strings.Cut(strings.TrimSpace(string(uuid)), "\n")
	c.Devices, c.GPU = []gpu.Device{{UUID: first, Name: "the machine's own"}}, gpu.Need{Use: gpu.Preferred}
	c.Env = gpu.Environ(os.Environ(), c.Devices)
	tried := gpu.NVENC(&proc.Local{}, "ffmpeg", c.Env)(t.Context(), c.Devices[0])
	out, err := renderer.Module.Run(t.Context(), c, map[string]any{"slides": "a.png", "dest": "a.mp4", "width": 640, "height": 360, "duration": 2, "captions": "It says what it is."})
	require.NoError(t, err)
	require.Equal(t, tried == nil, out["encoder"] == "h264_nvenc", "%v", tried)
	data, err := os.ReadFile(filepath.Join(c.Workspace.Real(), "a.mp4"))
	require.NoError(t, err)
	require.Equal(t, out["encoder"] == "libx264", strings.Contains(string(data), "x264 - core"), "libx264 signs what it writes")
	t.Logf("figure: %s encoded (%v): %v", out["encoder"], tried, out["warnings"])
	require.EqualValues(t, 50, out["frames"])
	require.Greater(t, white(frame(t, c, "a.mp4", 1)), 0.001)
	c.GPU.Use = gpu.Required
	_, err = renderer.Module.Run(t.Context(), c, map[string]any{"slides": "a.png", "dest": "b.mp4", "duration": 1})
	require.Equal(t, tried == nil, err == nil, "%v", err)
}

package ffmpeg_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/ffmpeg"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
)

// real is a call that runs the real tools.
func real(t *testing.T) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	c, r := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, moduletest.Tools(t)
	return c, r
}

// source makes a file in the workspace of what FFmpeg makes of nothing.
func source(t *testing.T, c *modules.Call, name string, args ...string) {
	t.Helper()
	path := filepath.Join(c.Workspace.Real(), name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	all := append([]string{"-nostdin", "-v", "error", "-y", "-f", "lavfi"}, args...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(all, path)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// names are all files of the workspace, hidden ones too.
func names(t *testing.T, c *modules.Call) []string {
	t.Helper()
	var all []string
	require.NoError(t, c.Workspace.Walk(".", func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, name)
		}
		return err
	}))
	return all
}

func props(src any, dest string, in, out map[string]any) map[string]any {
	return map[string]any{"src": src, "dest": dest, "config": map[string]any{"srcConfig": in, "destConfig": out}}
}

func TestASequenceBecomesAVideoThatIsChecked(t *testing.T) {
	c, r := real(t)
	source(t, c, "in/render_%d.png", "-i", "testsrc=s=64x48:r=10:d=3", "-start_number", "100")
	done := 0.0
	c.Progress = func(share float64) { done = share }
	out, err := ffmpeg.Module.Run(t.Context(), c, props("in/render_%d.png", "/home/workspace/out/turn.mp4",
		map[string]any{"framerate": int64(10)}, map[string]any{"c:v": "libx264", "pix_fmt": "yuv420p", "b:v": "1M", "an": true}))
	require.NoError(t, err)
	require.EqualValues(t, 30, out["frames"])
	require.InDelta(t, 3.0, out["duration"], 0.11)
	require.EqualValues(t, 64, out["width"])
	require.EqualValues(t, 48, out["height"])
	require.Equal(t, "h264", out["video"])
	require.Equal(t, "", out["audio"])
	require.Equal(t, "libx264", out["encoder"])
	require.NotEqual(t, "0", out["size"])
	require.Positive(t, out["stats"].(map[string]any)["maxmem"])
	require.Contains(t, r.Stdout.String(), "100 %: ")
	require.EqualValues(t, 1, done)
	all, err := c.Workspace.Glob("out/*")
	require.NoError(t, err)
	require.Equal(t, []string{"out/turn.mp4"}, all)
}

func TestPicturesSoundAndGIFs(t *testing.T) {
	c, _ := real(t)
	source(t, c, "clip.mov", "-i", "testsrc=s=64x48:r=10:d=2", "-f", "lavfi", "-i", "sine=d=2", "-c:v", "mjpeg")
	for _, tt := range []struct {
		name    string
		src     any
		dest    string
		in, out map[string]any
		want    map[string]any
	}{
		{"a GIF with its own palette", "clip.mov", "a.gif", nil, map[string]any{"vf": "fps=5,scale=32:-1:flags=lanczos,split[s0][s1];[s0]palettegen[p];[s1][p]paletteuse", "loop": int64(0)}, map[string]any{"video": "gif", "width": int64(32), "frames": int64(10)}},
		{"its frames", "clip.mov", "frames/f_%03d.png", nil, map[string]any{"vf": "fps=5"}, map[string]any{"video": "png", "files": int64(10), "frames": int64(10)}},
		{"one frame", "clip.mov", "one.jpg", map[string]any{"ss": "00:00:01"}, map[string]any{"frames:v": int64(1)}, map[string]any{"video": "mjpeg", "files": int64(1)}},
		{"its sound", "clip.mov", "a.wav", nil, map[string]any{"vn": true}, map[string]any{"audio": "pcm_s16le", "video": "", "frames": int64(0)}},
		{"frames by their names", "frames/f_*.png", "b.webm", map[string]any{"framerate": "5"}, map[string]any{"c:v": "libvpx"}, map[string]any{"video": "vp8", "frames": int64(10)}},
		{"a still with sound", []any{"one.jpg", "a.wav"}, "c.mp4", map[string]any{"loop": true, "framerate": int64(5)}, map[string]any{"shortest": true, "pix_fmt": "yuv420p", "map": []any{"0:v", "1:a"}}, map[string]any{"video": "h264", "audio": "aac"}},
		{"copied", "c.mp4", "c.mkv", nil, map[string]any{"c": "copy"}, map[string]any{"video": "h264", "audio": "aac"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := ffmpeg.Module.Run(t.Context(), c, props(tt.src, tt.dest, tt.in, tt.out))
			require.NoError(t, err)
			for key, want := range tt.want {
				require.Equal(t, want, out[key], key)
			}
		})
	}
	for _, name := range names(t, c) {
		require.NotContains(t, name, ".ffmpeg-")
	}
}

func TestOptionsFollowTheRulesOfArgv(t *testing.T) {
	c, r := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("-a.mp4", []byte("moov")))
	r.OnRun = func(_ context.Context, cmd proc.Cmd) (proc.Exit, error) {
		if cmd.Path == "ffprobe" {
			_, err := cmd.Stdout.Write([]byte(`{"streams": [{"codec_type": "video"}], "format": {}}`))
			return proc.Exit{}, err
		}
		return proc.Exit{}, nil
	}
	_, err := ffmpeg.Module.Run(t.Context(), c, props("-a.mp4", "b.mp4",
		map[string]any{"ss": 1.5, "re": false, "itsoffset": nil},
		map[string]any{"b:v": "4M", "c:v": "libx264", "crf": int64(20), "map": []any{"0:v", "0:a?"}, "shortest": "true", "movflags": "+faststart", "metadata": "comment=see https://example.com/../x", "y": true}))
	require.ErrorContains(t, err, "there is nothing") // the recorder writes no file
	cmds := r.Cmds()
	require.Len(t, cmds, 2)
	args := cmds[1].Args
	require.Equal(t, []string{"-nostdin", "-hide_banner", "-y", "-v", "warning", "-nostats", "-progress", "pipe:1", "-protocol_whitelist", "file", "-format_whitelist"}, args[:11])
	require.Equal(t, []string{
		"-ss", "1.5", "-i", c.Workspace.Real() + "/-a.mp4", "-b:v", "4M", "-c:v", "libx264", "-crf", "20", "-map", "0:v", "-map", "0:a?",
		"-metadata", "comment=see https://example.com/../x", "-movflags", "+faststart", "-shortest",
	}, args[12:len(args)-1])
	require.Regexp(t, `/\.ffmpeg-[A-Z0-9]+/out\.mp4$`, args[len(args)-1])
}

func TestAKilledFFmpegPublishesNothing(t *testing.T) {
	for _, wait := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, 700 * time.Millisecond} {
		c, _ := real(t)
		source(t, c, "clip.mp4", "-i", "testsrc=s=320x240:r=30:d=1")
		lost := errors.New("lease lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		timer := time.AfterFunc(wait, func() { cancel(lost) })
		_, err := ffmpeg.Module.Run(ctx, c, props("clip.mp4", "out.mp4", map[string]any{"stream_loop": int64(-1)}, map[string]any{"t": "01:00:00", "c:v": "libx264", "preset": "veryslow"}))
		timer.Stop()
		require.ErrorIs(t, err, lost)
		require.Equal(t, []string{"clip.mp4"}, names(t, c))
	}
}

// killed runs FFmpeg, and kills it when it has written something.
type killed struct {
	proc.Local
	dir string
}

func (k *killed) Run(ctx context.Context, cmd proc.Cmd) (proc.Exit, error) {
	if !strings.HasSuffix(cmd.Path, "ffmpeg") || len(cmd.Args) < 3 {
		return k.Local.Run(ctx, cmd)
	}
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"-c", `"$@" & until [ -s "$(ls -d ` + k.dir + `/.ffmpeg-*/out.mkv)" ]; do sleep 0.01; done; kill -9 $!; wait $!`, "sh", "ffmpeg"}, cmd.Args...)
	return k.Local.Run(ctx, cmd)
}

func TestWhatAKilledFFmpegLeavesIsNoOutput(t *testing.T) {
	c, _ := real(t)
	source(t, c, "clip.mp4", "-i", "testsrc=s=320x240:r=30:d=1")
	c.Exec = &killed{dir: c.Workspace.Real()}
	_, err := ffmpeg.Module.Run(t.Context(), c, props("clip.mp4", "out.mkv", map[string]any{"stream_loop": int64(-1)}, map[string]any{"t": int64(3600), "flush_packets": int64(1)}))
	require.ErrorContains(t, err, "make out.mkv: FFmpeg exited with code 137")
	require.Equal(t, []string{"clip.mp4"}, names(t, c))
}

func TestOutcomesHaveNames(t *testing.T) {
	c, _ := real(t)
	source(t, c, "clip.mp4", "-i", "testsrc=s=64x48:r=10:d=2")
	source(t, c, "odd.png", "-i", "testsrc=s=63x47:d=1", "-frames:v", "1")
	data, err := c.Workspace.ReadFile("clip.mp4")
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("torn.mp4", data[:len(data)/2]))
	require.NoError(t, c.Workspace.WriteFile("noise.mp4", []byte(strings.Repeat("\x9f\x01\xe4z\x00", 600))))
	require.NoError(t, c.Workspace.WriteFile("empty.mp4", nil))
	for _, tt := range []struct {
		name, src, dest string
		in, out         map[string]any
		want            string
	}{
		{"nothing there", "none.mp4", "o.mp4", nil, nil, `there is no file "none.mp4"`},
		{"an empty file", "empty.mp4", "o.mp4", nil, nil, "read empty.mp4: it is empty"},
		{"noise", "noise.mp4", "o.mp4", nil, nil, "read noise.mp4: it is"},
		{"half a file", "torn.mp4", "o.mp4", nil, nil, "it is the beginning of a video, and the rest is missing"},
		{"no such encoder", "clip.mp4", "o.mp4", nil, map[string]any{"c:v": "h265_quantum"}, "this FFmpeg has no such encoder"},
		{"no such filter", "clip.mp4", "o.mp4", nil, map[string]any{"vf": "sharper"}, "this FFmpeg has no such filter"},
		{"no such option", "clip.mp4", "o.mp4", nil, map[string]any{"qualty": int64(3)}, "this FFmpeg has no such option"},
		{"no sound", "clip.mp4", "o.wav", nil, nil, "there is nothing in the input that the output can hold"},
		{"an odd size", "odd.png", "o.mp4", nil, map[string]any{"c:v": "libx264", "pix_fmt": "yuv420p"}, "width and height must be even"},
		{"no format", "clip.mp4", "o", nil, nil, "it has no extension that names a format"},
		{"without end", "odd.png", "o.mp4", map[string]any{"loop": int64(1)}, nil, "say how long the output is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ffmpeg.Module.Run(t.Context(), c, props(tt.src, tt.dest, tt.in, tt.out))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err), err.Error())
		})
	}
}

func TestADamagedInputIsNamed(t *testing.T) {
	c, _ := real(t)
	source(t, c, "clip.mkv", "-i", "testsrc=s=64x48:r=10:d=4", "-c:v", "mjpeg")
	data, err := c.Workspace.ReadFile("clip.mkv")
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("torn.mkv", data[:len(data)*2/3]))
	out, err := ffmpeg.Module.Run(t.Context(), c, props("clip.mkv", "whole.mp4", nil, nil))
	require.NoError(t, err)
	require.Empty(t, out["warnings"])
	out, err = ffmpeg.Module.Run(t.Context(), c, props("torn.mkv", "part.mp4", nil, nil))
	require.NoError(t, err)
	require.Less(t, out["frames"], int64(40))
	require.Len(t, out["warnings"], 1)
	require.Contains(t, out["warnings"].([]any)[0], "the input is damaged, and what was written lacks what FFmpeg could not read: ")
}

func TestWhatIsTooLargeIsRefusedBeforeItIsDecoded(t *testing.T) {
	c, _ := real(t)
	source(t, c, "clip.mp4", "-i", "testsrc=s=320x200:r=5:d=2")
	w, err := modules.Probe(t.Context(), ffmpeg.Module, c, props("clip.mp4", "o.mp4", nil, nil))
	require.NoError(t, err)
	require.Equal(t, int64(64<<20+320*200*64*4), w.Memory)
	require.Positive(t, w.Input)
	out, err := w.Run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 10, out["frames"])

	source(t, c, "wide.png", "-i", "color=s=20000x16:d=1", "-frames:v", "1")
	_, err = modules.Probe(t.Context(), ffmpeg.Module, c, props("wide.png", "o.mp4", nil, nil))
	require.EqualError(t, err, "read wide.png: it is 20000×16 pixels, more than the 16384 on a side that are read")
	require.Equal(t, fault.Permanent, fault.Of(err))
	source(t, c, "long.mkv", "-i", "color=s=16x16:r=1/10000:d=90000")
	_, err = modules.Probe(t.Context(), ffmpeg.Module, c, props("long.mkv", "o.mp4", nil, nil))
	require.ErrorContains(t, err, "read long.mkv: it is 90000 s long, more than the 86400 that are read")
}

func TestASequenceWithAGapSaysWhereItEnds(t *testing.T) {
	c, _ := real(t)
	source(t, c, "f_%03d.png", "-i", "testsrc=s=64x48:r=10:d=1")
	require.NoError(t, c.Workspace.Remove("f_005.png"))
	out, err := ffmpeg.Module.Run(t.Context(), c, props("f_%03d.png", "a.mp4", nil, nil))
	require.NoError(t, err)
	require.EqualValues(t, 4, out["frames"])
	gap := "there is no f_005.png, and 5 pictures after it were not read: a sequence ends where a number is missing"
	require.Equal(t, []any{gap}, out["warnings"])
	out, err = ffmpeg.Module.Run(t.Context(), c, props("f_%03d.png", "a.mp4", map[string]any{"start_number": int64(6)}, nil))
	require.NoError(t, err)
	require.EqualValues(t, 5, out["frames"])
	require.Empty(t, out["warnings"])
	out, err = ffmpeg.Module.Run(t.Context(), c, props("f_*4.png", "a.mp4", nil, nil))
	require.NoError(t, err, "a pattern that one picture has")
	require.EqualValues(t, 1, out["frames"])
	out, err = ffmpeg.Module.Run(t.Context(), c, props("f_*.png", "50%d.mp4", nil, nil))
	require.NoError(t, err, "a video has no number in its name")
	require.EqualValues(t, 9, out["frames"])
}

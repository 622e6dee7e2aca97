package ffmpeg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/ffmpeg"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/workspace"
)

// work is one run over clip.mp4, long enough to be killed in: 250 frames.
func work() map[string]any {
	return props("clip.mp4", "out.mkv", map[string]any{"stream_loop": int64(9)}, map[string]any{"c:v": "libx264", "preset": "medium", "flush_packets": int64(1)})
}

const workFrames = 250

// isWhole says that there is no out.mkv, or a whole one.
func isWhole(t *testing.T, dir string) (published bool) {
	t.Helper()
	file := filepath.Join(dir, "out.mkv")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return false
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", file).Output()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(workFrames), strings.TrimSpace(string(out)), "what is published is whole")
	return true
}

// moments are where work is killed: anywhere in it, from before it begins until after it ends.
func moments(n int, whole time.Duration) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration((float64(i) + rand.Float64()) / float64(n) * 1.1 * float64(whole))
	}
	return all
}

// whole is how long work takes here and now.
func whole(t *testing.T, dir string) time.Duration {
	t.Helper()
	c, _ := real(t)
	source(t, c, "clip.mp4", "-i", "testsrc=s=160x120:r=25:d=1")
	data, err := c.Workspace.ReadFile("clip.mp4")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clip.mp4"), data, 0o600))
	began := time.Now()
	_, err = ffmpeg.Module.Run(t.Context(), c, work())
	require.NoError(t, err)
	require.True(t, isWhole(t, c.Workspace.Real()))
	return time.Since(began)
}

// TestMain is also the process of a job, which is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FFMPEG_TEST_JOB"); dir != "" {
		if err := job(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func job(dir string) error {
	w, err := workspace.Open(dir, workspace.Options{})
	if err != nil {
		return err
	}
	c := &modules.Call{
		Log: slog.New(slog.DiscardHandler), Workspace: w, Exec: &proc.Local{}, Env: []string{"PATH=" + os.Getenv("PATH")},
		Stdout: io.Discard, Stderr: io.Discard, Tools: &tool.Set{Path: os.Getenv("PATH")},
	}
	_, err = ffmpeg.Module.Run(context.Background(), c, work())
	return err
}

func TestAJobThatIsKilledAtAnyMomentPublishesNothingOrAllOfIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := whole(t, dir)
	killed := 0
	for _, at := range moments(6, all) {
		_ = os.Remove(filepath.Join(dir, "out.mkv"))
		ctx, cancel := context.WithTimeout(t.Context(), at)
		exit, err := new(proc.Local).Run(ctx, proc.Cmd{
			Path: os.Args[0], Env: append(os.Environ(), "FFMPEG_TEST_JOB="+dir), Stderr: os.Stderr, Grace: time.Nanosecond,
		})
		cancel()
		published := isWhole(t, dir)
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			killed++
			continue
		}
		require.Zero(t, exit.Code)
		require.True(t, published)
	}
	require.Positive(t, killed)
}

func TestAnFFmpegThatIsKilledAtAnyMomentPublishesNothingOrAllOfIt(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	all := whole(t, c.Workspace.Real())
	died := 0
	for _, at := range moments(6, all) {
		_ = c.Workspace.Remove("out.mkv")
		c.Exec = &deadly{after: at}
		_, err := ffmpeg.Module.Run(t.Context(), c, work())
		require.Equal(t, err == nil, isWhole(t, c.Workspace.Real()), "%v", err)
		if err != nil {
			died++
			require.Equal(t, []string{"clip.mp4"}, names(t, c))
		}
	}
	require.Positive(t, died)
}

// deadly kills FFmpeg after a while.
type deadly struct {
	proc.Local
	after time.Duration
}

func (d *deadly) Run(ctx context.Context, cmd proc.Cmd) (proc.Exit, error) {
	if !strings.HasSuffix(cmd.Path, "ffmpeg") || len(cmd.Args) < 3 {
		return d.Local.Run(ctx, cmd)
	}
	// The sleep is ended where FFmpeg is the first.
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"-c", `"$@" & job=$!; { sleep ` + fmt.Sprint(d.after.Seconds()) + `; kill -9 $job; } 2>/dev/null >/dev/null & guard=$!; wait $job; code=$?; kill $guard 2>/dev/null; exit $code`, "sh", "ffmpeg"}, cmd.Args...)
	return d.Local.Run(ctx, cmd)
}

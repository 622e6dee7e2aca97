package renderer_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/renderer"
)

func TestKilledAtAnyMomentNothingIsPublished(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	give(t, c, "box.glb", box)
	lost := errors.New("lease lost")
	for range 6 {
		ctx, cancel := context.WithCancelCause(t.Context())
		timer := time.AfterFunc(time.Duration(rand.IntN(1500))*time.Millisecond, func() { cancel(lost) })
		_, err := renderer.Module.Run(ctx, c, map[string]any{"src": "box.glb", "dest": "a.mp4", "renderer": "raster", "width": 320, "height": 240, "duration": 120})
		timer.Stop()
		require.ErrorIs(t, err, lost)
		require.Equal(t, []string{"box.glb"}, files(t, c))
	}
}

// killed is FFmpeg that is killed from outside at a moment of its own choice.
type killed struct {
	proc.Local
	after time.Duration
}

func (k *killed) Run(ctx context.Context, cmd proc.Cmd) (proc.Exit, error) {
	if !strings.HasSuffix(cmd.Path, "ffmpeg") || cmd.Stdin == nil {
		return k.Local.Run(ctx, cmd)
	}
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"-c", `exec 3<&0; "$@" <&3 & sleep ` + fmt.Sprint(k.after.Seconds()) + `; kill -9 $!; wait $!`, "sh", "ffmpeg"}, cmd.Args...)
	return k.Local.Run(ctx, cmd)
}

func TestWhatAKilledFFmpegLeavesIsNoVideo(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	give(t, c, "box.glb", box)
	for range 3 {
		c.Exec = &killed{after: time.Duration(rand.IntN(1000)) * time.Millisecond}
		_, err := renderer.Module.Run(t.Context(), c, map[string]any{"src": "box.glb", "dest": "a.mp4", "renderer": "raster", "width": 320, "height": 240, "duration": 120})
		require.ErrorContains(t, err, "make a.mp4: FFmpeg exited with code 137")
		require.NotErrorIs(t, err, fs.ErrNotExist)
		require.Equal(t, []string{"box.glb"}, files(t, c))
	}
}

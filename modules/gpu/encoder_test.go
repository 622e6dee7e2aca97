package gpu

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

func TestAnEncoderIsProvenByASessionOnThatGPU(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	for _, tt := range []struct{ name, path, role, device, want string }{
		{"one that encodes", self, "ffmpeg with an encoder", "GPU-1", ""},
		{"one that does not", self, "ffmpeg with an encoder", "GPU-0", "FFmpeg could not open a session: No capable devices found"},
		{"a machine that does not", self, "ffmpeg without an encoder", "GPU-1", "FFmpeg could not open a session: No capable devices found"},
		{"no FFmpeg", "/no/ffmpeg", "", "GPU-1", "/no/ffmpeg was not found, and it is what tries the encoder: run make tools"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := NVENC(new(proc.Local), tt.path, []string{role + "=" + tt.role})(t.Context(), Device{UUID: tt.device})
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestEncodersAreTriedOnceAndOnlyWhereOneIsNeeded(t *testing.T) {
	var tried []string
	p := newBench(big(1), big(1), Report{Unfit: "broken"}).pool(Config{Encode: func(_ context.Context, d Device) error {
		tried = append(tried, d.UUID)
		if d.UUID == "GPU-a" {
			return errors.New("no capable devices found")
		}
		return nil
	}})
	defer p.Close()
	require.NoError(t, p.Fits(t.Context(), one))
	require.Empty(t, tried)
	for range 2 {
		l, err := p.Lease(t.Context(), Need{Use: Required, Encoder: true}, func(error) {})
		require.NoError(t, err)
		require.Equal(t, "GPU-b", l.Devices[0].UUID)
		require.True(t, l.Devices[0].Encoder)
		l.Release()
	}
	require.ErrorContains(t, p.Fits(t.Context(), Need{Use: Required, Count: 2, Encoder: true}),
		"only 1 would do: GPU 0 (L4) can't encode video: no capable devices found; GPU 2 (L4) is out of service: broken")
	require.Equal(t, []string{"GPU-a", "GPU-b"}, tried)
}

func TestAnEncoderThatNobodyHadTimeToTryIsTriedAgain(t *testing.T) {
	shutdown := errors.New("shutdown")
	ctx, stop := context.WithCancelCause(t.Context())
	p := newBench(big(1)).pool(Config{Encode: func(ctx context.Context, _ Device) error {
		stop(shutdown)
		return ctx.Err()
	}})
	defer p.Close()
	n := Need{Use: Required, Encoder: true}
	require.Equal(t, shutdown, p.Fits(ctx, n))
	require.NoError(t, p.Fits(t.Context(), n))
}

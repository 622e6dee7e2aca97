package gpu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
	var mu sync.Mutex
	var tried []string
	p := newBench(big(1), big(1), Report{Unfit: "broken"}).pool(Config{Encode: func(_ context.Context, d Device) error {
		mu.Lock()
		defer mu.Unlock()
		tried = append(tried, d.UUID)
		if d.UUID == "GPU-a" {
			return &because{"no capable devices found", ErrNoEncoder}
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
	require.ElementsMatch(t, []string{"GPU-a", "GPU-b"}, tried)
}

// film is a need of an encoder.
var film = Need{Use: Required, Encoder: true}

func TestManyWhoNeedAnEncoderTryItOnceAndATrialOutlivesWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, goOn := 0, make(chan struct{})
		p := newBench(big(1)).pool(Config{Encode: func(ctx context.Context, _ Device) error {
			began++
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return ctx.Err()
		}})
		defer p.Close()
		shutdown := errors.New("shutdown")
		ctx, stop := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 256 {
			wg.Go(func() {
				if err := p.Fits(ctx, film); err != shutdown {
					t.Errorf("it was to be stopped: %v", err)
				}
			})
		}
		synctest.Wait()
		plain := asks(t, p, one)
		require.Empty(t, plain, "nobody gets a GPU on which a session is tried")
		stop(shutdown)
		wg.Wait()
		close(goOn)
		(<-plain).Release()
		require.NoError(t, p.Fits(t.Context(), film))
		require.Equal(t, 1, began)
	})
}

func TestWhatKeptAnEncoderFromItsTrialIsForgottenInAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("OpenEncodeSessionEx failed: out of memory (10)")
		tries := 0
		p := newBench(big(1)).pool(Config{Encode: func(context.Context, Device) error {
			tries++
			return full
		}})
		defer p.Close()
		for range 2 {
			require.ErrorContains(t, p.Fits(t.Context(), film), full.Error())
		}
		require.Equal(t, 1, tries)
		full = nil
		time.Sleep(tryAgain)
		(<-asks(t, p, film)).Release()
		time.Sleep(time.Hour)
		require.NoError(t, p.Fits(t.Context(), film))
		require.Equal(t, 2, tries, "a session that was opened is for good")
	})
}

func TestNoSessionIsTriedOnAGPUThatATaskHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		p := newBench(big(1)).pool(Config{Encode: func(context.Context, Device) error {
			tries++
			return nil
		}})
		defer p.Close()
		held := <-asks(t, p, one)
		require.NoError(t, p.Fits(t.Context(), film), "it may have an encoder")
		waits := asks(t, p, film)
		require.Empty(t, waits)
		require.Zero(t, tries)
		held.Release()
		require.True(t, (<-waits).Devices[0].Encoder)
		require.Equal(t, 1, tries)
	})
}

func TestOnlyADevicesOwnNoIsForGood(t *testing.T) {
	for said, own := range map[string]bool{
		"[h264_nvenc @ 0x1] No capable devices found": true,
		"[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: unsupported device (2): (no details)\n[h264_nvenc @ 0x1] No capable devices found": true,
		"[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)\n[h264_nvenc @ 0x1] No capable devices found":     false,
		"[h264_nvenc @ 0x1] Cannot load libnvidia-encode.so.1":                                                                             false,
		"Unknown encoder 'h264_nvenc'": false,
		"":                             false,
	} {
		script := filepath.Join(t.TempDir(), "ffmpeg")
		require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho '"+said+"' >&2\nexit 1\n"), 0o700))
		err := NVENC(new(proc.Local), script, nil)(t.Context(), Device{UUID: "GPU-0"})
		require.ErrorContains(t, err, "FFmpeg could not open a session: ")
		require.Equal(t, own, errors.Is(err, ErrNoEncoder), said)
	}
}

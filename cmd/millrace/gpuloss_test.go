package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
)

func TestAWorkerIsOverForGPUsThatCanNotComeBackAlone(t *testing.T) {
	t.Parallel()
	lost := &gpu.UnfitError{Why: "it has fallen off the bus"}
	hot := &gpu.UnfitError{Why: "it has 97 °C", Err: gpu.ErrPasses}
	none := &gpu.UnfitError{Why: "there is none", Err: gpu.ErrNoDevice}
	for name, tt := range map[string]struct {
		looks []error // what each minute's look finds
		over  bool
	}{
		"once":                  {looks: []error{lost}},
		"twice":                 {looks: []error{lost, lost}, over: true},
		"well between":          {looks: []error{lost, nil, lost}},
		"hot all the time":      {looks: []error{hot, hot, hot, hot}},
		"hot between":           {looks: []error{lost, hot, lost}},
		"no GPU at all":         {looks: []error{none}, over: true},
		"nobody could be asked": {looks: []error{context.DeadlineExceeded, context.DeadlineExceeded}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var next error
				g := &gpuLoss{must: true, fits: func(context.Context, gpu.Need) error { return next }}
				for i, found := range tt.looks {
					next = found
					err := g.ready()
					_, unfit := errors.AsType[*gpu.UnfitError](found)
					require.Equal(t, unfit, err != nil, "look %d", i)
					require.Equal(t, tt.over && i == len(tt.looks)-1, errors.Is(err, worker.ErrOver), "look %d", i)
					time.Sleep(lossEvery)
				}
			})
		})
	}
}

func TestAWorkerOfNoClassIsLookedAtOnceAGPUHasFailed(t *testing.T) {
	t.Parallel()
	failed := false
	g := &gpuLoss{
		failed: func() bool { return failed },
		fits:   func(context.Context, gpu.Need) error { return &gpu.UnfitError{Why: "lost"} },
	}
	require.NoError(t, g.ready())
	failed = true
	require.ErrorContains(t, g.ready(), "no GPU of this machine works: lost")
}

func TestGPUsAreLookedAtOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		g := &gpuLoss{must: true, fits: func(context.Context, gpu.Need) error { looks++; return nil }}
		for range 180 { // a worker asks about once a second
			require.NoError(t, g.ready())
			time.Sleep(time.Second)
		}
		require.Equal(t, 3, looks)
	})
}

func TestWhatALostGPUMeansIsTheOperatorsChoice(t *testing.T) {
	t.Parallel()
	pool := &launch.Machine{GPUs: gpu.NewPool(gpu.Config{})}
	class := map[string]string{"class": "GPU"}
	for _, tt := range []struct {
		name        string
		lost        string
		labels      map[string]string
		machine     *launch.Machine
		asked, must bool
	}{
		{"a worker for GPUs must have one", gpuLostExit, class, pool, true, true},
		{"another one must not", gpuLostExit, nil, pool, true, false},
		{"it stays for other jobs", gpuLostStay, class, pool, false, false},
		{"jobs get none here", gpuLostExit, class, new(launch.Machine), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := (&workConfig{GPULost: tt.lost, fitConfig: fitConfig{labels: tt.labels}}).gpuLoss(tt.machine)
			require.Equal(t, tt.asked, g != nil)
			if g != nil {
				require.Equal(t, tt.must, g.must)
				require.False(t, g.failed())
				return
			}
			require.NoError(t, g.ready())
		})
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

// What becomes of a worker that has no GPU.
const (
	gpuLostExit = "exit"
	gpuLostStay = "stay"
)

const (
	lossEvery = time.Minute      // how often the GPUs of a worker are looked at that may have none
	lossLooks = 2                // looks that find none that works, before the worker ends
	lossLook  = 40 * time.Second // for one of them
)

// A gpuLoss finds out when a worker has no GPU that works: it would win every race for a message that needs one, only to hide
// it from the others. It is asked from one goroutine.
type gpuLoss struct {
	fits   func(ctx context.Context, n gpu.Need) error // as a gpu.Pool's
	failed func() bool                                 // a GPU has
	must   bool                                        // the worker is of the class of those that have GPUs: it is looked at though none has failed

	asked time.Time
	looks int   // those in a row that found none, and no hope of one
	none  error // what the last one found
}

// gpuLoss is that of this worker, or nil where it stays whatever becomes of its GPUs.
func (c *workConfig) gpuLoss(m *launch.Machine) *gpuLoss {
	if c.GPULost == gpuLostStay || m.GPUs == nil {
		return nil
	}
	return &gpuLoss{
		fits:   m.GPUs.Fits,
		failed: func() bool { return len(m.GPUs.Failures()) > 0 },
		must:   strings.EqualFold(c.labels[job.ClassLabel], engine.GPUClass),
	}
}

// ready returns nil, or why no message may be taken now: with worker.ErrOver, ever.
func (g *gpuLoss) ready() error {
	if g == nil || !g.must && !g.failed() {
		return nil
	}
	if time.Since(g.asked) >= lossEvery {
		g.look()
	}
	switch {
	case g.none == nil:
		return nil
	case g.looks < lossLooks:
		return fmt.Errorf("no GPU of this machine works: %w", g.none)
	}
	return &codeError{exitGPULost, fmt.Errorf("%w: no GPU of this machine works: %w; delete the pod (a restart of its container keeps its GPUs), or have it stay for other jobs by --gpu-lost=stay",
		worker.ErrOver, g.none)}
}

func (g *gpuLoss) look() {
	ctx, cancel := context.WithTimeout(context.Background(), lossLook)
	defer cancel()
	err := g.fits(ctx, gpu.Need{Use: gpu.Required, Count: 1})
	g.asked, g.none = time.Now(), nil
	unfit, ok := errors.AsType[*gpu.UnfitError](err)
	if ok {
		g.none = errors.New(unfit.Why)
	}
	switch {
	case !ok || errors.Is(err, gpu.ErrPasses):
		g.looks = 0
	case errors.Is(err, gpu.ErrNoDriver) || errors.Is(err, gpu.ErrNoDevice):
		g.looks = lossLooks
	default:
		g.looks++
	}
}

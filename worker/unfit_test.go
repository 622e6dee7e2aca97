package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// interrupted is what a run looks like that its machine stopped.
func interrupted(r engine.Reason, class string) func(context.Context, string, *launch.Request) *engine.Run {
	return func(context.Context, string, *launch.Request) *engine.Run {
		return &engine.Run{Status: engine.Canceled, GPUSeconds: 1.5, Failure: &engine.Failure{
			Kind: fault.Canceled, Reason: r, Class: class, Task: "render", Message: `task "render" needs a GPU: there is none`,
		}}
	}
}

// G5: as often as it takes, and neither its attempts nor what is known of its deaths grow by it.
func TestE4F43AJobThatNoMachineHereCanRunPaysNothingUntilOneCan(t *testing.T) {
	t.Parallel()
	p := newPlant(t, nil)
	var n int
	do := func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		if n++; n <= 30 {
			require.Equal(t, 1, req.Attempt)
			return interrupted(engine.Unfit, "")(ctx, ws, req)
		}
		return succeed(ctx, ws, req)
	}
	p.cfg.Launcher.(*launch.Inline).Run = func(ctx context.Context, d launch.Dir, req *launch.Request, _ engine.Reporter) *engine.Run {
		return do(ctx, d.Workspace(), req)
	}
	p.cfg.ExitWhenIdle = 10 * time.Millisecond
	for range 31 {
		p.send(map[string]any{"id": "gpu", "pipeline": "p", "max_attempts": 1})
		p.run()
	}
	r := p.load("gpu")
	require.Equal(t, record.Succeeded, r.Status)
	require.Equal(t, 31, r.Tried())
	for _, a := range r.Attempts[:10] {
		require.Equal(t, record.AttemptInterrupted, a.Status)
		require.Equal(t, engine.Unfit, a.Reason)
		require.False(t, a.Alone)
	}
	require.Equal(t, queue.Depth{Delayed: 30}, p.depth(), "they come again later")
}

func TestAJobThatThisWorkerIsKnownNotToFitIsNotEvenClaimed(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	var why error
	p.cfg.Fit = func(_ context.Context, req *launch.Request) error {
		require.Equal(t, "tasks: []", string(req.Document))
		return why
	}
	why = &engine.Stop{Reason: engine.Unfit, Class: "gpu", Message: "there is no GPU"}
	p.again("gpu")
	p.run()
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
	require.InDelta(t, 30, p.hidden().Seconds(), 5)
	require.Empty(t, p.load("gpu").Attempts)

	far, q := classQueue(t)
	p.cfg.Classes = map[string]*queue.Queue{"gpu": q}
	p.again("other")
	p.run()
	depth, err := far.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Visible: 1}, depth)

	why = errors.New("all are in use")
	p.again("busy")
	p.run()
	require.Equal(t, queue.Depth{Delayed: 2}, p.depth())

	require.NoError(t, p.records.Cancel(t.Context(), "canceled", "no more"))
	p.again("canceled")
	p.run()
	require.Equal(t, record.Cancelled, p.load("canceled").Status)
	require.Zero(t, p.runs.Load())
}

// Its worker was killed before it could answer the broker, and there is none like it any more.
func TestAJobThatHasEndedIsSettledWhereItCouldNotRun(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.again("done")
	p.run()
	require.Equal(t, record.Succeeded, p.load("done").Status)
	for _, why := range []error{noGPU, errors.New("all are in use")} {
		p.cfg.Fit = func(context.Context, *launch.Request) error { return why }
		p.again("done")
		p.run()
		require.Equal(t, queue.Depth{}, p.depth())
	}
	p.send(map[string]any{"id": "done", "pipeline": "nothing", "requires": map[string]any{"nvme": 1}})
	p.run()
	require.Equal(t, queue.Depth{}, p.depth())
	require.EqualValues(t, 1, p.runs.Load())
}

// It can't be run for ever by saying, once it has done its work, that the machine is not for it.
func TestAJobThatBeginsAndThenFindsItsMachineUnfitPaysAfterTwentyTimes(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		run := interrupted(engine.Unfit, "")(ctx, ws, req)
		run.Tasks = []engine.TaskRun{{Module: "Now", Status: engine.Canceled}}
		return run
	})
	p.cfg.ExitWhenIdle = 10 * time.Millisecond
	for range 22 {
		p.send(map[string]any{"id": "again", "pipeline": "p", "max_attempts": 1})
		p.run()
	}
	r := p.load("again")
	require.Equal(t, record.Dead, r.Status)
	require.Equal(t, 21, r.Tried())
	require.Equal(t, &record.Folded{Interrupted: 10, Bounced: 10, GPUSeconds: 15}, r.Folded)
	require.Equal(t, record.AttemptInterrupted, r.Attempts[9].Status)
	require.Contains(t, r.Message, "needs a GPU")
}

// One bad machine is no reason to bury a job.
func TestAJobUnderWhichGPUsOfThreeMachinesFailIsQuarantined(t *testing.T) {
	t.Parallel()
	p := newPlant(t, interrupted(engine.GPULost, ""))
	for _, p.cfg.Name = range []string{"bad", "bad", "bad", "bad", "other"} {
		p.again("breaker")
		p.run()
		require.Equal(t, record.Retrying, p.load("breaker").Status)
	}
	p.cfg.Name = "third"
	p.again("breaker")
	p.run()
	r := p.load("breaker")
	require.Equal(t, record.Dead, r.Status)
	require.Equal(t, record.ReasonQuarantine, r.Reason)
	require.Contains(t, r.Message, "quarantined: GPUs of 3 machines failed under it")
}

func TestAnUnfitJobIsHiddenLongerEachTimeItComes(t *testing.T) {
	t.Parallel()
	p := newPlant(t, interrupted(engine.Unfit, "gpu"))
	p.send(map[string]any{"pipeline": "p"})
	p.run()
	require.InDelta(t, 30, p.hidden().Seconds(), 5)
	p.cfg.Feed = feedOn(t, often{p.driver})
	p.send(map[string]any{"pipeline": "p"})
	p.run()
	require.InDelta(t, 15*60, p.hidden().Seconds(), 100)
}

func TestAJobThatNeedsAGPUIsSentOnToTheWorkersThatHaveOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		labels map[string]string
		body   map[string]any
		sent   int
	}{
		{"it names no class", nil, map[string]any{"pipeline": "p"}, 1},
		{"it asked for this class, so it stays", map[string]string{"class": "cpu"}, map[string]any{"pipeline": "p", "class": "cpu"}, 0},
		{"this worker is of that class", map[string]string{"class": "gpu"}, map[string]any{"pipeline": "p"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, interrupted(engine.Unfit, engine.GPUClass))
			far, q := classQueue(t)
			p.cfg.Classes, p.cfg.Labels = map[string]*queue.Queue{"gpu": q}, tt.labels
			id := p.send(tt.body)
			p.run()
			require.Equal(t, queue.Depth{Delayed: 1 - tt.sent}, p.depth())
			depth, err := far.Depth(t.Context())
			require.NoError(t, err)
			require.Equal(t, queue.Depth{Visible: tt.sent}, depth)
			require.Equal(t, record.Retrying, p.load(id).Status)
			if tt.sent == 0 {
				return
			}
			p.cfg.Feed = feedOn(t, far) // a worker of that class, which can't run it either
			p.run()
			require.Len(t, p.load(id).Attempts, 2, "it is the same job")
			depth, err = far.Depth(t.Context())
			require.NoError(t, err)
			require.Equal(t, queue.Depth{Delayed: 1}, depth, "it is sent on once")
		})
	}
}

// G5: at no cost, and soon: another worker has a GPU that works.
func TestF44AJobThatLostItsGPUComesAgainAtOnceAndPaysNothing(t *testing.T) {
	t.Parallel()
	p := newPlant(t, interrupted(engine.GPULost, ""))
	p.send(map[string]any{"id": "lost", "pipeline": "p", "max_attempts": 1})
	p.run()
	require.InDelta(t, 1, p.hidden().Seconds(), 0.5)
	r := p.load("lost")
	require.Equal(t, record.Retrying, r.Status)
	require.Equal(t, record.AttemptInterrupted, r.Attempts[0].Status)
	require.Equal(t, 1.5, r.GPUSeconds)
	p.cfg.Feed = feedOn(t, often{p.driver}) // one that breaks GPU after GPU must not have them all
	p.again("lost")
	p.run()
	require.Greater(t, p.hidden(), 10*time.Minute)
}

// Once more, alone; then no more, and everybody is told why.
func TestF25AJobThatUsesTooMuchMemoryRunsOnceMoreAloneAndIsThenDead(t *testing.T) {
	t.Parallel()
	var alone []bool
	p := newPlant(t, func(_ context.Context, _ string, req *launch.Request) *engine.Run {
		alone = append(alone, req.Alone)
		return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Reason: engine.OOM, Message: "the job used too much memory"}}
	})
	for range 2 {
		p.again("hoarder")
		p.run()
	}
	r := p.load("hoarder")
	require.Equal(t, record.Dead, r.Status)
	require.Equal(t, engine.OOM, r.Reason)
	require.Equal(t, []bool{false, true}, alone)
	require.Contains(t, r.Message, "the job used too much memory")
}

// At no cost, and at once.
func TestF25AJobThatNeedsMoreMemoryThanASlotHasRunsAlone(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		if req.Alone {
			return succeed(ctx, ws, req)
		}
		run := interrupted(engine.Unfit, "")(ctx, ws, req)
		run.Failure.Busy, run.Failure.Alone = true, true
		return run
	})
	p.send(map[string]any{"id": "large", "pipeline": "p", "max_attempts": 1})
	p.run()
	require.InDelta(t, 1, p.hidden().Seconds(), 0.5)
	require.Equal(t, record.Retrying, p.load("large").Status)
	p.send(map[string]any{"id": "large", "pipeline": "p", "max_attempts": 1})
	p.run()
	r := p.load("large")
	require.Equal(t, record.Succeeded, r.Status)
	require.Equal(t, []bool{false, true}, []bool{r.Attempts[0].Alone, r.Attempts[1].Alone})
}

func TestG14WhatAnAttemptTookIsToldAndRecorded(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	told := map[string]worker.Settlement{}
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		if req.Job.ID == "unfit" {
			return interrupted(engine.Unfit, "")(ctx, ws, req)
		}
		run := succeed(ctx, ws, req)
		run.GPUSeconds = 2.5
		return run
	})
	p.cfg.Settled = func(s worker.Settlement) {
		mu.Lock()
		defer mu.Unlock()
		told[s.Pipeline+" "+s.Outcome] = s
	}
	p.send(map[string]any{"id": "good", "pipeline": "render"})
	p.send(map[string]any{"id": "own", "tasks": []any{map[string]any{"module": "Now", "props": map[string]any{"key": "x"}}}})
	p.send(map[string]any{"id": "unfit", "pipeline": "render"})
	p.send(map[string]any{"id": "none", "pipeline": "nothing"})
	p.send(map[string]any{"id": "elsewhere", "pipeline": "render", "requires": map[string]any{"nvme": 1}})
	p.run()
	for _, key := range []string{"render succeeded", "inline succeeded", "render released", "none failed", "none released"} {
		require.Contains(t, told, key)
	}
	good := told["render succeeded"]
	require.Equal(t, 2.5, good.GPUSeconds)
	require.Positive(t, good.Latency)
	require.Zero(t, told["render released"].Latency, "it is not over")
	r := p.load("good")
	require.Equal(t, 2.5, r.GPUSeconds)
	require.Equal(t, r.Finished.Sub(r.Enqueued).Milliseconds(), r.LatencyMs)
}

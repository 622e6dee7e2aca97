package worker_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// noGPU is what a worker says that can't run a job.
var noGPU = &engine.Stop{Reason: engine.Unfit, Message: "there is no GPU"}

func TestAJobThatWaitsForAnotherWorkerSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	var why error = noGPU
	p.cfg.Fit = func(context.Context, *launch.Request) error { return why }
	p.again("unfit")
	p.run()
	r := p.load("unfit")
	require.Equal(t, record.Queued, r.Status)
	require.Equal(t, engine.Unfit, r.Reason)
	require.Equal(t, "it waits for a worker that can run it; w1 can't: there is no GPU", r.Message)

	why = errors.New("all are in use")
	p.again("busy")
	p.run()
	require.Contains(t, p.load("busy").Message, "w1 can't: all are in use")

	why = nil
	p.send(map[string]any{"id": "labels", "pipeline": "p", "requires": map[string]any{"nvme": 1}})
	p.run()
	require.Contains(t, p.load("labels").Message, "w1 can't: the job requires nvme=1, and this worker has no such label")
	p.again("unfit")
	p.run()
	require.Equal(t, record.Succeeded, p.load("unfit").Status)
	require.Len(t, p.load("unfit").Attempts, 1, "it had not begun")
}

// Its other attempts can't tell, wherever it comes next: their workers are dead, and there may be none like them any more.
func TestAJobThatIsNotRunAnyMoreEndsWhereItCouldNotRun(t *testing.T) {
	t.Parallel()
	p := newPlant(t, fail(fault.Transient))
	p.cfg.MaxAttempts = 1
	a, err := p.records.Claim(t.Context(), jobOf("spent"), record.Claim{})
	require.NoError(t, err)
	require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptFailed, Failure: &engine.Failure{Message: "it broke"}}))
	p.cfg.Fit = func(context.Context, *launch.Request) error { return noGPU }
	p.again("spent")
	require.NoError(t, p.records.Cancel(t.Context(), "canceled", "no more"))
	p.send(map[string]any{"id": "canceled", "pipeline": "p", "requires": map[string]any{"nvme": 1}})
	p.run()
	r := p.load("spent")
	require.Equal(t, record.Dead, r.Status)
	require.Contains(t, r.Message, "it broke")
	require.Equal(t, record.Cancelled, p.load("canceled").Status)
	require.Equal(t, queue.Depth{Dead: 1}, p.depth())
	require.Zero(t, p.runs.Load())
}

// A secretive store lists cancellations, and does not show them.
type secretive struct{ blob.Store }

func (s secretive) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if strings.HasSuffix(key, "/cancel") {
		return nil, blob.Info{}, errors.New("the store is having a moment")
	}
	return s.Store.Open(ctx, key)
}

func TestAJobIsNotRunWhereItCanNotBeThoughItsCancellationCanNotBeRead(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	p.cfg.Records = record.New(secretive{store}, time.Now)
	require.NoError(t, p.cfg.Records.Cancel(t.Context(), "j", "no more"))
	p.send(map[string]any{"id": "j", "pipeline": "p", "requires": map[string]any{"nvme": 1}})
	p.run()
	require.Zero(t, p.runs.Load())
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
	p.records = record.New(store, time.Now)
	require.Equal(t, record.Retrying, p.load("j").Status)
	require.Contains(t, p.load("j").Message, "the job requires nvme=1")
}

// What the catalogue has now may need more than what the job began with.
func TestAJobIsHeldBackByTheDocumentThatItBeganWith(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	s.records = record.New(store, time.Now)
	s.cfg.Records, s.cfg.Slots = s.records, 1
	s.cfg.Fit = func(_ context.Context, req *launch.Request) error {
		if string(req.Document) == second {
			return noGPU
		}
		return nil
	}
	s.failing = true
	for _, id := range []string{"began", "lost"} {
		s.send(map[string]any{"id": id, "pipeline": "p"})
	}
	s.run()
	s.write(second)
	s.failing = false
	s.again("began")
	s.again("new")
	s.run()
	require.Equal(t, record.Succeeded, s.load("began").Status)
	require.Equal(t, "p.yaml "+first, s.ran[len(s.ran)-1])
	require.Equal(t, record.Queued, s.load("new").Status)

	require.NoError(t, store.Delete(t.Context(), "pipelines/p/"+strings.TrimPrefix(digest(first), "sha256:")))
	s.again("lost")
	s.run()
	require.Equal(t, record.Failed, s.load("lost").Status)
	require.Contains(t, s.load("lost").Message, "neither in the catalogue nor in the store any more")
}

// A disk that others fill, a GPU that others use: none of it is the job's doing.
func TestF23WhatOtherJobsHaveOfAMachineIsWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]record.Status{"busy": record.Retrying, "greedy": record.Dead} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, nil)
			run := &engine.Run{
				Status: engine.Canceled, Tasks: []engine.TaskRun{{Module: "Now", Status: engine.Canceled}},
				Failure: &engine.Failure{Kind: fault.Canceled, Reason: engine.Unfit, Busy: id == "busy", Message: "the disk is taken"},
			}
			p.cfg.Launcher.(*launch.Inline).Run = func(context.Context, launch.Dir, *launch.Request, engine.Reporter) *engine.Run { return run }
			for range 20 {
				a, err := p.records.Claim(t.Context(), jobOf(id), record.Claim{})
				require.NoError(t, err)
				require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptInterrupted, Run: run}))
			}
			p.send(map[string]any{"id": id, "pipeline": "p", "max_attempts": 1})
			p.run()
			r := p.load(id)
			require.Equal(t, want, r.Status)
			require.Equal(t, 21, r.Tried())
			require.Equal(t, "the disk is taken", r.Message)
		})
	}
}

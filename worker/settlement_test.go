package worker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
)

// unlaunched is a launcher that can't start anything.
type unlaunched struct{ launch.Launcher }

func (unlaunched) Launch(context.Context, *launch.Request, engine.Reporter) (*launch.Outcome, error) {
	return nil, fault.As(fault.Transient, errors.New("start child: no process can be made"))
}

func TestAnAttemptIsToldByItsOutcomeAndTheReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		do      func(context.Context, string, *launch.Request) *engine.Run
		set     func(p *plant)
		outcome string
		reason  string
	}{
		{"it succeeds", succeed, nil, worker.Succeeded, ""},
		{"it fails for good", fail(fault.Permanent), nil, worker.Failed, ""},
		{"it fails, and may pass", fail(fault.Transient), nil, worker.Retried, ""},
		{"its machine lost a GPU", func(context.Context, string, *launch.Request) *engine.Run {
			return &engine.Run{Status: engine.Canceled, Failure: &engine.Failure{Kind: fault.Canceled, Reason: engine.GPULost, Message: "XID 79"}}
		}, nil, worker.Interrupted, "gpu_lost"},
		{"no process can be started", succeed, func(p *plant) { p.cfg.Launcher = unlaunched{} }, worker.Interrupted, "worker"},
		{"the store did not take its outcome", succeed, func(p *plant) { p.onFlaky(-1, finals) }, worker.Interrupted, "unsettled"},
		{"it is canceled", func(context.Context, string, *launch.Request) *engine.Run {
			return &engine.Run{Status: engine.Canceled, Failure: &engine.Failure{Kind: fault.Permanent, Reason: engine.Cancel, Message: "no"}}
		}, nil, worker.Cancelled, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, tt.do)
			if tt.set != nil {
				tt.set(p)
			}
			told := p.told()
			p.send(map[string]any{"id": "j", "pipeline": "p"})
			p.run()
			require.NotEmpty(t, told())
			s := told()[0]
			require.Equal(t, tt.outcome, s.Outcome)
			require.Equal(t, tt.reason, s.Reason)
			require.False(t, s.Quarantined)
		})
	}
}

func TestAQuarantinedJobIsToldAsOne(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	told := p.told()
	p.blamed("culprit", 3)
	p.send(map[string]any{"id": "culprit", "pipeline": "p", "max_attempts": 20})
	p.run()
	require.Len(t, told(), 1)
	s := told()[0]
	require.Equal(t, []any{worker.Dead, "history", true}, []any{s.Outcome, s.Reason, s.Quarantined})
}

func TestWhatAnAttemptStoredAndItsTasksAreTold(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		require.NoError(t, os.MkdirAll(filepath.Join(ws, "outputs"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(ws, "outputs/a.txt"), []byte("12345"), 0o600))
		return succeed(ctx, ws, req)
	})
	told := p.told()
	p.send(map[string]any{"pipeline": "p"})
	p.run()
	require.Len(t, told(), 1)
	s := told()[0]
	require.Equal(t, int64(5), s.Published)
	require.Len(t, s.Tasks, 1)
	require.LessOrEqual(t, s.Waited, s.Latency)
}

func TestADeliveryOfAJobThatHasEndedIsCounted(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Slots = 1
	w, err := worker.New(p.cfg)
	require.NoError(t, err)
	for range 2 {
		p.send(map[string]any{"id": "j", "pipeline": "p"})
	}
	require.NoError(t, w.Run(t.Context(), t.Context()))
	require.Equal(t, int64(1), w.Status().Duplicates)
	require.Equal(t, int32(1), p.runs.Load())
}

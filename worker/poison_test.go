package worker_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/record"
)

// crash is what a run looks like whose process died.
func crash(context.Context, string, *launch.Request) *engine.Run {
	return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Reason: engine.Crash, Message: "the process died"}}
}

// G8: twice, then alone, then never again, whatever its attempts.
func TestAJobThatTakesDownItsProcessRunsAloneAndIsThenQuarantined(t *testing.T) {
	t.Parallel()
	p := newPlant(t, crash)
	p.cfg.Machine = func() record.Machine { return record.Machine{Host: "pod", Kernel: "6.1"} }
	body := map[string]any{"id": "poison", "pipeline": "p", "max_attempts": 20}
	for range 3 {
		p.send(body)
		p.run()
	}
	r := p.load("poison")
	require.Equal(t, record.Dead, r.Status)
	require.Equal(t, record.ReasonQuarantine, r.Reason)
	require.Contains(t, r.Message, "quarantined: it took down the process that ran it 3 times, at last: the process died")
	require.EqualValues(t, 3, p.runs.Load())
	require.Equal(t, []bool{false, false, true}, []bool{r.Attempts[0].Alone, r.Attempts[1].Alone, r.Attempts[2].Alone})

	dead, err := p.driver.Dead(t.Context(), 10)
	require.NoError(t, err)
	require.Contains(t, dead[0].Reason, "quarantined: ")
	q, err := p.records.Quarantine(t.Context(), "poison")
	require.NoError(t, err)
	require.JSONEq(t, `{"id": "poison", "pipeline": "p", "max_attempts": 20}`, q.Payload)
	require.Equal(t, "tasks: []", q.Document)
	require.Equal(t, "6.1", q.Machine.Kernel)
	require.Len(t, q.Attempts, 3)
	require.NotEmpty(t, r.Quarantine)
}

// blamed claims attempts whose workers died after they had said who was to blame.
func (p *plant) blamed(id string, n int) {
	p.t.Helper()
	for range n {
		a, err := p.records.Claim(p.t.Context(), jobOf(id), record.Claim{Worker: "dead"})
		require.NoError(p.t, err)
		require.NoError(p.t, a.Blame(p.t.Context(), engine.Failure{Reason: engine.OOM, Message: "too much memory"}))
	}
}

// Only the culprit counts; deaths that nobody is known to be guilty of do not.
func TestF26AJobThatKilledItsWorkersByNameIsQuarantinedWithoutARun(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.die("culprit", 1, false)
	p.blamed("culprit", 3)
	p.send(map[string]any{"id": "culprit", "pipeline": "p", "max_attempts": 20})
	p.run()
	require.Equal(t, record.Dead, p.load("culprit").Status)
	require.Equal(t, record.ReasonQuarantine, p.load("culprit").Reason)
	require.Zero(t, p.runs.Load())
	require.Equal(t, 1, p.depth().Dead)
}

// The second time it runs alone.
func TestF26AJobThatKilledTwoWorkersByNameRunsAlone(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.blamed("culprit", 2)
	p.send(map[string]any{"id": "culprit", "pipeline": "p"})
	p.run()
	require.Equal(t, record.Succeeded, p.load("culprit").Status)
	require.True(t, p.load("culprit").Attempts[2].Alone)
}

func TestAttemptsThatOnlyCrumbsTellOfAreUsedUpToo(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.blamed("spent", 2)
	p.send(map[string]any{"id": "spent", "pipeline": "p", "max_attempts": 2})
	p.run()
	require.Equal(t, record.Dead, p.load("spent").Status)
	require.Contains(t, p.load("spent").Message, "its attempts are used up: 2 failed, of 2; the last: too much memory; its worker died too")
	require.Zero(t, p.runs.Load())
}

// P29, V42: three attempts by default, twenty at most.
func TestAJobHasThreeAttemptsUnlessItSaysOtherwise(t *testing.T) {
	t.Parallel()
	p := newPlant(t, fail(fault.Unknown))
	for range 3 {
		p.again("default")
		p.run()
	}
	require.Equal(t, record.Dead, p.load("default").Status)
	require.Len(t, p.load("default").Attempts, 3)
	p.cfg.MaxAttempts = 21
	_, err := worker.New(p.cfg)
	require.ErrorContains(t, err, "max attempts must be 1 to 20")
}

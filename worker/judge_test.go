package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	failed := func(k fault.Kind, r engine.Reason) *engine.Run {
		return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Kind: k, Reason: r, Message: "why"}}
	}
	for _, tt := range []struct {
		name    string
		run     *engine.Run
		err     error
		attempt int
		crashed int // before
		want    judgement
	}{
		{"success is acked", &engine.Run{Status: engine.Succeeded}, nil, 1, 0, judgement{verdict: ack, status: record.Succeeded}},
		{"an unclassified failure is tried again", failed(fault.Unknown, ""), nil, 1, 0, judgement{verdict: nack, delay: 30 * time.Second}},
		{"and again, later", failed(fault.Transient, ""), nil, 2, 0, judgement{verdict: nack, delay: time.Minute}},
		{"until its attempts are used up", failed(fault.Unknown, ""), nil, 3, 0, judgement{verdict: bury, status: record.Dead, reason: "why"}},
		{"what can never pass is not tried again", failed(fault.Permanent, ""), nil, 1, 0, judgement{verdict: bury, status: record.Failed, reason: "why"}},
		{"a timeout counts as a failure", failed(fault.Unknown, engine.Deadline), nil, 3, 0, judgement{verdict: bury, status: record.Dead, reason: "why"}},
		{"so does a crash", failed(fault.Unknown, engine.Crash), nil, 1, 0, judgement{verdict: nack, delay: 30 * time.Second}},
		{"and the second", failed(fault.Unknown, engine.OOM), nil, 2, 1, judgement{verdict: nack, delay: time.Minute}},
		{"the third is quarantine", failed(fault.Unknown, engine.OOM), nil, 2, 2, judgement{
			verdict: bury, status: record.Dead, keep: true, reason: "quarantined: it took down the process that ran it 3 times, at last: why",
		}},
		{"a plain failure after two is not", failed(fault.Unknown, ""), nil, 2, 2, judgement{verdict: nack, delay: time.Minute}},
		{"an interruption after two is not", failed(fault.Canceled, engine.Shutdown), nil, 2, 2, judgement{verdict: nack, free: true, delay: time.Second}},
		{"a shutdown is free, even on the last attempt", failed(fault.Canceled, engine.Shutdown), nil, 3, 0, judgement{verdict: nack, free: true, delay: time.Second}},
		{"a lost lease touches nothing", failed(fault.Canceled, engine.LeaseLost), nil, 3, 0, judgement{verdict: drop}},
		{"an unfit machine is free", failed(fault.Canceled, engine.Unfit), nil, 3, 0, judgement{verdict: nack, free: true, delay: 30 * time.Second, unfit: true}},
		{"a cancel is done", failed(fault.Permanent, engine.Cancel), nil, 1, 0, judgement{verdict: ack, status: record.Cancelled}},
		{"a cancel before the start too", nil, &engine.Stop{Reason: engine.Cancel, Message: "why"}, 1, 0, judgement{verdict: ack, status: record.Cancelled}},
		{"a job that could not be started is free", nil, errors.New("why"), 3, 0, judgement{verdict: nack, free: true, delay: 30 * time.Second}},
		{"unless it never can be", nil, fault.As(fault.Permanent, errors.New("why")), 1, 0, judgement{verdict: bury, status: record.Failed, reason: "why"}},
		{"a run without an outcome is a crash", &engine.Run{Status: engine.Running}, nil, 1, 0, judgement{verdict: nack, delay: 30 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(tt.run, tt.err, standing{attempt: tt.attempt, last: tt.attempt == 3, crashed: tt.crashed, bounce: 1})
			require.InDelta(t, tt.want.delay, got.delay, float64(tt.want.delay)/10+1, "within the jitter")
			got.delay = tt.want.delay
			require.Equal(t, tt.want, got)
		})
	}
}

func TestAFailureMayAskForMoreTimeThanTheBackoff(t *testing.T) {
	t.Parallel()
	run := &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Kind: fault.Transient, After: time.Hour}}
	require.InDelta(t, time.Hour, judge(run, nil, standing{attempt: 1}).delay, float64(6*time.Minute)+1)
}

func TestAJobThatCanNotBeStartedComesBackLaterUpToTwoMinutes(t *testing.T) {
	t.Parallel()
	for bounce, want := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 9: 2 * time.Minute} {
		got := judge(nil, errors.New("why"), standing{attempt: 1, bounce: bounce})
		require.True(t, got.free)
		require.InDelta(t, want, got.delay, float64(want)/10+1)
	}
}

// G8: what costs a job nothing is bounded where it costs others something.
func TestInterruptionsAreFreeForAWhile(t *testing.T) {
	t.Parallel()
	run := func(r engine.Reason) *engine.Run {
		return &engine.Run{Status: engine.Canceled, Failure: &engine.Failure{Kind: fault.Canceled, Reason: r, Message: "why"}}
	}
	require.True(t, judge(run(engine.Unfit), nil, standing{attempt: 1, begun: freeBounces - 1}).free)
	require.False(t, judge(run(engine.Unfit), nil, standing{attempt: 1, begun: freeBounces}).free)
	require.Equal(t, judgement{verdict: bury, status: record.Dead, reason: "why"},
		judge(run(engine.Unfit), nil, standing{attempt: 3, last: true, begun: freeBounces}))
	busy := run(engine.Unfit)
	busy.Failure.Busy = true
	require.True(t, judge(busy, nil, standing{attempt: 3, last: true, begun: freeBounces}).free)
	require.True(t, judge(run(engine.GPULost), nil, standing{attempt: 1, broken: maxGPUsLost - 2}).free)
	require.Equal(t, judgement{verdict: bury, status: record.Dead, keep: true, reason: "quarantined: GPUs of 3 machines failed under it, at last: why"},
		judge(run(engine.GPULost), nil, standing{attempt: 1, broken: maxGPUsLost - 1}))
	require.ErrorIs(t, poisoned(record.History{GPUsLost: []string{"a", "b", "c"}}), errQuarantined)
	require.NoError(t, poisoned(record.History{GPUsLost: []string{"a", "b"}}))
}

// E10: the first wait is half a minute.
func TestBackoffDoublesFromHalfAMinuteToAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for n := range 7 {
		got = append(got, backoff(n+1))
	}
	require.Equal(t, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute}, got)
}

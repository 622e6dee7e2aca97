package record_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// The worker died, and the crumb says of what.
func TestF26AClaimWithACrumbAndNoEndIsAFailureOfTheJob(t *testing.T) {
	b := newBook(newStore(t))
	require.NoError(t, claim(t, b, "j").Blame(t.Context(), engine.Failure{Reason: engine.OOM, Message: "too much"}))
	claim(t, b, "j") // died, and nobody knows of what
	a := claim(t, b, "j")
	require.Equal(t, record.History{Failed: 1, Crashed: 1, Hoarded: 1, Died: 1}, a.History)
	first := a.Earlier()[0]
	require.Equal(t, record.AttemptFailed, first.Status)
	require.Equal(t, engine.OOM, first.Reason)
	require.Equal(t, "too much; its worker died too", first.Failure.Message)
	require.Equal(t, record.AttemptDied, a.Earlier()[1].Status)
}

func TestAnEndOutweighsTheCrumb(t *testing.T) {
	b := newBook(newStore(t))
	a := claim(t, b, "j")
	require.NoError(t, a.Blame(t.Context(), engine.Failure{Reason: engine.OOM}))
	require.NoError(t, a.Blame(t.Context(), engine.Failure{Reason: engine.Crash}), "the first one stands")
	require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptInterrupted}))
	require.Equal(t, record.History{Interrupted: 1}, claim(t, b, "j").History)
}

func TestWhatOtherJobsHadOfAMachineIsNotCounted(t *testing.T) {
	b := newBook(newStore(t))
	for _, busy := range []bool{true, false} {
		run := &engine.Run{Tasks: []engine.TaskRun{{Module: "Now"}}, Failure: &engine.Failure{Reason: engine.Unfit, Busy: busy}}
		require.NoError(t, claim(t, b, "j").End(t.Context(), record.Outcome{Attempt: record.AttemptInterrupted, Run: run, Failure: run.Failure}))
	}
	require.Equal(t, record.History{Interrupted: 2, Bounced: 1}, claim(t, b, "j").History)
	f := &engine.Failure{Reason: engine.Unfit, Busy: true, Alone: true}
	require.NoError(t, claim(t, b, "large").End(t.Context(), record.Outcome{Attempt: record.AttemptInterrupted, Run: &engine.Run{Failure: f}, Failure: f}))
	require.Equal(t, record.History{Interrupted: 1, Crowded: 1}, claim(t, b, "large").History)
}

func TestAQuarantineIsKeptWithTheFinalRecordAndNamedByIt(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	first := claim(t, b, "j")
	log := first.NewLog(t.Context())
	log.Report(t.Context(), engine.Event{Kind: engine.TaskStdout, Line: "last words"})
	require.NoError(t, log.Close())
	a := claim(t, b, "j")
	q := &record.Quarantine{MessageID: "m", Delivery: 7, Attributes: map[string]string{"k": "v"}, Machine: record.Machine{Host: "pod"}}
	q.SetPayload([]byte("body"))
	q.SetDocument([]byte("tasks: []"))
	final, err := a.Commit(t.Context(), record.Outcome{
		Status: record.Dead, Failure: &engine.Failure{Reason: engine.Crash, Message: "quarantined: why"}, Quarantine: q,
	})
	require.NoError(t, err)
	require.Equal(t, record.ReasonQuarantine, final.Reason)
	require.Equal(t, engine.Crash, final.Attempts[1].Reason)
	require.Contains(t, keysOf(t, store, ""), final.Quarantine)
	got, err := b.Quarantine(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, "quarantined: why", got.Reason)
	require.Equal(t, []string{"body", "tasks: []", "j", "m", "hello"}, []string{got.Payload, got.Document, got.ID, got.MessageID, got.Pipeline})
	require.Equal(t, "last words", got.Log[0].Message, "of the attempt that had any")
	require.Len(t, got.Attempts, 2)
	require.Equal(t, "pod", got.Machine.Host)
	require.Equal(t, final.Quarantine, mustLoad(t, b, "j").Quarantine)
}

func mustLoad(t *testing.T, b *record.Book, id string) *record.Record {
	t.Helper()
	r, err := b.Load(t.Context(), id)
	require.NoError(t, err)
	return r
}

func TestAPayloadIsKeptAsItIsUpToItsLimit(t *testing.T) {
	var q record.Quarantine
	q.SetPayload([]byte("\xff\x00"))
	require.Equal(t, []byte("\xff\x00"), q.PayloadBase64)
	require.False(t, q.Truncated)
	q = record.Quarantine{}
	q.SetPayload([]byte("x" + strings.Repeat("é", 1<<19)))
	require.Len(t, q.Payload, 1<<20-1, "no half of a character")
	require.True(t, q.Truncated)
}

func TestAJobThatIsNotQuarantinedSaysSo(t *testing.T) {
	b := newBook(newStore(t))
	claim(t, b, "j")
	_, err := b.Quarantine(t.Context(), "j")
	require.ErrorIs(t, err, record.ErrNotFound)
}

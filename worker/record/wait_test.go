package record_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

// wait has a worker give the job up that can't run it.
func wait(t *testing.T, b *record.Book, j *job.Job, delivery int) {
	t.Helper()
	p, err := b.Past(t.Context(), j.ID)
	require.NoError(t, err)
	w := record.Wait{Host: "pod-1", Delivery: delivery, Reason: engine.Unfit, Message: "there is no GPU"}
	require.NoError(t, b.Wait(t.Context(), j, p, w))
}

func TestAJobThatNoWorkerHasClaimedSaysWhyItWaits(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	for delivery := range 100 {
		wait(t, b, newJob("j"), delivery+1)
	}
	require.Len(t, keysOf(t, store, "jobs/"), 7, "1, 2, 4, … 64")
	r := mustLoad(t, b, "j")
	require.Equal(t, record.Queued, r.Status)
	require.Equal(t, record.Waiting, r.ProcessingState)
	require.Equal(t, engine.Unfit, r.Reason)
	require.Equal(t, "it waits for a worker that can run it; pod-1 can't: there is no GPU", r.Message)
	require.Equal(t, []string{"gear", "hello", ""}, []string{r.Name, r.Pipeline, r.Digest})
	require.Equal(t, noon, r.Enqueued)
	var listed []record.Summary
	for s, err := range list(t, b, noon, record.Place{}) {
		require.NoError(t, err)
		listed = append(listed, s)
	}
	require.Len(t, listed, 1)
	require.Equal(t, record.Queued, listed[0].Status)
	require.Zero(t, listed[0].Attempts)

	for _, err := range b.Logs(t.Context(), "j", false) {
		require.ErrorIs(t, err, record.ErrNotFound)
	}

	require.Equal(t, 1, claim(t, b, "j").N, "it has not begun")
	require.Equal(t, record.Running, mustLoad(t, b, "j").Status)
	require.Len(t, keysOf(t, store, "index/"), 1)
}

func TestAJobThatHadBegunSaysWhyItWaits(t *testing.T) {
	b := newBook(newStore(t))
	wait(t, b, newJob("j"), 1)
	end(t, claim(t, b, "j"), engine.Run{Failure: &engine.Failure{Reason: engine.GPULost, Message: "it fell off the bus"}})
	require.Equal(t, "it fell off the bus", mustLoad(t, b, "j").Message)
	for delivery := 3; delivery < 8; delivery++ {
		wait(t, b, newJob("j"), delivery)
	}
	r := mustLoad(t, b, "j")
	require.Equal(t, record.Retrying, r.Status)
	require.Equal(t, engine.Unfit, r.Reason)
	require.Contains(t, r.Message, "there is no GPU")
	require.Len(t, r.Attempts, 1)

	claim(t, b, "j") // its worker dies
	require.Equal(t, record.Running, mustLoad(t, b, "j").Status)
	wait(t, b, newJob("j"), 9)
	r = mustLoad(t, b, "j")
	require.Equal(t, record.Retrying, r.Status)
	require.Contains(t, r.Message, "there is no GPU")
}

// Its message came to another worker all the same.
func TestAJobThatRunsOnDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := record.New(newStore(t), time.Now)
		log := claim(t, b, "j").NewLog(t.Context())
		time.Sleep(time.Second)
		wait(t, b, newJob("j"), 2)
		require.Equal(t, record.Retrying, mustLoad(t, b, "j").Status)
		time.Sleep(time.Second)
		log.Report(t.Context(), engine.Event{Kind: engine.TaskStarted, Name: "render"})
		time.Sleep(time.Minute)
		r := mustLoad(t, b, "j")
		require.Equal(t, record.Running, r.Status)
		require.Empty(t, r.Message)
		require.NoError(t, log.Close())
	})
}

func TestAWaitChangesNothingOfAJobThatIsOver(t *testing.T) {
	b := newBook(newStore(t))
	before, err := b.Past(t.Context(), "j")
	require.NoError(t, err)
	_, err = claim(t, b, "j").Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	r := mustLoad(t, b, "j")
	require.NoError(t, b.Wait(t.Context(), newJob("j"), before, record.Wait{Message: "late"}))
	require.Equal(t, r, mustLoad(t, b, "j"))
	p, err := b.Past(t.Context(), "j")
	require.NoError(t, err)
	require.True(t, p.Final)
}

func TestThePastOfAJobIsWhatItsAttemptsHaveLeft(t *testing.T) {
	b := newBook(newStore(t))
	claim(t, b, "j")
	require.NoError(t, claim(t, b, "j").End(t.Context(), record.Outcome{Attempt: record.AttemptFailed}))
	require.NoError(t, b.Cancel(t.Context(), "j", "why"))
	p, err := b.Past(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, record.History{Failed: 1, Died: 1}, p.History)
	require.Equal(t, []string{"hello", "sha256:d"}, []string{p.Pipeline, p.Digest})
	require.True(t, p.Canceled)
	require.False(t, p.Final)
}

// A message may ask for a label of any length.
func TestWhatAWaitSaysIsBounded(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	p, err := b.Past(t.Context(), "j")
	require.NoError(t, err)
	require.NoError(t, b.Wait(t.Context(), &job.Job{ID: "j"}, p, record.Wait{Message: strings.Repeat("é", 1<<20)}))
	require.Less(t, len(mustLoad(t, b, "j").Message), 5<<10)
	require.Empty(t, keysOf(t, store, "index/"), "nobody knows when it was sent")
}

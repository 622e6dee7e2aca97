package record_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// bounce is one attempt at a job that its machine can't run.
func bounce(t *testing.T, b *record.Book, id string) {
	t.Helper()
	unfit := &engine.Failure{Reason: engine.Unfit, Message: `task "render" needs a GPU: there is none; or let it run on the CPU by gpu: preferred`}
	end(t, claim(t, b, id), engine.Run{Failure: unfit})
}

// end ends an attempt that was interrupted.
func end(t *testing.T, a *record.Attempt, run engine.Run) {
	t.Helper()
	require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: record.AttemptInterrupted, Run: &run}))
}

// A weighing store adds up what is created in it.
type weighing struct {
	counting
	bytes int
}

func (w *weighing) Create(ctx context.Context, key string, b []byte) error {
	w.bytes += len(b)
	return w.counting.Create(ctx, key, b)
}

// E4: a job may wait for days for a machine that can run it.
func TestWhatAnInterruptionCostsDoesNotGrowWithTheirNumber(t *testing.T) {
	store := &weighing{counting: counting{Store: newStore(t)}}
	b := newBook(store)
	for n := 1; n <= 100; n++ {
		store.counting, store.bytes = counting{Store: store.Store}, 0
		bounce(t, b, "j")
		if n < 2 {
			continue
		}
		require.LessOrEqual(t, store.reads, 4, "bounce %d", n)
		require.LessOrEqual(t, store.creates, 3, "bounce %d", n)
		require.Less(t, store.bytes, 10<<10, "bounce %d", n)
	}
	r := mustLoad(t, b, "j")
	require.Len(t, r.Attempts, 11, "the newest ten of what was folded, and the last")
	require.Equal(t, 100, r.Attempts[10].N)
	require.Equal(t, 100, r.Tried())
}

func TestWhatIsFoldedStillCounts(t *testing.T) {
	b := newBook(newStore(t))
	require.NoError(t, claim(t, b, "j").End(t.Context(), record.Outcome{Attempt: record.AttemptFailed, Failure: &engine.Failure{Message: "why"}}))
	claim(t, b, "j") // died
	began := engine.Run{Tasks: []engine.TaskRun{{Module: "Now"}}, GPUSeconds: 1.5, Failure: &engine.Failure{Reason: engine.Unfit}}
	lost := engine.Run{Failure: &engine.Failure{Reason: engine.GPULost}}
	for range 3 {
		end(t, claim(t, b, "j"), began)
		end(t, claim(t, b, "j"), lost)
	}
	end(t, claim(t, b, "j"), engine.Run{Failure: &engine.Failure{Reason: engine.Unfit, Busy: true, Alone: true}})
	for range 29 {
		bounce(t, b, "j")
	}
	a := claim(t, b, "j")
	require.Equal(t, record.History{Failed: 1, Died: 1, Interrupted: 36, Bounced: 3, Crowded: 1, GPUsLost: []string{"pod-1"}}, a.History)
	require.Equal(t, 39, a.N)
	final, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	require.Equal(t, 4.5, final.GPUSeconds)
	require.Equal(t, 39, final.Tried())
	require.Equal(t, &record.Folded{Interrupted: 26, Bounced: 3, Crowded: 1, GPUsLost: []string{"pod-1"}, GPUSeconds: 4.5}, final.Folded)
	var listed []int
	for _, at := range final.Attempts {
		listed = append(listed, at.N)
	}
	require.Equal(t, []int{1, 2, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39}, listed)
	require.Equal(t, final.Attempts[0].Started, final.Started)
}

// Its worker was only slow.
func TestWhoWasTakenForDeadMayHaveEndedSince(t *testing.T) {
	b := newBook(newStore(t))
	slow, killed := claim(t, b, "j"), claim(t, b, "j")
	require.Equal(t, 1, killed.Died)
	bounce(t, b, "j")
	end(t, slow, engine.Run{Failure: &engine.Failure{Reason: engine.LeaseLost}})
	require.NoError(t, killed.Blame(t.Context(), engine.Failure{Reason: engine.OOM}))
	require.Equal(t, record.History{Interrupted: 2, Failed: 1, Crashed: 1, Hoarded: 1}, claim(t, b, "j").History)
}

package record_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// A life is what one worker knows when it is done or dead.
type life struct {
	claimed   int
	committed *record.Record
	told      bool
	done      bool
}

// live is one delivery of the job's message, from the claim to just before the ack, or to the crash. The first
// delivery's attempt fails, so that another follows.
func live(t *testing.T, store blob.Store, name string) (l life) {
	b := newBook(store)
	c := worker
	c.Worker = name
	a, err := b.Claim(t.Context(), newJob("j"), c)
	if over, ok := errors.AsType[*record.FinalError](err); ok {
		l.committed = over.Final
		l.told = over.Final.Callback != nil || b.CallbackDone(t.Context(), "j", record.Delivery{Tries: 1}) == nil
		l.done = l.told
		return l
	}
	if err != nil {
		return l
	}
	l.claimed = a.N
	log := a.NewLog(t.Context())
	log.Report(t.Context(), engine.Event{Kind: engine.TaskStdout, Line: name})
	logErr := log.Close()
	if _, err := a.Publish(t.Context(), "out", strings.NewReader(name)); err != nil {
		return l
	}
	if a.N == 1 {
		failed := record.Outcome{Attempt: record.AttemptFailed, Failure: &engine.Failure{Message: "no luck"}}
		l.done = a.End(t.Context(), failed) == nil && logErr == nil
		return l
	}
	if l.committed, err = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded}); err != nil {
		return l
	}
	l.told = b.CallbackDone(t.Context(), "j", record.Delivery{Tries: 1}) == nil
	l.done = l.told && logErr == nil
	return l
}

// TestAWorkerMayDieBetweenAnyTwoWrites lets the workers of one job die at the k-th write, for every k, before and after
// the write took place; each is followed by one that takes the redelivered message.
func TestAWorkerMayDieBetweenAnyTwoWrites(t *testing.T) {
	for _, written := range []bool{false, true} {
		for first := range 8 {
			for second := range 8 {
				t.Run(fmt.Sprintf("written=%v/%d/%d", written, first, second), func(t *testing.T) {
					t.Parallel()
					dieTwice(t, newStore(t), written, first, second)
				})
			}
		}
	}
}

func dieTwice(t *testing.T, store blob.Store, written bool, first, second int) {
	var lives []life
	for i, failAt := range []int{first, second} {
		s := &shaky{Store: store, failAt: failAt, written: written, dead: true}
		lives = append(lives, live(t, s, fmt.Sprint("mortal", i)))
	}
	for i := range 3 { // the queue delivers until it is done
		l := live(t, store, fmt.Sprint("immortal", i))
		lives = append(lives, l)
		if l.done && l.committed != nil {
			break
		}
	}
	b := newBook(store)
	r, err := b.Load(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, record.Succeeded, r.Status)
	require.NotNil(t, r.Callback)

	numbers := map[int]bool{}
	for _, l := range lives {
		require.False(t, l.claimed > 0 && numbers[l.claimed], "attempt %d was claimed twice", l.claimed)
		numbers[l.claimed] = true
		if l.committed != nil {
			require.Equal(t, r.Owner, l.committed.Owner, "two finals")
		}
	}
	last := r.Attempts[len(r.Attempts)-1]
	require.Len(t, r.Attempts, last.N, "no claim is lost")
	require.Equal(t, fmt.Sprintf("artifacts/j/%d/out", last.N), r.Artifacts[0].Key)
	body, err := blob.ReadAll(t.Context(), store, r.Artifacts[0].Key, 100)
	require.NoError(t, err)
	require.Equal(t, last.Worker, string(body), "the final names what its own attempt published")
	require.Len(t, keysOf(t, store, "index/"), 1)
	finals := 0
	for _, key := range keysOf(t, store, "jobs/") {
		if strings.HasSuffix(key, "/final") {
			finals++
		}
	}
	require.Equal(t, 1, finals)
}

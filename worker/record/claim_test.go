package record_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

var worker = record.Claim{Worker: "w1", Host: "pod-1", Digest: "sha256:d"}

func claim(t *testing.T, b *record.Book, id string) *record.Attempt {
	t.Helper()
	a, err := b.Claim(t.Context(), newJob(id), worker)
	require.NoError(t, err)
	require.NoError(t, a.Unlisted)
	return a
}

func TestAShortJobCostsFourWritesAndNoRead(t *testing.T) {
	store := &counting{Store: newStore(t)}
	b := newBook(store)
	a := claim(t, b, "j")
	log := a.NewLog(t.Context())
	log.Report(t.Context(), engine.Event{Kind: engine.RunStarted, Total: 1})
	_, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	require.NoError(t, log.Close())
	require.Equal(t, 2, store.creates, "claim and final")
	require.Equal(t, 2, store.puts, "index and log")
	require.Zero(t, store.reads)
	require.Len(t, keysOf(t, store, ""), 4)
}

func TestAttemptsAreCountedByHowTheyEnded(t *testing.T) {
	b := newBook(newStore(t))
	ends := []record.AttemptStatus{record.AttemptFailed, record.AttemptInterrupted, "", record.AttemptFailed, ""}
	for i, end := range ends {
		a := claim(t, b, "j")
		require.Equal(t, i+1, a.N)
		if end != "" {
			require.NoError(t, a.End(t.Context(), record.Outcome{Attempt: end, Failure: &engine.Failure{Message: "why"}}))
		}
	}
	a := claim(t, b, "j")
	require.Equal(t, []int{6, 2, 1, 2}, []int{a.N, a.Failed, a.Interrupted, a.Died})
	final, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	var statuses []record.AttemptStatus
	for _, at := range final.Attempts {
		statuses = append(statuses, at.Status)
	}
	require.Equal(t, []record.AttemptStatus{"failed", "interrupted", "died", "failed", "died", "succeeded"}, statuses)
	require.Equal(t, final.Attempts[0].Started, final.Started)
	require.Equal(t, "why", final.Attempts[0].Failure.Message)
}

func TestARedeliveryOfAFinishedJobFindsItsFinal(t *testing.T) {
	b := newBook(newStore(t))
	_, err := claim(t, b, "j").Commit(t.Context(), record.Outcome{Status: record.Dead, Failure: &engine.Failure{Message: "why"}})
	require.NoError(t, err)
	delivered := record.Delivery{Time: noon, Tries: 2, Status: 204}
	require.NoError(t, b.CallbackDone(t.Context(), "j", delivered))
	require.NoError(t, b.CallbackDone(t.Context(), "j", record.Delivery{Tries: 9}), "the first stands")

	_, err = b.Claim(t.Context(), newJob("j"), worker)
	over, ok := errors.AsType[*record.FinalError](err)
	require.True(t, ok)
	require.Equal(t, record.Dead, over.Final.Status)
	require.Equal(t, delivered, *over.Final.Callback)
	require.EqualError(t, err, "job j is over: DEAD")
}

func TestOfTwoThatRunTheJobOneCommits(t *testing.T) {
	b := newBook(newStore(t))
	first, second := claim(t, b, "j"), claim(t, b, "j")
	require.Equal(t, 1, second.Died, "a claim without an end")
	standing, err := second.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	late, err := first.Commit(t.Context(), record.Outcome{Status: record.Dead})
	require.ErrorIs(t, err, record.ErrSuperseded)
	require.Equal(t, standing, late)
	again, err := second.Commit(t.Context(), record.Outcome{Status: record.Dead})
	require.NoError(t, err, "its own commit stands")
	require.Equal(t, record.Succeeded, again.Status)
}

func TestEightThatClaimAtOnceGetEightNumbers(t *testing.T) {
	const workers = 8
	store := newStore(t)
	attempts := make([]*record.Attempt, workers)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			c := worker
			c.Worker = fmt.Sprint("w", i)
			attempts[i], errs[i] = newBook(store).Claim(t.Context(), newJob("j"), c)
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	numbers := map[int]bool{}
	for _, a := range attempts {
		require.False(t, numbers[a.N], "attempt %d was given out twice", a.N)
		numbers[a.N] = true
	}
	require.Len(t, keysOf(t, store, "index/"), 1)

	won := make([]bool, workers)
	for i, a := range attempts {
		wg.Go(func() {
			_, errs[i] = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
			won[i] = errs[i] == nil
		})
	}
	wg.Wait()
	winners := 0
	for i, err := range errs {
		if won[i] {
			winners++
			continue
		}
		require.ErrorIs(t, err, record.ErrSuperseded)
	}
	require.Equal(t, 1, winners)
}

func TestAWriteWhoseFateIsUnknownIsReadBack(t *testing.T) {
	for _, written := range []bool{true, false} {
		t.Run(fmt.Sprintf("written=%v", written), func(t *testing.T) {
			store := &shaky{Store: newStore(t), written: written}
			b := newBook(store)
			a, err := b.Claim(t.Context(), newJob("j"), worker)
			if !written {
				require.ErrorIs(t, err, errCrash)
				require.Empty(t, keysOf(t, store, ""))
				return
			}
			require.NoError(t, err)
			require.Equal(t, []int{1, 0}, []int{a.N, a.Died}, "our own claim is no dead one")
			store.failAt = 0
			final, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
			require.NoError(t, err)
			require.Equal(t, record.Succeeded, final.Status)
		})
	}
}

// A blind store reads nothing.
type blind struct{ blob.Store }

func (blind) Open(context.Context, string) (io.ReadCloser, blob.Info, error) {
	return nil, blob.Info{}, errCrash
}

func TestACommitThatCannotReadWhatStandsIsNotSuperseded(t *testing.T) {
	late, err := newBook(blind{newStore(t)}).Claim(t.Context(), newJob("j"), worker)
	require.NoError(t, err)
	_, err = late.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	_, err = late.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.ErrorIs(t, err, errCrash)
	require.NotErrorIs(t, err, record.ErrSuperseded, "there is no record to go on with")
}

func TestAJobThatCouldNotBeListedIsListedByItsCommit(t *testing.T) {
	store := &shaky{Store: newStore(t), failAt: 1}
	a, err := newBook(store).Claim(t.Context(), newJob("j"), worker)
	require.NoError(t, err)
	require.ErrorIs(t, a.Unlisted, errCrash)
	require.Empty(t, keysOf(t, store, "index/"))
	_, err = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	require.NoError(t, a.Unlisted)
	require.Len(t, keysOf(t, store, "index/"), 1)
}

func TestAMessageWithoutATimeKeepsThatOfItsFirstClaim(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	for range 2 {
		_, err := b.Claim(t.Context(), &job.Job{ID: "j"}, worker)
		require.NoError(t, err)
	}
	require.Len(t, keysOf(t, store, "index/"), 1)
}

func TestAJobIDThatIsNoNameIsRefusedForGood(t *testing.T) {
	b := newBook(newStore(t))
	for _, id := range []string{"", "a/b", "..", ".tmp", "a\nb", `a\b`, strings.Repeat("x", 201)} {
		_, err := b.Claim(t.Context(), &job.Job{ID: id}, worker)
		require.Equal(t, fault.Permanent, fault.Of(err), "%q", id)
		_, err = b.Load(t.Context(), id)
		require.Error(t, err)
	}
	_, err := b.Claim(t.Context(), &job.Job{ID: strings.Repeat("x", 200)}, worker)
	require.NoError(t, err)
}

func TestOnlyAFinalStatusIsCommitted(t *testing.T) {
	_, err := claim(t, newBook(newStore(t)), "j").Commit(t.Context(), record.Outcome{Status: record.Retrying})
	require.EqualError(t, err, "commit job j: RETRYING is no final status")
}

func TestArtifactsAreWholeAndNamedByTheFinal(t *testing.T) {
	store := newStore(t)
	b := newBook(store)
	claim(t, b, "j")
	a := claim(t, b, "j")
	art, err := a.Publish(t.Context(), "out/a.txt", strings.NewReader("hello"))
	require.NoError(t, err)
	require.Equal(t, record.Artifact{
		Path: "out/a.txt", Key: "artifacts/j/2/out/a.txt", Size: 5,
		SHA256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
	}, art)
	_, err = a.Publish(t.Context(), "../../j/1/a.txt", strings.NewReader("x"))
	require.Error(t, err)
	final, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	require.Equal(t, []record.Artifact{art}, final.Artifacts)
	require.Equal(t, "artifacts/j/2/", final.ArtifactPath)
}

func TestACancelReachesWhoeverAsks(t *testing.T) {
	b := newBook(newStore(t))
	c, err := b.Canceled(t.Context(), "j")
	require.NoError(t, err)
	require.Nil(t, c)
	require.NoError(t, b.Cancel(t.Context(), "j", "wrong file"))
	require.NoError(t, b.Cancel(t.Context(), "j", "again"))
	c, err = b.Canceled(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, "wrong file", c.Why)

	_, err = claim(t, b, "j").Commit(t.Context(), record.Outcome{Status: record.Cancelled})
	require.NoError(t, err)
	_, ok := errors.AsType[*record.FinalError](b.Cancel(t.Context(), "j", "late"))
	require.True(t, ok)
}

func TestTimesAreUTC(t *testing.T) {
	zone := time.FixedZone("far", 13*3600)
	b := record.New(newStore(t), func() time.Time { return noon.In(zone) })
	a, err := b.Claim(t.Context(), &job.Job{ID: "j", Enqueued: noon.In(zone)}, worker)
	require.NoError(t, err)
	final, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	for _, at := range []time.Time{final.Enqueued, final.Started, final.Finished, final.Updated} {
		require.Equal(t, time.UTC, at.Location())
	}
}

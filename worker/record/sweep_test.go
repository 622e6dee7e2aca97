package record_test

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

const day = 24 * time.Hour

// at is a Book of the store at a time after noon.
func at(store blob.Store, after time.Duration) *record.Book {
	return record.New(store, func() time.Time { return noon.Add(after) })
}

// over runs a job that leaves an output, and ends.
func over(t *testing.T, store blob.Store, id string) {
	t.Helper()
	a := claim(t, newBook(store), id)
	_, err := a.Publish(t.Context(), "deep/out.glb", strings.NewReader("made"))
	require.NoError(t, err)
	_, err = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
}

func TestOutputsGoBeforeRecordsAndBothByTheEndOfTheJob(t *testing.T) {
	dir := t.TempDir()
	store, err := dirblob.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	over(t, store, "a")
	over(t, store, "b")
	keep := record.Keep{Outputs: day, Records: 20 * day}

	n, err := at(store, 23*time.Hour).Sweep(t.Context(), keep)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Len(t, keysOf(t, store, "artifacts/"), 2)

	n, err = at(store, 25*time.Hour).Sweep(t.Context(), keep)
	require.NoError(t, err)
	require.Equal(t, record.Swept{Outputs: 2}, n)
	require.Empty(t, keysOf(t, store, "artifacts/"))
	final, err := newBook(store).Final(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, record.Succeeded, final.Status)

	n, err = at(store, 21*day).Sweep(t.Context(), keep)
	require.NoError(t, err)
	require.Equal(t, record.Swept{Records: 2}, n)
	require.Empty(t, keysOf(t, store, ""))
	for _, gone := range []string{"artifacts/a", "index/" + noon.Format(time.DateOnly)} {
		require.NoDirExists(t, filepath.Join(dir, gone))
	}
	jobs, err := filepath.Glob(filepath.Join(dir, "jobs/*/*"))
	require.NoError(t, err)
	require.Empty(t, jobs, "folders too")
}

func TestAJobThatSaysHowLongItsOutputsAreKeptIsTakenAtItsWord(t *testing.T) {
	dir := t.TempDir()
	store, err := dirblob.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	keep := map[string]time.Duration{"now": 0, "now0": 0, "hour": time.Hour, "day": day, "month": 25 * day}
	for id, d := range keep {
		a, err := newBook(store).Claim(t.Context(), &job.Job{ID: id, Enqueued: noon, KeepOutputs: &d}, record.Claim{})
		require.NoError(t, err)
		_, err = a.Publish(t.Context(), "out", strings.NewReader("made"))
		require.NoError(t, err)
		final, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
		require.NoError(t, err)
		require.Equal(t, final.Finished.Add(d), final.Expire)
		require.True(t, strings.HasPrefix(final.Artifacts[0].Key, final.ArtifactPath))
	}
	over(t, store, "other")
	running, err := newBook(store).Claim(t.Context(), &job.Job{ID: "running", Enqueued: noon, KeepOutputs: new(time.Duration)}, record.Claim{})
	require.NoError(t, err)
	_, err = running.Publish(t.Context(), "out", strings.NewReader("made"))
	require.NoError(t, err)
	left := func(after time.Duration, k record.Keep) []string {
		_, err := at(store, after).Sweep(t.Context(), k)
		require.NoError(t, err)
		return keysOf(t, store, "artifacts")
	}
	const hour, oneDay, month, other, begun = "artifacts-1d/hour/1/out", "artifacts-1d/day/1/out", "artifacts-30d/month/1/out", "artifacts/other/1/deep/out.glb", "artifacts-1d/running/1/out"
	require.ElementsMatch(t, []string{hour, oneDay, month, other, begun}, left(59*time.Minute, record.Keep{Outputs: day}))
	require.ElementsMatch(t, []string{oneDay, month, other, begun}, left(61*time.Minute, record.Keep{}))
	require.ElementsMatch(t, []string{month, begun}, left(2*day, record.Keep{Outputs: day}), "the operator's age is for those that don't say")
	require.NoDirExists(t, filepath.Join(dir, "artifacts-1d/hour"))
	_, err = store.Put(t.Context(), "artifacts-3d/swept/1/out", strings.NewReader("of a job that is not there any more"), blob.PutOptions{})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{begun}, left(16*day, record.Keep{Records: 15 * day}), "with its record, whatever it says")
}

func TestForEverIsForEver(t *testing.T) {
	store := newStore(t)
	over(t, store, "a")
	before := keysOf(t, store, "")
	for _, keep := range []record.Keep{{}, {Outputs: 2000 * day}, {Records: 2000 * day}} {
		n, err := at(store, 1000*day).Sweep(t.Context(), keep)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	require.Equal(t, before, keysOf(t, store, ""))
	n, err := at(store, 1000*day).Sweep(t.Context(), record.Keep{Outputs: day})
	require.NoError(t, err)
	require.Equal(t, record.Swept{Outputs: 1}, n)
	require.Len(t, keysOf(t, store, ""), len(before)-1)
}

func TestAJobThatIsNotOverOrOwesACallbackKeepsAll(t *testing.T) {
	store := newStore(t)
	a := claim(t, newBook(store), "running")
	_, err := a.Publish(t.Context(), "out", strings.NewReader("made"))
	require.NoError(t, err)
	over(t, store, "owing")
	e := record.Entry{Job: "owing", URL: "https://example.com/done", Round: 1, First: noon, Due: noon.Add(time.Hour)}
	require.NoError(t, newBook(store).Owe(t.Context(), e, record.Owed{Round: 1, Next: noon.Add(time.Hour)}))
	before := keysOf(t, store, "")
	n, err := at(store, 100*day).Sweep(t.Context(), record.Keep{Outputs: day, Records: 20 * day})
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, before, keysOf(t, store, ""))
}

// A dying store stops after a number of deletions.
type dying struct {
	*dirblob.Store
	left int
}

func (d *dying) Delete(ctx context.Context, key string) error {
	if d.left == 0 {
		return errCrash
	}
	d.left--
	return d.Store.Delete(ctx, key)
}

func TestASweepThatDiesBetweenAnyTwoDeletionsIsFinishedByTheNext(t *testing.T) {
	keep := record.Keep{Outputs: day, Records: 20 * day}
	for k := 0; ; k++ {
		store := newStore(t)
		over(t, store, "a")
		_, err := at(&dying{store, k}, 30*day).Sweep(t.Context(), keep)
		if err == nil {
			require.Greater(t, k, 3)
			return
		}
		require.ErrorIs(t, err, errCrash)
		_, err = newBook(store).Final(t.Context(), "a")
		listed := len(keysOf(t, store, "index/")) > 0
		require.True(t, err != nil || listed, "a record that is not in the index is never found again")
		_, err = at(store, 30*day).Sweep(t.Context(), keep)
		require.NoError(t, err)
		require.Empty(t, keysOf(t, store, ""), "after %d deletions", k)
	}
}

func TestAJobThatCantBeSweptHoldsUpNoOther(t *testing.T) {
	dir := t.TempDir()
	store, err := dirblob.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for _, id := range []string{"a", "b", "c"} {
		over(t, store, id)
	}
	finals, err := filepath.Glob(filepath.Join(dir, "jobs/*/b/final"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(finals[0], []byte("{"), 0o600))
	n, err := at(store, 30*day).Sweep(t.Context(), record.Keep{Records: 20 * day})
	require.ErrorContains(t, err, "job b: ")
	require.Equal(t, record.Swept{Outputs: 2, Records: 2}, n)
}

// A listing store counts how often it is listed.
type listing struct {
	*dirblob.Store
	lists int
}

func (l *listing) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	l.lists++
	return l.Store.List(ctx, prefix, after)
}

func TestASweepListsNoFolderOnceForEachOfItsJobs(t *testing.T) {
	dir, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	lists := func() int {
		store := &listing{Store: dir}
		n, err := at(store, time.Hour).Sweep(t.Context(), record.Keep{})
		require.NoError(t, err)
		require.Zero(t, n)
		return store.lists
	}
	none := lists()
	for n := range 20 {
		keep := 2 * time.Hour
		a, err := newBook(dir).Claim(t.Context(), &job.Job{ID: strconv.Itoa(n), Enqueued: noon, KeepOutputs: &keep}, record.Claim{})
		require.NoError(t, err)
		for _, path := range []string{"a/b", "c"} {
			_, err = a.Publish(t.Context(), path, strings.NewReader("made"))
			require.NoError(t, err)
		}
		_, err = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
		require.NoError(t, err)
	}
	require.Equal(t, none, lists())
	n, err := at(dir, 3*time.Hour).Sweep(t.Context(), record.Keep{})
	require.NoError(t, err, "what it lists goes while it lists")
	require.Equal(t, record.Swept{Outputs: 20}, n)
	require.Empty(t, keysOf(t, dir, "artifacts"))
}

func TestOutputsOfAMessageThatDidNotSayGoWithTheRecordOfOneThatDid(t *testing.T) {
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	var last *record.Attempt
	for _, keep := range []*time.Duration{nil, new(time.Hour)} {
		last, err = newBook(store).Claim(t.Context(), &job.Job{ID: "a", Enqueued: noon, KeepOutputs: keep}, record.Claim{})
		require.NoError(t, err)
		_, err = last.Publish(t.Context(), "out", strings.NewReader("made"))
		require.NoError(t, err)
	}
	_, err = last.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	require.Len(t, keysOf(t, store, "artifacts"), 2)
	_, err = at(store, 20*day).Sweep(t.Context(), record.Keep{Records: 16 * day})
	require.NoError(t, err)
	require.Empty(t, keysOf(t, store, ""))
}

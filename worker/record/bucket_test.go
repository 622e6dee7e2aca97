package record_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// inBuckets runs a test against an empty bucket, through either driver.
func inBuckets(t *testing.T, test func(*testing.T, blob.Store)) {
	t.Helper()
	endpoint := servertest.Versitygw(t)
	t.Run("s3", func(t *testing.T) {
		c := s3blob.Config{AWS: blobtest.AWS(t, endpoint), Bucket: blobtest.Bucket(t, endpoint), Prefix: "team/a"}
		store, err := s3blob.Open(t.Context(), c)
		require.NoError(t, err)
		test(t, store)
	})
	t.Run("cos", func(t *testing.T) {
		c := cosblob.Config{COS: blobtest.COS(endpoint), Bucket: blobtest.Bucket(t, endpoint)}
		store, err := cosblob.Open(t.Context(), c)
		require.NoError(t, err)
		test(t, store)
	})
}

func TestInABucketOfManyThatRunAJobOneCommits(t *testing.T) {
	inBuckets(t, func(t *testing.T, store blob.Store) {
		const workers = 4
		numbers, committed := make([]int, workers), make([]error, workers)
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				a, err := newBook(store).Claim(t.Context(), newJob("j"), record.Claim{Worker: fmt.Sprint("w", i)})
				if err != nil {
					committed[i] = err
					return
				}
				numbers[i] = a.N
				run := &engine.Run{Result: map[string]any{"n": int64(9007199254740993 + i)}}
				_, committed[i] = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded, Run: run})
			})
		}
		wg.Wait()
		won := slices.Index(committed, nil)
		require.GreaterOrEqual(t, won, 0)
		for i, err := range committed {
			if _, over := errors.AsType[*record.FinalError](err); i != won && !over {
				require.ErrorIs(t, err, record.ErrSuperseded)
			}
		}
		slices.Sort(numbers)
		numbers = slices.DeleteFunc(numbers, func(n int) bool { return n == 0 })
		require.Len(t, slices.Compact(slices.Clone(numbers)), len(numbers), "one number was given out twice: %v", numbers)
		r, err := newBook(store).Load(t.Context(), "j")
		require.NoError(t, err)
		require.Equal(t, map[string]any{"n": int64(9007199254740993 + won)}, r.Result)
		require.Len(t, keysOf(t, store, "index/"), 1)
	})
}

func TestWithABucketAWorkerMayDieAtAWriteToo(t *testing.T) {
	for _, written := range []bool{false, true} {
		for first := range 5 {
			t.Run(fmt.Sprintf("written=%v/%d", written, first), func(t *testing.T) {
				inBuckets(t, func(t *testing.T, store blob.Store) { dieTwice(t, store, written, first, 3) })
			})
		}
	}
}

func TestInABucketTheOutboxIsClaimedOnceAndEmptiedWhole(t *testing.T) {
	inBuckets(t, func(t *testing.T, store blob.Store) {
		b := newBook(store)
		e := record.Entry{Job: "j", URL: "https://shop.example", First: noon}
		require.NoError(t, b.Owe(t.Context(), e, record.Owed{Round: 1, Time: noon, Next: noon.Add(-11 * time.Minute)}))
		var names []string
		for name, err := range b.Due(t.Context(), time.Time{}) {
			require.NoError(t, err)
			names = append(names, name)
		}
		require.Equal(t, []string{"20260314T114900Z-j"}, names)
		for since, want := range map[time.Duration]int{-10 * time.Minute: 0, -11 * time.Minute: 1} {
			n := 0
			for _, err := range b.Due(t.Context(), noon.Add(since)) {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, want, n, since)
		}
		got, err := b.ClaimDue(t.Context(), names[0])
		require.NoError(t, err)
		require.Equal(t, 1, got.Round)
		other, err := newBook(store).ClaimDue(t.Context(), names[0])
		require.NoError(t, err)
		require.Nil(t, other)
		require.NoError(t, b.RemoveDue(t.Context(), names[0]))
		require.Empty(t, keysOf(t, store, "outbox/"))
	})
}

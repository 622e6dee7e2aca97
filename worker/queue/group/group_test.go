package group_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue/group"
)

func TestALoneCallIsCarriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		g := group.New(10, func(_ context.Context, batch []string) []error {
			require.Equal(t, []string{"a"}, batch)
			return nil
		})
		require.NoError(t, g.Call(t.Context(), "a"))
		require.Zero(t, time.Since(began))
	})
}

func TestCallsThatComeMeanwhileShareTheNextBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		g := group.New(4, func(_ context.Context, batch []int) []error {
			time.Sleep(time.Second)
			batches = append(batches, slices.Clone(batch))
			errs := make([]error, len(batch))
			for i, v := range batch {
				if v%2 == 1 {
					errs[i] = errors.New(strconv.Itoa(v))
				}
			}
			return errs
		})
		var wg sync.WaitGroup
		for v := range 10 {
			time.Sleep(time.Millisecond)
			wg.Go(func() {
				err := g.Call(t.Context(), v)
				if v%2 == 0 {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, strconv.Itoa(v))
			})
		}
		wg.Wait()
		require.Equal(t, [][]int{{0}, {1, 2, 3, 4}, {5, 6, 7, 8}, {9}}, batches)
	})
}

func TestACallThatGivesUpInTimeIsNotCarried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var carried []string
		g := group.New(10, func(_ context.Context, batch []string) []error {
			time.Sleep(time.Minute)
			carried = append(carried, batch...)
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, g.Call(t.Context(), "first")) })
		synctest.Wait()
		gaveUp := errors.New("gave up")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gaveUp)
		defer cancel()
		require.ErrorIs(t, g.Call(ctx, "second"), gaveUp)
		require.NoError(t, g.Call(t.Context(), "third"))
		wg.Wait()
		require.Equal(t, []string{"first", "third"}, carried)
	})
}

func TestABatchIsGivenUpWithTheLastOfItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group.New(10, func(ctx context.Context, batch []string) []error {
			if batch[0] == "first" {
				time.Sleep(time.Second)
				return nil
			}
			<-ctx.Done()
			return []error{context.Cause(ctx), context.Cause(ctx)}
		})
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, g.Call(t.Context(), "first")) })
		synctest.Wait()
		began := time.Now()
		for i := range 2 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+2)*time.Minute)
				defer cancel()
				require.ErrorIs(t, g.Call(ctx, strconv.Itoa(i)), context.DeadlineExceeded)
			})
			synctest.Wait()
		}
		wg.Wait()
		require.Equal(t, 3*time.Minute, time.Since(began))
	})
}

func TestAGroupGoesOnWhenACallGivesUpAsItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group.New(1, func(context.Context, []string) []error {
			time.Sleep(time.Second)
			return nil
		})
		for range 100 { // which of the two comes first is chance
			var wg sync.WaitGroup
			wg.Go(func() { require.NoError(t, g.Call(t.Context(), "first")) })
			synctest.Wait()
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_ = g.Call(ctx, "second")
			})
			synctest.Wait()
			wg.Go(func() { require.NoError(t, g.Call(t.Context(), "third")) })
			wg.Wait()
		}
	})
}

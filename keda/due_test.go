package keda_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda"
)

func TestWhatIsDueIsWorkAndAskedForOnceAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		var asks, slow atomic.Int64
		var due, fails atomic.Bool
		q := keda.Queue{Name: "light", Count: b.Count, Due: func(ctx context.Context) (bool, error) {
			asks.Add(1)
			if slow.Load() > 0 {
				<-ctx.Done()
			}
			if fails.Load() || ctx.Err() != nil {
				return false, errors.New("the store is down")
			}
			return due.Load(), nil
		}}
		startQueue(t, q, &b.log, func(s *keda.Scaler) {
			time.Sleep(time.Hour)
			require.Zero(t, asks.Load(), "nobody wants to know")
			watched := func(d time.Duration) keda.Answer {
				for range d / (30 * time.Second) {
					answer(t, s)
					time.Sleep(30 * time.Second)
				}
				return answer(t, s)
			}
			require.Zero(t, watched(10*time.Minute).Work)
			require.InDelta(t, 10, asks.Load(), 1)
			due.Store(true)
			require.Equal(t, 1, watched(2*time.Minute).Work)
			fails.Store(true)
			require.Equal(t, 1, watched(10*time.Minute).Work, "an error makes nothing of it")
			require.Zero(t, watched(time.Hour).Work, "a store that never answers again keeps no pod")
			fails.Store(false)
			require.Equal(t, 1, watched(2*time.Minute).Work)
			due.Store(false)
			require.Zero(t, watched(2*time.Minute).Work)

			slow.Store(1)
			b.asked()
			watched(10 * time.Minute)
			require.InDelta(t, 600, b.asked(), 2, "a store that hangs holds up no look at the broker")
			slow.Store(0)
			asks.Store(0)
			time.Sleep(time.Hour)
			require.LessOrEqual(t, asks.Load(), int64(3), "nobody wants to know any more")
		})
	})
}

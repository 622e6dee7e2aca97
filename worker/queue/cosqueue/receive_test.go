package cosqueue

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

func TestWhatWasClaimedWhenTheContextEndedIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := memory(t)
		var armed atomic.Bool
		d := start(t, c.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if armed.Load() && r.Method == http.MethodPut {
				cancel()
			}
			return next.RoundTrip(r)
		}))
		send(t, d, "x")
		armed.Store(true)
		ms, err := d.Receive(ctx, 1, maxWait)
		require.NoError(t, err)
		require.Len(t, ms, 1)
		require.NoError(t, d.Nack(t.Context(), ms[0].Receipt, 0))
	})
}

func TestNoClaimIsBegunAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var claims, late atomic.Int64
		d := start(t, memory(t).through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/"+leases) {
				if ctx.Err() != nil {
					late.Add(1)
				}
				if claims.Add(1) == atOnce {
					cancel()
				}
				time.Sleep(200 * time.Millisecond)
			}
			return next.RoundTrip(r)
		}))
		for range maxReceive {
			send(t, d, "x")
		}
		ms, err := d.Receive(ctx, maxReceive, maxWait)
		require.NoError(t, err)
		require.Len(t, ms, atOnce)
		require.Zero(t, late.Load())
	})
}

func TestAWorkerThatStartsAmongDelayedMessagesReadsNoneOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delayed = 300
		c := memory(t)
		d := start(t, c)
		for range delayed {
			send(t, d, "later")
		}
		for range delayed {
			require.NoError(t, d.Nack(t.Context(), one(t, d).Receipt, 10*time.Minute))
		}
		id := send(t, d, "now")
		fresh := start(t, c)
		before := total(fresh)
		ms, err := fresh.Receive(t.Context(), 1, 0)
		require.NoError(t, err)
		require.Len(t, ms, 1)
		require.Equal(t, id, ms[0].ID)
		require.Equal(t, before+4, total(fresh), "two to look, two to claim: %v", fresh.Requests())
		depth, err := fresh.Depth(t.Context())
		require.NoError(t, err)
		require.Equal(t, queue.Depth{InFlight: 1, Delayed: delayed}, depth)
	})
}

func TestMessagesThatBecomeVisibleTogetherAreListedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delayed = 100
		c := memory(t)
		d := start(t, c)
		for range delayed {
			send(t, d, "later")
		}
		for range delayed {
			require.NoError(t, d.Nack(t.Context(), one(t, d).Receipt, 10*time.Minute))
		}
		fresh := start(t, c)
		none(t, fresh, 0)
		time.Sleep(10*time.Minute - time.Second) // when a listing can't tell any more, and the leases have to be read
		before := fresh.Requests()["LIST"]
		for range delayed {
			ack(t, fresh, one(t, fresh))
		}
		require.LessOrEqual(t, fresh.Requests()["LIST"]-before, int64(10))
	})
}

func TestAHandBackWithADelayIsLookedForWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		send(t, d, "x")
		m := one(t, d)
		none(t, d, maxWait)
		before := d.Requests()["LIST"]
		require.NoError(t, d.Nack(t.Context(), m.Receipt, 3*time.Second))
		require.Equal(t, before, d.Requests()["LIST"])
		began := time.Now()
		one(t, d)
		require.Less(t, time.Since(began), 3200*time.Millisecond)
	})
}

func TestASenderRemembersNoMoreDelaysThanItMay(t *testing.T) {
	d := start(t, memory(t))
	for i := range maxSeen {
		d.date(fmt.Sprint(i), time.Now())
	}
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x"), Delay: time.Hour})
	require.NoError(t, err)
	require.LessOrEqual(t, len(d.fresh), maxSeen)
}

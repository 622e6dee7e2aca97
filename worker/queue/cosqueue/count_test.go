package cosqueue

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// watched is a bucket whose requests are kept, by method.
func watched(t *testing.T) (c Config, methods func() map[string]int) {
	var mu sync.Mutex
	seen := map[string]int{}
	c = memory(t).through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Method]++
		return next.RoundTrip(r)
	})
	return c, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		was := seen
		seen = map[string]int{}
		return was
	}
}

func TestACountTellsWhatWaitsFromWhatWasHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, methods := watched(t)
		d := start(t, c)
		for range 4 {
			send(t, d, "work")
		}
		for _, delay := range []time.Duration{time.Minute, 24 * time.Hour} {
			_, err := d.Send(t.Context(), queue.Draft{Body: []byte("later"), Delay: delay})
			require.NoError(t, err)
		}
		require.NoError(t, d.Nack(t.Context(), one(t, d).Receipt, 10*time.Minute))
		held := one(t, d)

		counter, err := NewCounter(t.Context(), c)
		require.NoError(t, err)
		count := func() queue.Load {
			l, err := counter.Count(t.Context())
			require.NoError(t, err)
			return l
		}
		methods()
		require.Equal(t, queue.Load{Visible: 2, InFlight: 1, Delayed: 1, Later: 2, Requests: 2}, count())
		require.Equal(t, map[string]int{"GET": 2}, methods(), "it writes nothing, and asks as often as it says")

		empty, err := NewCounter(t.Context(), memory(t))
		require.NoError(t, err)
		l, err := empty.Count(t.Context())
		require.NoError(t, err)
		require.Equal(t, queue.Load{Requests: 1}, l)

		ack(t, d, held)
		time.Sleep(2 * time.Minute)
		require.Equal(t, queue.Load{Visible: 3, Later: 2, Requests: 2}, count(), "the delayed one is due")
		time.Sleep(9 * time.Minute)
		require.Equal(t, queue.Load{Visible: 4, Later: 1, Requests: 2}, count(), "the one handed back is due")
		time.Sleep(24*time.Hour - 20*time.Minute)
		require.Equal(t, queue.Load{Visible: 4, Delayed: 1, Requests: 2}, count(), "the one of tomorrow is due soon")
	})
}

func TestALeaseWhoseWorkerDiedIsWorkOnceItHasLasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		d := start(t, c)
		send(t, d, "work")
		one(t, d) // by a worker that is seen no more
		counter, err := NewCounter(t.Context(), c)
		require.NoError(t, err)
		for _, want := range []queue.Load{{InFlight: 1, Requests: 2}, {Visible: 1, Requests: 2}} {
			l, err := counter.Count(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, l)
			time.Sleep(c.Visibility)
		}
	})
}

func TestACountEndsWhenThereIsEnoughForAnybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		d := start(t, c)
		for range enough + 2*pageSize {
			send(t, d, "work")
		}
		counter, err := NewCounter(t.Context(), c)
		require.NoError(t, err)
		l, err := counter.Count(t.Context())
		require.NoError(t, err)
		require.Equal(t, queue.Load{Visible: enough, Requests: 1 + enough/pageSize}, l)
	})
}

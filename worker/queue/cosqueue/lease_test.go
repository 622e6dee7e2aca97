package cosqueue

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

var errCut = errors.New("the line is cut")

// through puts f between a driver and its bucket.
func (c Config) through(f func(next http.RoundTripper, r *http.Request) (*http.Response, error)) Config {
	inner := c.wrap
	c.wrap = func(next http.RoundTripper) http.RoundTripper {
		if inner != nil {
			next = inner(next)
		}
		return wire(func(r *http.Request) (*http.Response, error) { return f(next, r) })
	}
	return c
}

func send(t *testing.T, d *Driver, body string) string {
	t.Helper()
	id, err := d.Send(t.Context(), queue.Draft{Body: []byte(body)})
	require.NoError(t, err)
	return id
}

// one receives the only message there must be.
func one(t *testing.T, d *Driver) queue.Message {
	t.Helper()
	for range 5 {
		ms, err := d.Receive(t.Context(), 1, maxWait)
		require.NoError(t, err)
		if len(ms) > 0 {
			return ms[0]
		}
	}
	require.Fail(t, "the queue gives no message")
	return queue.Message{}
}

func none(t *testing.T, d *Driver, wait time.Duration) {
	t.Helper()
	ms, err := d.Receive(t.Context(), 1, wait)
	require.NoError(t, err)
	require.Empty(t, ms)
}

func ack(t *testing.T, d *Driver, m queue.Message) {
	t.Helper()
	require.NoError(t, d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0])
}

func TestAHolderThatWasCutOffCanNeitherRenewNorSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		var cut atomic.Bool
		holder := start(t, c.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if cut.Load() {
				return nil, errCut
			}
			return next.RoundTrip(r)
		}))
		other := start(t, c)
		id := send(t, holder, "x")
		m := one(t, holder)
		none(t, other, 0)

		cut.Store(true)
		require.Error(t, holder.Extend(t.Context(), m.Receipt, time.Minute))
		taken := time.Now()
		again := one(t, other)
		require.GreaterOrEqual(t, time.Since(taken), c.Visibility-time.Second)
		require.Equal(t, id, again.ID)
		require.Equal(t, 2, again.Delivery)

		cut.Store(false)
		require.ErrorIs(t, holder.Extend(t.Context(), m.Receipt, time.Minute), queue.ErrLeaseLost)
		require.ErrorIs(t, holder.Ack(t.Context(), []queue.Receipt{m.Receipt})[0], queue.ErrLeaseLost)
		require.ErrorIs(t, holder.Nack(t.Context(), m.Receipt, 0), queue.ErrLeaseLost)
		require.ErrorIs(t, holder.Bury(t.Context(), m, "no"), queue.ErrLeaseLost)
		ack(t, other, again)
		require.True(t, empty(t, other))
	})
}

func TestARenewedLeaseIsNeverTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		holder, other := start(t, c), start(t, c)
		send(t, holder, "x")
		m := one(t, holder)
		for range 20 {
			none(t, other, c.Visibility/3)
			require.NoError(t, holder.Extend(t.Context(), m.Receipt, c.Visibility))
		}
		ack(t, holder, m)
	})
}

func TestALeaseLastsAsLongAsItsHolderSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		holder := start(t, c)
		c.Visibility = time.Second
		hasty := start(t, c)
		send(t, holder, "x")
		one(t, holder)
		began := time.Now()
		for time.Since(began) < 25*time.Second {
			none(t, hasty, 5*time.Second)
		}
		one(t, hasty)
	})
}

// What the bucket says of the time is shifted, back and forth, by an hour.
func TestF18ClocksThatJumpDoNotMoveALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		var requests atomic.Int64
		jumping := c.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil {
				shift := time.Hour * time.Duration(2*(requests.Add(1)%2)-1)
				resp.Header.Set("Date", time.Now().Add(shift).UTC().Format(http.TimeFormat))
			}
			return resp, err
		})
		holder, other := start(t, jumping), start(t, jumping)
		send(t, holder, "x")
		m := one(t, holder)
		for range 6 {
			none(t, other, c.Visibility/2)
			require.NoError(t, holder.Extend(t.Context(), m.Receipt, c.Visibility))
		}
		began := time.Now()
		require.Equal(t, m.ID, one(t, other).ID)
		require.GreaterOrEqual(t, time.Since(began), c.Visibility-time.Second)
		require.LessOrEqual(t, time.Since(began), c.Visibility+5*time.Second, "it was looked at late")
	})
}

func TestADelayPassesWhileNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t).through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil {
				resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
			}
			return resp, err
		})
		d := start(t, c)
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte("sent late"), Delay: time.Hour})
		require.NoError(t, err)
		send(t, d, "handed back")
		require.NoError(t, d.Nack(t.Context(), one(t, d).Receipt, time.Hour))
		none(t, start(t, c), 0)
		time.Sleep(time.Hour + 2*time.Second)
		ms, err := start(t, c).Receive(t.Context(), 2, 0)
		require.NoError(t, err)
		require.Len(t, ms, 2)
	})
}

// lossy is a bucket that takes the requests that match and lets their answers be lost.
func lossy(t *testing.T, c Config, method, folder string) (Config, *atomic.Int64) {
	t.Helper()
	var left atomic.Int64
	return c.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil && r.Method == method && strings.Contains(r.URL.Path, "/"+folder) && left.Add(-1) >= 0 {
			return nil, errors.Join(errCut, resp.Body.Close())
		}
		return resp, err
	}), &left
}

func TestAWriteWhoseAnswerIsLostIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lost := lossy(t, memory(t), http.MethodPut, leases)
		d := start(t, c)
		send(t, d, "x")
		lost.Store(1)
		m := one(t, d)
		require.Equal(t, 1, m.Delivery, "the claim was ours")
		lost.Store(1)
		require.NoError(t, d.Extend(t.Context(), m.Receipt, c.Visibility))
		lost.Store(1)
		require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
		m = one(t, d)
		lost.Store(1)
		ack(t, d, m)
		require.True(t, empty(t, d))
	})
}

func TestAnAckWhoseAnswersAreAllLostPassesAtTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		var cut atomic.Bool
		d := start(t, c.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && cut.Load() {
				return nil, errors.Join(errCut, resp.Body.Close())
			}
			return resp, err
		}))
		send(t, d, "x")
		m := one(t, d)
		cut.Store(true)
		require.Error(t, d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0])
		cut.Store(false)
		ack(t, d, m)
		require.True(t, empty(t, d))
	})
}

func TestAMessageThatCannotBeReadIsHandedBackUncounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lost := lossy(t, memory(t), http.MethodGet, jobs)
		d := start(t, c)
		send(t, d, "x")
		lost.Store(1)
		_, err := d.Receive(t.Context(), 1, maxWait)
		require.Error(t, err)
		require.Equal(t, 1, one(t, d).Delivery)
	})
}

func TestALeaseThatCannotBeReadIsTakenOver(t *testing.T) {
	for name, text := range map[string]string{"garbage": "{garbage", "too long": strings.Repeat("x", maxLease+1)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := start(t, memory(t))
				id := send(t, d, "x")
				_, err := d.bucket.put(t.Context(), leases+id+suffix, []byte(text), absent())
				require.NoError(t, err)
				none(t, d, d.visibility/2)
				require.Equal(t, id, one(t, d).ID)
			})
		})
	}
}

func TestAListingTellsADelayAlmost(t *testing.T) {
	for _, d := range []time.Duration{0, time.Millisecond, time.Second, 30 * time.Second, 15 * time.Minute, maxDelay, 2 * maxDelay} {
		s, least := stateOf(int64(len(lease{State: free, Millis: d.Milliseconds()}.encode())))
		require.Equal(t, free, s)
		d = min(d, maxDelay)
		require.LessOrEqual(t, least, d)
		require.GreaterOrEqual(t, least, d*98/100-time.Second)
	}
	for _, l := range []lease{
		{State: held}, {State: done}, {State: dead}, {State: dead, Reason: strings.Repeat("\x00", maxReason), Owner: strings.Repeat("o", 64)},
	} {
		size := len(l.encode())
		s, _ := stateOf(int64(size))
		require.Equal(t, l.State, s)
		require.LessOrEqual(t, size, maxLease)
	}
}

package queue_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// during returns a fail that breaks one verb until a time.
func during(verb string, end time.Time, err error) func(context.Context, string) error {
	return func(_ context.Context, v string) error {
		if v == verb && time.Now().Before(end) {
			return err
		}
		return nil
	}
}

func depth(t *testing.T, q *queue.Queue) queue.Depth {
	t.Helper()
	d, err := q.Depth(t.Context())
	require.NoError(t, err)
	return d
}

func TestHoldKeepsTheLeaseForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newQueue(t, m, nil)
		l := lease(t, q)
		held, release := l.Hold(t.Context())
		defer release()
		time.Sleep(12 * time.Hour)
		require.NoError(t, held.Err())
		require.Equal(t, queue.Depth{InFlight: 1}, depth(t, q))
		require.InDelta(t, 12*360, m.count("extend"), 2, "a third of 30 s apart")
		require.NoError(t, l.Ack(t.Context()))
	})
}

func TestHoldEndsWhenTheBrokerSaysTheLeaseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := lease(t, newQueue(t, m, nil))
		held, release := l.Hold(t.Context())
		defer release()
		m.mu.Lock()
		m.waits = nil
		m.mu.Unlock()
		began := time.Now()
		<-held.Done()
		require.ErrorIs(t, context.Cause(held), queue.ErrLeaseLost)
		require.LessOrEqual(t, time.Since(began), visibility/3)

		acks := m.count("ack")
		require.ErrorIs(t, l.Ack(t.Context()), queue.ErrLeaseLost)
		require.ErrorIs(t, l.Nack(t.Context(), 0), queue.ErrLeaseLost)
		require.ErrorIs(t, l.Bury(t.Context(), "no"), queue.ErrLeaseLost)
		require.Equal(t, acks, m.count("ack"), "a lost lease is left alone")
	})
}

func TestHoldRidesOutAnOutageShorterThanTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: during("extend", time.Now().Add(20*time.Second), errDown)}
		q := newQueue(t, m, nil)
		held, release := lease(t, q).Hold(t.Context())
		defer release()
		time.Sleep(10 * time.Minute)
		require.NoError(t, held.Err())
		require.Equal(t, queue.Depth{InFlight: 1}, depth(t, q))
	})
}

func TestHoldEndsBeforeTheLeaseDoesInALongerOutage(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(ctx context.Context, verb string) error
	}{
		{"that answers errors", func(_ context.Context, verb string) error {
			if verb == "extend" {
				return errDown
			}
			return nil
		}},
		{"that answers nothing", func(ctx context.Context, verb string) error {
			if verb == "extend" {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{fail: tt.fail}
				l := lease(t, newQueue(t, m, nil))
				received := time.Now()
				held, release := l.Hold(t.Context())
				defer release()
				<-held.Done()
				require.ErrorIs(t, context.Cause(held), queue.ErrLeaseLost)
				require.Equal(t, visibility-visibility/6, time.Since(received))
				require.ErrorIs(t, l.Ack(t.Context()), queue.ErrLeaseLost)
			})
		})
	}
}

func TestHoldGoesOnThroughADrainUntilTheMessageIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, &memory{}, nil)
		l := lease(t, q)
		drain := errors.New("drain")
		ctx, cancel := context.WithCancelCause(t.Context())
		held, release := l.Hold(ctx)
		cancel(drain)
		<-held.Done()
		require.Equal(t, drain, context.Cause(held))
		time.Sleep(10 * time.Minute)
		require.Equal(t, queue.Depth{InFlight: 1}, depth(t, q))
		require.NoError(t, l.Nack(t.Context(), 0))
		release()
		require.Equal(t, queue.Depth{Visible: 1}, depth(t, q))
	})
}

func TestASettledLeaseIsNotExtendedNorLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newQueue(t, m, nil)
		l := lease(t, q)
		held, release := l.Hold(t.Context())
		require.NoError(t, l.Nack(t.Context(), 0))
		time.Sleep(10 * time.Minute)
		require.NoError(t, held.Err())
		require.Zero(t, m.count("extend"))
		require.Equal(t, queue.Depth{Visible: 1}, depth(t, q))
		release()
		require.ErrorIs(t, context.Cause(held), context.Canceled)
	})
}

func TestANackWaitsForAnExtensionUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: func(_ context.Context, verb string) error {
			if verb == "extend" {
				time.Sleep(3 * time.Second)
			}
			return nil
		}}
		q := newQueue(t, m, nil)
		l := lease(t, q)
		_, release := l.Hold(t.Context())
		defer release()
		time.Sleep(visibility/3 + time.Second)
		require.NoError(t, l.Nack(t.Context(), 0))
		require.Equal(t, queue.Depth{Visible: 1}, depth(t, q))
	})
}

func TestEveryHeartbeatCallsBeatAndASlowOneDelaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newQueue(t, m, nil)
		l := lease(t, q)
		var beats, inside atomic.Int32
		l.Beat = func(ctx context.Context) {
			require.EqualValues(t, 1, inside.Add(1), "one at a time")
			defer inside.Add(-1)
			if beats.Add(1) == 3 {
				<-ctx.Done()
			}
		}
		held, release := l.Hold(t.Context())
		time.Sleep(25 * time.Second)
		require.EqualValues(t, 2, beats.Load())
		time.Sleep(time.Hour)
		require.EqualValues(t, 3, beats.Load())
		require.NoError(t, held.Err())
		require.Equal(t, queue.Depth{InFlight: 1}, depth(t, q))
		release()
		require.Zero(t, inside.Load(), "release waits")
	})
}

func TestALeaseIsSettledOnce(t *testing.T) {
	settle := map[string]func(*queue.Lease, context.Context) error{
		"ack":  (*queue.Lease).Ack,
		"nack": func(l *queue.Lease, ctx context.Context) error { return l.Nack(ctx, time.Hour) },
		"bury": func(l *queue.Lease, ctx context.Context) error { return l.Bury(ctx, "no") },
	}
	for first, f := range settle {
		t.Run(first+" is the last word", func(t *testing.T) {
			m := &memory{}
			l := lease(t, newQueue(t, m, nil))
			require.NoError(t, f(l, t.Context()))
			for second, g := range settle {
				require.ErrorIs(t, g(l, t.Context()), queue.ErrSettled, second)
			}
			require.Equal(t, 1, m.count("ack")+m.count("nack")+m.count("bury"))
		})
	}
}

func TestAFailingSettleIsTriedUntilItsContextEndsAndMayBeTriedAgain(t *testing.T) {
	for _, verb := range []string{"ack", "nack", "bury"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{fail: during(verb, time.Now().Add(time.Minute), errDown)}
				q := newQueue(t, m, nil)
				l := lease(t, q)
				_, release := l.Hold(t.Context())
				defer release()
				settle := func(ctx context.Context) error {
					switch verb {
					case "ack":
						return l.Ack(ctx)
					case "nack":
						return l.Nack(ctx, 0)
					}
					return l.Bury(ctx, "no")
				}
				short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				require.ErrorIs(t, settle(short), errDown)
				require.NoError(t, settle(t.Context()))
				require.ErrorIs(t, settle(t.Context()), queue.ErrSettled)
				require.Zero(t, depth(t, q).InFlight)
			})
		})
	}
}

func TestAnAckWhoseAnswerWasLostIsAnAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newQueue(t, m, nil)
		l := lease(t, q)
		m.fail = func(_ context.Context, verb string) error {
			if verb != "ack" || m.count("ack") > 1 {
				return nil
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.waits = nil // it arrived
			return errDown
		}
		require.NoError(t, l.Ack(t.Context()))
	})
}

func TestAnUnheldLeaseIsNotSettledAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := lease(t, newQueue(t, m, nil))
		time.Sleep(visibility + time.Second)
		require.ErrorIs(t, l.Ack(t.Context()), queue.ErrLeaseLost)
		require.Zero(t, m.count("ack"))
	})
}

func TestAcksThatEndTogetherShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		m := &memory{fail: func(_ context.Context, verb string) error {
			if verb == "ack" {
				time.Sleep(time.Second)
			}
			return nil
		}}
		q := newQueue(t, m, nil)
		var leases []*queue.Lease
		for i := range n {
			_, err := q.Send(t.Context(), queue.Draft{Body: []byte(strconv.Itoa(i))})
			require.NoError(t, err)
		}
		leases, err := q.Receive(t.Context(), n)
		require.NoError(t, err)
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i, l := range leases {
			wg.Go(func() { errs[i] = l.Ack(t.Context()) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		require.Equal(t, 2, m.count("ack"), "the first alone, the others while it is under way")
		require.Equal(t, queue.Depth{}, depth(t, q))
	})
}

func TestAnAckWhoseLeaseEndedWhileItWaitedForOthersIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: func(_ context.Context, verb string) error {
			if verb == "ack" {
				time.Sleep(visibility + time.Second)
			}
			return nil
		}}
		q := newQueue(t, m, nil)
		first, second := lease(t, q), lease(t, q)
		var wg sync.WaitGroup
		wg.Go(func() { _ = first.Ack(t.Context()) }) // it is under way for longer than either lease
		synctest.Wait()
		require.ErrorIs(t, second.Ack(t.Context()), queue.ErrLeaseLost)
		wg.Wait()
		require.Equal(t, 1, m.count("ack"))
	})
}

// The first ack of a message fails, and may have arrived; the second waits until the lease is over, and is not sent.
func TestAnAckThatWasNeverSentIsNotTakenForOneThatArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		m := &memory{fail: func(_ context.Context, verb string) error {
			if verb != "ack" {
				return nil
			}
			switch n++; n {
			case 1:
				return errDown
			case 2:
				time.Sleep(visibility + time.Second)
			}
			return nil
		}}
		q := newQueue(t, m, nil)
		other, l := lease(t, q), lease(t, q)
		var wg sync.WaitGroup
		wg.Go(func() { require.ErrorIs(t, l.Ack(t.Context()), queue.ErrLeaseLost) })
		synctest.Wait()
		wg.Go(func() { _ = other.Ack(t.Context()) }) // under way for longer than either lease
		wg.Wait()
		require.Equal(t, 2, m.count("ack"))
	})
}

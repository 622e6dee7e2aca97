package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// A capped driver lets nobody hold a message for longer than limit, as SQS does after 12 h.
type capped struct {
	*memory
	limit time.Duration
	ends  time.Time // of the one lease
	asked []time.Duration
}

func (d *capped) Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Message, error) {
	ms, err := d.memory.Receive(ctx, max, wait)
	for i := range ms {
		d.ends = time.Now().Add(d.limit)
		ms[i].Limit = d.ends
	}
	return ms, err
}

func (d *capped) Extend(ctx context.Context, r queue.Receipt, length time.Duration) error {
	d.asked = append(d.asked, length)
	if time.Now().Add(length).After(d.ends) {
		return queue.ErrLeaseLost
	}
	return d.memory.Extend(ctx, r, length)
}

func TestALeaseIsHeldUpToItsLimitAndNotBeyond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &capped{memory: &memory{}, limit: 95 * time.Second}
		q, err := queue.New(queue.Config{Driver: d, Visibility: visibility})
		require.NoError(t, err)
		l := lease(t, q)
		began := time.Now()
		held, release := l.Hold(t.Context())
		defer release()
		<-held.Done()
		require.Equal(t, 90*time.Second, time.Since(began), "the limit less the safety")
		require.ErrorIs(t, context.Cause(held), queue.ErrLeaseLost)
		require.ErrorContains(t, context.Cause(held), "the queue lets no message be held longer")
		require.Equal(t, 25*time.Second, d.asked[len(d.asked)-1], "the last extension is what was left")
	})
}

func TestALeaseCanBeSettledUntilItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &capped{memory: &memory{}, limit: 95 * time.Second}
		q, err := queue.New(queue.Config{Driver: d, Visibility: visibility})
		require.NoError(t, err)
		l := lease(t, q)
		_, release := l.Hold(t.Context())
		defer release()
		time.Sleep(89 * time.Second)
		require.NoError(t, l.Ack(t.Context()))
	})
}

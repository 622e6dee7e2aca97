package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// A counted driver answers as it is told to.
type answering struct {
	queue.Driver
	messages []queue.Message
	receive  error
	extend   error
}

func (d *answering) Receive(context.Context, int, time.Duration) ([]queue.Message, error) {
	ms := d.messages
	d.messages = nil
	return ms, d.receive
}

func (d *answering) Extend(context.Context, queue.Receipt, time.Duration) error { return d.extend }

func TestWhatIsAskedOfAQueueIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := fault.As(fault.Transient, errors.New("no route to host"))
		d := &answering{}
		q, err := queue.New(queue.Config{Driver: d, Visibility: 30 * time.Second})
		require.NoError(t, err)
		f, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Queue: q, Name: "jobs"}}})
		require.NoError(t, err)
		require.Equal(t, []queue.Count{{Name: "jobs"}}, f.Counts())

		receive := func() []*queue.Lease {
			ls, err := f.Receive(t.Context(), 10, 0)
			require.NoError(t, err)
			return ls
		}
		require.Empty(t, receive())
		d.receive = down
		require.Empty(t, receive())
		require.ErrorIs(t, f.Counts()[0].Failing, down)
		time.Sleep(time.Minute)
		d.receive = nil
		soon := time.Now().Add(time.Minute)
		d.messages = []queue.Message{{ID: "kept"}, {ID: "taken"}, {ID: "limited", Limit: soon}}
		leases := receive()
		require.Len(t, leases, 3)

		held := func(l *queue.Lease, d time.Duration) {
			_, release := l.Hold(t.Context())
			time.Sleep(d)
			release()
		}
		held(leases[0], 25*time.Second) // extended after 10 s and 20 s
		d.extend = down
		held(leases[0], time.Minute)
		c := f.Counts()[0]
		require.Equal(t, int64(2), c.Extended)
		require.Positive(t, c.Refused)
		require.Equal(t, int64(1), c.Late)
		require.Equal(t, []int64{3, 1, 1}, []int64{c.Messages, c.Empty, c.Failed})
		require.NoError(t, c.Failing)
	})
}

func TestALeaseIsLostForOneOfThreeReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &answering{}
		q, err := queue.New(queue.Config{Driver: d, Visibility: 30 * time.Second})
		require.NoError(t, err)
		f, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Queue: q}}})
		require.NoError(t, err)
		for _, limit := range []time.Duration{0, time.Minute} {
			m := queue.Message{ID: "m"}
			if limit > 0 {
				m.Limit = time.Now().Add(limit)
			} else {
				d.extend = queue.ErrLeaseLost
			}
			d.messages = []queue.Message{m}
			ls, err := f.Receive(t.Context(), 1, 0)
			require.NoError(t, err)
			held, release := ls[0].Hold(t.Context())
			<-held.Done()
			require.ErrorIs(t, context.Cause(held), queue.ErrLeaseLost)
			release()
			d.extend = nil
		}
		c := f.Counts()[0]
		require.Equal(t, []int64{1, 0, 1}, []int64{c.Taken, c.Late, c.Limit})
	})
}

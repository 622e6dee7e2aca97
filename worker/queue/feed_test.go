package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// fill sends n messages whose bodies are name.
func fill(t *testing.T, m *memory, name string, n int) {
	t.Helper()
	for range n {
		_, err := m.Send(t.Context(), queue.Draft{Body: []byte(name)})
		require.NoError(t, err)
	}
}

// newFeed returns a feed of the sources, whose queues are on the memories.
func newFeed(t *testing.T, order queue.Order, sources []queue.Source, ms ...*memory) *queue.Feed {
	t.Helper()
	for i, m := range ms {
		sources[i].Queue = newQueue(t, m, nil)
	}
	f, err := queue.NewFeed(queue.FeedConfig{Sources: sources, Order: order})
	require.NoError(t, err)
	return f
}

// take receives n times, acks what comes and returns how many messages came of each body.
func take(t *testing.T, f *queue.Feed, n, max int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		ls, err := f.Receive(t.Context(), max, 20*time.Second)
		require.NoError(t, err)
		require.LessOrEqual(t, len(ls), max)
		for _, l := range ls {
			got[string(l.Body)]++
			require.NoError(t, l.Ack(t.Context()))
			l.Done()
		}
	}
	return got
}

func TestNewFeedSaysAllThatIsWrong(t *testing.T) {
	_, err := queue.NewFeed(queue.FeedConfig{Order: "random"})
	require.ErrorContains(t, err, `order must be weighted or strict, got "random"`)
	require.ErrorContains(t, err, "no queue given")
	_, err = queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Name: "slow", Weight: -1}}})
	require.ErrorContains(t, err, "slow is not given")
	require.ErrorContains(t, err, "weight and limit of slow must not be negative")
}

func TestQueuesShareDeliveriesByTheirWeightsWhileAllHaveWork(t *testing.T) {
	for _, batch := range []int{1, 10} {
		t.Run(fmt.Sprintf("%d at once", batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, c := &memory{}, &memory{}, &memory{}
				fill(t, a, "a", 1000)
				fill(t, b, "b", 1000)
				fill(t, c, "c", 1000)
				f := newFeed(t, queue.Weighted, []queue.Source{{Weight: 6}, {Weight: 3}, {}}, a, b, c)
				got := take(t, f, 1000/batch, batch)
				require.InDelta(t, 600, got["a"], 20)
				require.InDelta(t, 300, got["b"], 20)
				require.InDelta(t, 100, got["c"], 20)
			})
		})
	}
}

func TestAQueueThatWasEmptySavesNoShareUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &memory{}, &memory{}
		fill(t, a, "a", 1000)
		f := newFeed(t, queue.Weighted, make([]queue.Source, 2), a, b)
		take(t, f, 300, 1)
		fill(t, b, "b", 1000)
		time.Sleep(2 * time.Second)
		require.InDelta(t, 50, take(t, f, 100, 1)["b"], 2)
	})
}

func TestTheFirstQueueWithWorkWinsAndTheLowerOnesDoNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := &memory{}, &memory{}, &memory{}
		fill(t, a, "a", 1000)
		fill(t, b, "b", 1000)
		fill(t, c, "c", 1000)
		f := newFeed(t, queue.Strict, make([]queue.Source, 3), a, b, c)
		require.Equal(t, map[string]int{"a": 90, "b": 5, "c": 5}, take(t, f, 100, 1))
	})
}

func TestALowerQueueIsServedWhileTheFirstIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &memory{}, &memory{}
		fill(t, b, "b", 100)
		f := newFeed(t, queue.Strict, make([]queue.Source, 2), a, b)
		began := time.Now()
		require.Equal(t, map[string]int{"b": 100}, take(t, f, 100, 1))
		require.Zero(t, time.Since(began), "the empty one holds nothing up")
		require.Equal(t, 1, a.count("receive"), "nor is it asked before each")
	})
}

func TestAMessageForAnIdleQueueComesInItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &memory{}, &memory{}
		f := newFeed(t, queue.Weighted, make([]queue.Source, 2), a, b)
		time.AfterFunc(time.Minute+500*time.Millisecond, func() { fill(t, b, "b", 1) })
		began := time.Now()
		for {
			ls, err := f.Receive(t.Context(), 1, 20*time.Second)
			require.NoError(t, err)
			if len(ls) > 0 {
				break
			}
		}
		require.Less(t, time.Since(began), time.Minute+12*time.Second)
	})
}

func TestAQueueRunsNoMoreJobsThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &memory{}, &memory{}
		fill(t, a, "a", 10)
		f := newFeed(t, queue.Weighted, []queue.Source{{Limit: 2}, {}}, a, b)
		ls, err := f.Receive(t.Context(), 5, 20*time.Second)
		require.NoError(t, err)
		require.Len(t, ls, 2, "of the five that there is room for")
		more, err := f.Receive(t.Context(), 3, 20*time.Second)
		require.NoError(t, err)
		require.Empty(t, more, "its limit is used up, and the other one is empty")

		time.AfterFunc(3*time.Second, func() { ls[0].Done(); ls[0].Done() })
		began := time.Now()
		more, err = f.Receive(t.Context(), 3, 20*time.Second)
		require.NoError(t, err)
		require.Len(t, more, 1, "done twice makes room once")
		require.LessOrEqual(t, time.Since(began), 5*time.Second, "the poll of the other one does not hold it up")
	})
}

func TestASingleQueueAtItsLimitIsNotAskedUntilAJobEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		fill(t, m, "a", 10)
		f := newFeed(t, queue.Weighted, []queue.Source{{Limit: 1}}, m)
		ls, err := f.Receive(t.Context(), 5, 20*time.Second)
		require.NoError(t, err)
		require.Len(t, ls, 1)
		time.AfterFunc(3*time.Second, ls[0].Done)
		began := time.Now()
		ls, err = f.Receive(t.Context(), 5, 20*time.Second)
		require.NoError(t, err)
		require.Len(t, ls, 1)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, 2, m.count("receive"))
	})
}

func TestAFeedAsksNobodyOnceItsContextHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("drain")
		ctx, cancel := context.WithCancelCause(t.Context())
		a, b := &memory{}, &memory{}
		f := newFeed(t, queue.Weighted, make([]queue.Source, 2), a, b)
		time.AfterFunc(3500*time.Millisecond, func() { cancel(cause) })
		_, err := f.Receive(ctx, 1, 20*time.Second)
		require.ErrorIs(t, err, cause)
		asked := a.count("receive") + b.count("receive")
		_, err = f.Receive(ctx, 1, 20*time.Second)
		require.ErrorIs(t, err, cause)
		require.Equal(t, asked, a.count("receive")+b.count("receive"))
	})
}

// A lagging driver hides messages for a call and answers it only after a while, whether its context has ended or not.
type lagging struct{ *memory }

func (d lagging) Receive(context.Context, int, time.Duration) ([]queue.Message, error) {
	ms, err := d.memory.Receive(context.Background(), 10, 0)
	time.Sleep(time.Second)
	return ms, err
}

func TestWhatComesAfterTheEndOfItsContextIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		fill(t, m, "late", 3)
		q, err := queue.New(queue.Config{Driver: lagging{m}, Visibility: visibility})
		require.NoError(t, err)
		f, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Queue: q}}})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		ls, err := f.Receive(ctx, 10, 20*time.Second)
		require.NoError(t, err)
		require.Len(t, ls, 3)
	})
}

package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

func TestAnIdleQueueGetsOneRequestInTwentySeconds(t *testing.T) {
	for _, k := range []int{1, 2, 5} {
		t.Run(fmt.Sprintf("%d queues", k), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var polls int
				ms := make([]*memory, k)
				for i := range ms {
					ms[i] = &memory{}
				}
				polled := make([]*poller, k)
				sources := make([]queue.Source, k)
				for i, m := range ms {
					polled[i] = &poller{memory: m}
					q, err := queue.New(queue.Config{Driver: polled[i], Visibility: visibility})
					require.NoError(t, err)
					sources[i].Queue = q
				}
				f, err := queue.NewFeed(queue.FeedConfig{Sources: sources})
				require.NoError(t, err)
				for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
					ls, err := f.Receive(t.Context(), 1, 20*time.Second)
					require.NoError(t, err)
					require.Empty(t, ls)
				}
				for _, p := range polled {
					polls += p.polls
					require.LessOrEqual(t, p.polls, 32, "600 s, the first look and a last one")
				}
				require.GreaterOrEqual(t, polls, 29*k)
			})
		})
	}
}

// A poller counts the requests that a broker with long polls would see.
type poller struct {
	*memory
	polls int
}

func (p *poller) Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Message, error) {
	p.polls++
	return p.memory.Receive(ctx, max, wait)
}

func TestAFailingQueueHoldsUpNoOther(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(ctx context.Context, verb string) error
		most time.Duration
	}{
		{"that answers at once", func(context.Context, string) error { return errDown }, time.Second},
		{"that hangs", func(context.Context, string) error { time.Sleep(10 * time.Second); return errDown }, 40 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down, up := &memory{fail: tt.fail}, &memory{}
				fill(t, up, "up", 1000)
				f := newFeed(t, queue.Strict, make([]queue.Source, 2), down, up)
				began := time.Now()
				for range 100 {
					require.Equal(t, map[string]int{"up": 1}, take(t, f, 1, 1))
					time.Sleep(time.Second) // as long as a job
				}
				require.Less(t, time.Since(began)-100*time.Second, tt.most)
			})
		})
	}
}

func TestAQueueThatWorksAgainIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(5 * time.Minute)
		m := &memory{}
		fill(t, m, "x", 1)
		m.fail = func(context.Context, string) error {
			if time.Now().Before(back) {
				return errDown
			}
			return nil
		}
		f := newFeed(t, queue.Weighted, make([]queue.Source, 1), m)
		for {
			ls, err := f.Receive(t.Context(), 1, 20*time.Second)
			require.NoError(t, err)
			if len(ls) > 0 {
				break
			}
		}
		require.Less(t, time.Since(back), 21*time.Second)
		require.Less(t, m.count("receive"), 40, "it was asked more and more slowly")
	})
}

func TestWhatNeverPassesEndsAReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: func(context.Context, string) error { return fault.As(fault.Permanent, errDown) }}
		f := newFeed(t, queue.Weighted, []queue.Source{{Name: "jobs"}, {}}, m, &memory{})
		_, err := f.Receive(t.Context(), 1, time.Minute)
		require.ErrorIs(t, err, errDown)
		require.ErrorContains(t, err, "jobs: ")
	})
}

func TestARefusalOfAQueueThatAnsweredBeforeIsWaitedOutAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		refused := false
		a := &memory{fail: func(_ context.Context, verb string) error {
			if verb == "receive" && refused {
				return fault.As(fault.Permanent, errDown)
			}
			return nil
		}}
		b := &memory{}
		f, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{
			{Queue: newQueue(t, a, slog.New(slog.NewTextHandler(&log, nil)))}, {Queue: newQueue(t, b, nil)},
		}})
		require.NoError(t, err)
		fill(t, a, "a", 2)
		require.Equal(t, map[string]int{"a": 1}, take(t, f, 1, 1))
		refused = true
		fill(t, b, "b", 10)
		before := a.count("receive")
		for range 10 {
			require.Equal(t, map[string]int{"b": 1}, take(t, f, 1, 1))
			time.Sleep(time.Minute)
		}
		require.LessOrEqual(t, a.count("receive")-before, 11, "once a minute")
		require.LessOrEqual(t, strings.Count(log.String(), "queue call failed"), 11)
		require.Contains(t, log.String(), errDown.Error())
		refused = false
		time.Sleep(time.Minute)
		require.Equal(t, map[string]int{"a": 1}, take(t, f, 1, 1))
	})
}

func TestAnIdleQueueIsLeftAloneWhileAnotherStandsAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &memory{}, &poller{memory: &memory{}}
		fill(t, a, "a", 2)
		idle, err := queue.New(queue.Config{Driver: b, Visibility: visibility})
		require.NoError(t, err)
		f, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Queue: newQueue(t, a, nil), Limit: 1}, {Queue: idle}}})
		require.NoError(t, err)
		ls, err := f.Receive(t.Context(), 4, 20*time.Second)
		require.NoError(t, err)
		require.Len(t, ls, 1)
		for began := time.Now(); time.Since(began) < time.Hour; {
			more, err := f.Receive(t.Context(), 3, 20*time.Second)
			require.NoError(t, err)
			require.Empty(t, more)
		}
		require.Less(t, b.polls, 3600/20+25)
	})
}

// A slow driver takes a second to say that it has nothing, as SQS does that asks all its servers.
type slow struct{ *memory }

func (d slow) Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Message, error) {
	return d.memory.Receive(ctx, max, wait+time.Second)
}

func TestEmptyQueuesThatAreSlowToSaySoTakeAFifthOfTheTimeAtMost(t *testing.T) {
	for _, k := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			busy := &memory{}
			fill(t, busy, "x", 1000)
			sources := []queue.Source{{Queue: newQueue(t, busy, nil)}}
			for range k {
				q, err := queue.New(queue.Config{Driver: slow{&memory{}}, Visibility: visibility})
				require.NoError(t, err)
				sources = append(sources, queue.Source{Queue: q})
			}
			f, err := queue.NewFeed(queue.FeedConfig{Sources: sources})
			require.NoError(t, err)
			began := time.Now()
			for range 1000 {
				require.Equal(t, map[string]int{"x": 1}, take(t, f, 1, 1))
				time.Sleep(100 * time.Millisecond) // as long as a job
			}
			require.Less(t, time.Since(began), 135*time.Second, "of 100 s")
		})
	}
}

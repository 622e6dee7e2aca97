package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// A bell is a broker whose receives end as receive says.
type bell struct {
	queue.Driver
	receive func(ctx context.Context, wait time.Duration) ([]queue.Message, error)
	ack     func()
}

func (b bell) Ack(_ context.Context, rs []queue.Receipt) []error {
	b.ack()
	return make([]error, len(rs))
}

func (b bell) Receive(ctx context.Context, _ int, wait time.Duration) ([]queue.Message, error) {
	return b.receive(ctx, wait)
}

func (b bell) Extend(context.Context, queue.Receipt, time.Duration) error { return nil }

func (b bell) Nack(context.Context, queue.Receipt, time.Duration) error { return nil }

// longPoll is a queue that has nothing.
func longPoll(ctx context.Context, wait time.Duration) ([]queue.Message, error) {
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	return nil, nil
}

// idling starts a worker on such a queue, and returns it; stop ends it. In a bubble, whose clock the waits turn.
func idling(t *testing.T, b bell, change func(*worker.Config)) *worker.Worker {
	t.Helper()
	dir := t.TempDir()
	store, err := dirblob.Open(dir)
	require.NoError(t, err)
	cfg := worker.Config{
		Feed: feedOn(t, b), Records: record.New(store, time.Now), Pipelines: catalogue{}, Log: slog.New(slog.DiscardHandler), Slots: 2,
		Launcher: &launch.Inline{Root: dir, Run: func(ctx context.Context, _ launch.Dir, req *launch.Request, _ engine.Reporter) *engine.Run {
			return succeed(ctx, "", req)
		}},
	}
	if change != nil {
		change(&cfg)
	}
	w, err := worker.New(cfg)
	require.NoError(t, err)
	require.ErrorContains(t, w.Status().Idle, "not begun yet")
	require.NoError(t, w.Status().Stalled)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx, context.WithoutCancel(ctx)) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.False(t, w.Status().Draining.IsZero())
		require.ErrorContains(t, w.Status().Idle, "shutting down")
		require.NoError(t, w.Status().Stalled)
		require.NoError(t, store.Close())
	})
	return w
}

func TestP35AWorkerThatHasNothingToDoForHoursIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := idling(t, bell{receive: longPoll}, nil)
		for range 5 * 60 {
			time.Sleep(time.Minute)
			s := w.Status()
			require.NoError(t, s.Stalled)
			require.NoError(t, s.Idle)
		}
		s := w.Status()
		require.Equal(t, worker.Status{Slots: 2, Queues: s.Queues}, s)
		require.Greater(t, s.Queues[0].Empty, int64(800), "three a minute")
	})
}

func TestP35AWorkerThatWaitsForADiskSaysSoAndIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("the disk is full")
		w := idling(t, bell{receive: longPoll}, func(c *worker.Config) { c.Ready = func() error { return full } })
		time.Sleep(time.Hour)
		s := w.Status()
		require.ErrorIs(t, s.Idle, full)
		require.NoError(t, s.Stalled)
		require.Zero(t, s.Queues[0].Empty)
	})
}

func TestP35AWorkerWhoseBrokerFailsSaysSoAndIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := fault.As(fault.Transient, errors.New("connection refused"))
		w := idling(t, bell{receive: func(context.Context, time.Duration) ([]queue.Message, error) { return nil, down }}, nil)
		time.Sleep(time.Hour)
		s := w.Status()
		require.ErrorIs(t, s.Idle, down)
		require.NoError(t, s.Stalled)
		require.Positive(t, s.Queues[0].Failed)
	})
}

func TestP35AWorkerWhosePollNeverComesBackIsStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		w := idling(t, bell{receive: func(ctx context.Context, wait time.Duration) ([]queue.Message, error) {
			<-stuck // and heeds no context
			return longPoll(ctx, wait)
		}}, nil)
		time.Sleep(2 * time.Minute)
		require.NoError(t, w.Status().Stalled)
		time.Sleep(2 * time.Minute)
		require.EqualError(t, w.Status().Stalled, "receiving hangs: it has been asking the queue for 4m0s")
		close(stuck)
		time.Sleep(time.Minute)
		require.NoError(t, w.Status().Stalled)
	})
}

func TestP35AWorkerThatLooksForEverWhetherItMayIsStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		w := idling(t, bell{receive: longPoll}, func(c *worker.Config) { c.Ready = func() error { <-stuck; return nil } })
		time.Sleep(4 * time.Minute)
		require.ErrorContains(t, w.Status().Stalled, "receiving hangs")
		close(stuck)
	})
}

func TestP35AFullWorkerIsBusyAndWellHoweverLongItsJobsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		var came atomic.Int32
		began := time.Now()
		w := idling(t, bell{receive: func(ctx context.Context, wait time.Duration) ([]queue.Message, error) {
			id := fmt.Sprint("m", came.Add(1))
			time.Sleep(time.Minute)
			return []queue.Message{{ID: id, Body: []byte(`{"pipeline":"p"}`), Deadline: time.Now().Add(time.Hour)}}, nil
		}}, func(c *worker.Config) {
			c.Fit = func(context.Context, *launch.Request) error { <-over; return errors.New("not now") }
		})
		time.Sleep(10 * time.Minute)
		s := w.Status()
		require.NoError(t, s.Stalled)
		require.NoError(t, s.Idle)
		require.Equal(t, 2, s.Busy)
		require.Equal(t, 2, s.Jobs)
		require.Equal(t, began.Add(time.Minute), s.Oldest)
		require.Equal(t, int32(2), came.Load())
		close(over)
	})
}

// What the scaler hears must not be idle while the message may still be ours: the job is over by then, its record, callback and
// ack are not.
func TestASlotIsBusyUntilTheBrokerHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		answer := sync.OnceFunc(func() { close(answered) })
		defer answer()
		var came, asked atomic.Bool
		w := idling(t, bell{receive: func(ctx context.Context, wait time.Duration) ([]queue.Message, error) {
			if came.Swap(true) {
				return longPoll(ctx, wait)
			}
			return []queue.Message{{ID: "m", Body: []byte(`{"pipeline":"p"}`), Deadline: time.Now().Add(time.Hour)}}, nil
		}, ack: func() { asked.Store(true); <-answered }}, nil)
		time.Sleep(time.Minute)
		require.True(t, asked.Load())
		s := w.Status()
		require.Equal(t, []int{1, 1}, []int{s.Busy, s.Jobs})
		require.False(t, s.Oldest.IsZero())
		answer()
		time.Sleep(time.Minute)
		s = w.Status()
		require.Equal(t, worker.Status{Slots: 2, Queues: s.Queues}, s)
	})
}

func TestOneQueueOfTwoThatAnswersIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := fault.As(fault.Transient, errors.New("connection refused"))
		var sources []queue.Source
		for name, receive := range map[string]func(context.Context, time.Duration) ([]queue.Message, error){
			"up": longPoll, "down": func(context.Context, time.Duration) ([]queue.Message, error) { return nil, down },
		} {
			q, err := queue.New(queue.Config{Driver: bell{receive: receive}})
			require.NoError(t, err)
			sources = append(sources, queue.Source{Queue: q, Name: name})
		}
		f, err := queue.NewFeed(queue.FeedConfig{Sources: sources})
		require.NoError(t, err)
		w := idling(t, bell{}, func(c *worker.Config) { c.Feed = f })
		time.Sleep(10 * time.Minute)
		s := w.Status()
		require.NoError(t, s.Idle)
		for _, q := range s.Queues {
			require.Equal(t, q.Name == "down", q.Failing != nil, q.Name)
		}
	})
}

package worker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

// untilCanceled is a job that runs until it is stopped.
func untilCanceled(started chan<- struct{}) func(context.Context, string, *launch.Request) *engine.Run {
	return func(ctx context.Context, _ string, _ *launch.Request) *engine.Run {
		started <- struct{}{}
		<-ctx.Done()
		return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
	}
}

// A slow driver answers a receive late, as a broker does over a long line: the messages are hidden all the same. It
// notes when each call began.
type slow struct {
	*localqueue.Driver
	asked  chan struct{} // closed by the first call
	answer chan struct{} // closed when it may be answered

	mu    sync.Mutex
	calls []time.Time
}

func (d *slow) Receive(ctx context.Context, n int, _ time.Duration) ([]queue.Message, error) {
	d.mu.Lock()
	d.calls = append(d.calls, time.Now())
	first := len(d.calls) == 1
	d.mu.Unlock()
	ms, err := d.Driver.Receive(context.WithoutCancel(ctx), n, 0)
	if first && d.answer != nil {
		close(d.asked)
		<-d.answer
	}
	return ms, err
}

// I8.
func TestF05F06AfterTheStopNothingIsReceivedAndWhatComesIsHandedBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		messages int
	}{{"an empty queue", 0}, {"a queue with messages", 3}} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, succeed)
			for range tt.messages {
				p.send(map[string]any{"pipeline": "p"})
			}
			d := &slow{Driver: p.driver, asked: make(chan struct{}), answer: make(chan struct{})}
			other, _ := classQueue(t)
			idle := &slow{Driver: other}
			feed, err := queue.NewFeed(queue.FeedConfig{Order: queue.Strict, Sources: []queue.Source{{Queue: queueOn(t, d)}, {Queue: queueOn(t, idle)}}})
			require.NoError(t, err)
			p.cfg.Feed, p.cfg.ExitWhenIdle = feed, 0
			ctx, stop := context.WithCancel(t.Context())
			stopped := make(chan time.Time, 1)
			go func() {
				<-d.asked
				stop()
				stopped <- time.Now()
				close(d.answer)
			}()
			p.runUntil(ctx)
			at := <-stopped
			require.Len(t, d.calls, 1)
			for _, call := range append(d.calls, idle.calls...) {
				require.False(t, call.After(at), "a receive began after the stop")
			}
			require.Zero(t, p.runs.Load())
			require.Equal(t, queue.Depth{Visible: tt.messages}, p.depth(), "not hidden until its lease ends")
		})
	}
}

// queueOn returns the queue of a driver.
func queueOn(t *testing.T, d queue.Driver) *queue.Queue {
	t.Helper()
	q, err := queue.New(queue.Config{Driver: d, Visibility: time.Second})
	require.NoError(t, err)
	return q
}

// A beating driver counts the extensions of leases.
type beating struct {
	*localqueue.Driver
	beats atomic.Int32
}

func (d *beating) Extend(ctx context.Context, r queue.Receipt, length time.Duration) error {
	d.beats.Add(1)
	return d.Driver.Extend(ctx, r, length)
}

func TestF07ALeaseIsHeldWhileAJobFinishesDuringADrain(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		close(started)
		time.Sleep(1300 * time.Millisecond) // longer than a lease lasts
		return succeed(ctx, ws, req)
	})
	d := &beating{Driver: p.driver}
	p.cfg.Feed, p.cfg.Grace = feedOn(t, d), time.Minute
	id := p.send(map[string]any{"pipeline": "p"})
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-started; stop() }()
	p.runUntil(ctx)
	require.Equal(t, record.Succeeded, p.load(id).Status)
	require.Len(t, p.load(id).Attempts, 1)
	require.GreaterOrEqual(t, d.beats.Load(), int32(3))
	require.Equal(t, queue.Depth{}, p.depth())
}

// A refusing driver is one whose queue has been deleted, or whose key nobody may use.
type refusing struct{ *localqueue.Driver }

func (refusing) Receive(context.Context, int, time.Duration) ([]queue.Message, error) {
	return nil, fault.As(fault.Permanent, errors.New("KmsDisabled"))
}

func TestF46AQueueThatIsRefusedAtTheStartLetsRunningJobsFinish(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		select {
		case <-ctx.Done():
			return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
		case <-time.After(500 * time.Millisecond):
			return succeed(ctx, ws, req)
		}
	})
	id := p.send(map[string]any{"pipeline": "p"})
	feed, err := queue.NewFeed(queue.FeedConfig{Order: queue.Strict, Sources: []queue.Source{
		{Queue: queueOn(t, p.driver)}, {Name: "gone", Queue: queueOn(t, refusing{p.driver})},
	}})
	require.NoError(t, err)
	p.cfg.Feed, p.cfg.Grace, p.cfg.ExitWhenIdle = feed, 50*time.Millisecond, 0
	w, err := worker.New(p.cfg)
	require.NoError(t, err)
	require.ErrorContains(t, w.Run(t.Context(), t.Context()), "receive: gone: KmsDisabled")
	require.Equal(t, record.Succeeded, p.load(id).Status)
}

// G5.
func TestF08AJobThatDoesNotFitTheGraceComesBackSoonAndPaysNothing(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 1)
	p := newPlant(t, untilCanceled(started))
	p.cfg.Grace = 50 * time.Millisecond
	id := p.send(map[string]any{"pipeline": "p", "max_attempts": 1})
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-started; stop() }()
	p.runUntil(ctx)
	r := p.load(id)
	require.Equal(t, record.Retrying, r.Status)
	require.Equal(t, record.AttemptInterrupted, r.Attempts[0].Status)
	require.Contains(t, r.Attempts[0].Failure.Message, "its grace period is over")
	require.LessOrEqual(t, p.hidden(), 1100*time.Millisecond, "a small jitter")
}

func TestF09ASecondSignalEndsTheGraceAtOnce(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 1)
	p := newPlant(t, untilCanceled(started))
	p.cfg.Grace = time.Hour
	id := p.send(map[string]any{"pipeline": "p", "max_attempts": 1})
	ctx, stop := context.WithCancel(t.Context())
	hard, kill := context.WithCancel(t.Context())
	go func() { <-started; stop(); kill() }()
	w, err := worker.New(p.cfg)
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, w.Run(ctx, hard))
	require.Less(t, time.Since(began), 30*time.Second)
	r := p.load(id)
	require.Equal(t, record.AttemptInterrupted, r.Attempts[0].Status)
	require.Contains(t, r.Attempts[0].Failure.Message, "told to stop at once")
	require.LessOrEqual(t, p.hidden(), 1100*time.Millisecond)
}

func TestF10AFleetThatIsStoppedAtOnceLosesNothing(t *testing.T) {
	t.Parallel()
	const workers, jobs = 5, 10
	started := make(chan struct{}, jobs)
	var drained atomic.Bool
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		if drained.Load() {
			return succeed(ctx, ws, req)
		}
		return untilCanceled(started)(ctx, ws, req)
	})
	p.cfg.Slots, p.cfg.Grace = jobs/workers, 50*time.Millisecond
	var ids []string
	for i := range jobs {
		ids = append(ids, p.send(map[string]any{"id": fmt.Sprintf("job-%d", i), "pipeline": "p", "max_attempts": 1}))
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range workers {
		cfg := p.cfg
		cfg.Name = fmt.Sprintf("w%d", i)
		cfg.Feed = feedOn(t, p.driver)
		w, err := worker.New(cfg)
		require.NoError(t, err)
		wg.Go(func() {
			if err := w.Run(ctx, t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for range jobs {
		<-started
	}
	stop()
	wg.Wait()
	drained.Store(true)
	p.cfg.Slots, p.cfg.ExitWhenIdle = jobs, 1500*time.Millisecond // longer than what was handed back stays hidden
	p.run()
	for _, id := range ids {
		r := p.load(id)
		require.Equal(t, record.Succeeded, r.Status)
		require.Len(t, r.Attempts, 2)
	}
	require.Equal(t, queue.Depth{}, p.depth())
}

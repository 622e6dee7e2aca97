package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/millrace/millrace/pipelines"
)

// lineBacklog is how many callbacks of printed lines may wait. A program prints faster than a webhook answers:
// beyond this, lines still reach the log, but not the callback, and a warning counts them.
const lineBacklog = 256

// callbacks runs a run's callbacks one after the other, each with a timeout, on a goroutine of its own.
// Nothing they do can change the outcome.
type callbacks struct {
	r       *runner
	queue   chan func()
	wg      sync.WaitGroup
	mu      sync.Mutex
	dropped int // guarded by mu
}

func newCallbacks(r *runner) *callbacks {
	c := &callbacks{r: r, queue: make(chan func(), lineBacklog)}
	c.wg.Go(func() {
		for f := range c.queue {
			f()
		}
	})
	return c
}

// close runs what is queued and ends the goroutine.
func (c *callbacks) close() {
	close(c.queue)
	c.wg.Wait()
}

// drain returns when everything queued before has run, and warns of lines that were too many.
func (c *callbacks) drain() {
	done := make(chan struct{})
	c.queue <- func() { close(done) }
	<-done
	c.mu.Lock()
	n := c.dropped
	c.dropped = 0
	c.mu.Unlock()
	if n > 0 {
		c.r.warn(context.Background(), len(c.r.run.Tasks)-1, fmt.Sprintf("%d printed lines were not told to line callbacks: they are slower than the program", n))
	}
}

// later queues the callbacks of one printed line, or drops them when too many wait.
func (c *callbacks) later(ctx context.Context, cbs []pipelines.Callback, on pipelines.Event, vars map[string]any) {
	select {
	case c.queue <- func() { c.r.call(ctx, cbs, on, vars) }:
	default:
		c.mu.Lock()
		c.dropped++
		c.mu.Unlock()
	}
}

// fire runs the callbacks of an event and returns when they are done.
func (r *runner) fire(ctx context.Context, all map[pipelines.Event][]pipelines.Callback, on pipelines.Event, vars map[string]any) {
	cbs := all[on]
	if len(cbs) == 0 {
		return
	}
	done := make(chan struct{})
	r.calls.queue <- func() {
		defer close(done)
		r.call(ctx, cbs, on, vars)
	}
	<-done
}

// call runs callbacks in order. They outlive ctx: a run that was stopped must still be able to say so.
func (r *runner) call(ctx context.Context, cbs []pipelines.Callback, on pipelines.Event, vars map[string]any) {
	id, _ := r.in.State.Get("job.id")
	for i, cb := range cbs {
		// The same for the same callback on every attempt, so that a receiver can tell a repetition.
		vars["callback_id"] = fmt.Sprintf("%v-%v-%s-%d", id, vars["current_task"], on, i)
		err := r.callback(context.WithoutCancel(ctx), cb, vars)
		if err == nil {
			continue
		}
		msg := r.in.Redact.String(fmt.Sprintf("%s: callback %s (%s): %v", cb.Pos, cb.Module, on, err))
		r.in.Call.Log.WarnContext(ctx, "callback failed", "event", on, "module", cb.Module, "err", msg)
		r.emit(ctx, Event{Kind: CallbackFailed, Task: len(r.run.Tasks) - 1, Module: cb.Module, Error: msg})
	}
}

func (r *runner) callback(ctx context.Context, cb pipelines.Callback, vars map[string]any) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.CallbackTimeout, errors.New("the callback ran past its timeout of "+r.cfg.CallbackTimeout.String()))
	defer cancel()
	m, ok := r.cfg.Callbacks.Lookup(cb.Module)
	if !ok {
		return unknown(cb.Module, r.cfg.Callbacks, r.cfg.Planned)
	}
	state := r.in.State.With(vars)
	props, _, err := state.Props(ctx, cb.Props)
	if err != nil {
		return err
	}
	c := r.in.Call
	c.State = state
	stdout, stderr := r.stream(ctx, TaskStdout, cb), r.stream(ctx, TaskStderr, cb)
	c.Stdout, c.Stderr = stdout, stderr
	defer func() {
		if p := recover(); p != nil {
			c.Log.ErrorContext(ctx, "callback panicked", "module", cb.Module, "err", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panicked: %v", p)
		}
		err = errors.Join(err, stdout.Close(), stderr.Close())
	}()
	_, err = m.Run(ctx, &c, props)
	return err
}

// stream shows what a callback prints as lines of the run.
func (r *runner) stream(ctx context.Context, kind EventKind, cb pipelines.Callback) io.WriteCloser {
	return newStream(r.in.Redact, func(line string) {
		r.emit(ctx, Event{Kind: kind, Task: -1, Module: cb.Module, Line: line})
	})
}

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

// callbacks runs a run's callbacks one after the other, each with a timeout, on a goroutine of its own. Those of events
// are waited for, those of printed lines wait in the queue (lines). Nothing they do can change the outcome.
type callbacks struct {
	r       *runner
	queue   chan func()
	wg      sync.WaitGroup
	mu      sync.Mutex
	dropped int // of printed lines; guarded by mu
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

// lines returns what queues the callbacks of a task's printed lines, and what waits for them: until ctx ends, and no
// longer than one callback may take for all that wait. By then the one under way is stopped, and the others are dropped.
func (c *callbacks) lines(ctx context.Context) (later func(call func(context.Context)), drain func()) {
	own, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	later = func(call func(context.Context)) {
		job := func() {
			if own.Err() != nil {
				c.drop()
				return
			}
			call(own)
		}
		select {
		case c.queue <- job:
		default:
			c.drop()
		}
	}
	return later, func() { c.drain(ctx, stop) }
}

func (c *callbacks) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped++
}

// drain returns when everything queued before has run or was dropped, and warns of what was.
func (c *callbacks) drain(ctx context.Context, stop context.CancelCauseFunc) {
	limited, cancel := context.WithTimeout(ctx, c.r.cfg.CallbackTimeout)
	defer cancel()
	release := context.AfterFunc(limited, func() { stop(errors.New("the task had ended, and callbacks of its lines took too long")) })
	done := make(chan struct{})
	c.queue <- func() { close(done) }
	<-done
	release()
	stop(nil)
	c.mu.Lock()
	n := c.dropped
	c.dropped = 0
	c.mu.Unlock()
	if n > 0 {
		c.r.warn(ctx, len(c.r.run.Tasks)-1, fmt.Sprintf("%d printed lines were not told to line callbacks: they are slower than the program", n))
	}
}

// fire runs the callbacks of an event and returns when they are done. They outlive ctx: a run that was stopped must
// still be able to say so. Only an interruption ends onStart, which whoever runs the job next fires again.
func (r *runner) fire(ctx context.Context, all map[pipelines.Event][]pipelines.Callback, on pipelines.Event, vars map[string]any) {
	cbs := all[on]
	if len(cbs) == 0 {
		return
	}
	lasting, end := context.WithoutCancel(ctx), func() {}
	if on == pipelines.OnStart {
		lasting, end = untilInterrupted(ctx)
	}
	defer end()
	done := make(chan struct{})
	r.calls.queue <- func() {
		defer close(done)
		r.call(lasting, cbs, on, vars)
	}
	<-done
}

// untilInterrupted returns a context that ends with ctx only where that ends by an interruption.
func untilInterrupted(ctx context.Context) (context.Context, func()) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		if stop, ok := errors.AsType[*Stop](context.Cause(ctx)); ok && stop.Reason.Interruption() {
			cancel(stop)
		}
	})
	return lasting, func() {
		release()
		cancel(nil)
	}
}

// call runs callbacks in order, until ctx ends.
func (r *runner) call(ctx context.Context, cbs []pipelines.Callback, on pipelines.Event, vars map[string]any) {
	id, _ := r.in.State.Get("job.id")
	for i, cb := range cbs {
		// The same for the same callback on every attempt, so that a receiver can tell a repetition.
		vars["callback_id"] = fmt.Sprintf("%v-%v-%s-%d", id, vars["current_task"], on, i)
		err := r.callback(ctx, cb, vars)
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

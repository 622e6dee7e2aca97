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

// callbacks runs a run's callbacks one after the other, each with a timeout, on a goroutine of its own. Those of events
// are waited for, those of lines wait in a queue (lines.go). Nothing they do can change the outcome.
type callbacks struct {
	r      *runner
	events chan func()
	queued chan func() // of lines
	wg     sync.WaitGroup
	failed map[string]bool // those of which a warning tells; that goroutine's
}

func newCallbacks(r *runner) *callbacks {
	c := &callbacks{r: r, events: make(chan func()), queued: make(chan func(), lineBacklog), failed: map[string]bool{}}
	c.wg.Go(func() {
		for f, ok := c.next(); ok; f, ok = c.next() {
			f()
		}
	})
	return c
}

// next is what runs next: an event, for which a task waits, before a line. ok is false when the run is over.
func (c *callbacks) next() (f func(), ok bool) {
	select {
	case f, ok = <-c.events:
		return f, ok
	default:
	}
	select {
	case f, ok = <-c.events:
		return f, ok
	case f = <-c.queued:
		return f, true
	}
}

// close ends the goroutine. All lines were drained before.
func (c *callbacks) close() {
	close(c.events)
	c.wg.Wait()
}

// fire runs the callbacks of an event and returns when they are done. They outlive ctx: a run that was stopped must
// still be able to say so. Only an interruption ends onStart, which whoever runs the job next fires again.
func (r *runner) fire(ctx context.Context, f firing) {
	if len(f.cbs) == 0 {
		return
	}
	lasting, end := context.WithoutCancel(ctx), func() {}
	if f.on == pipelines.OnStart {
		lasting, end = untilInterrupted(ctx)
	}
	defer end()
	done := make(chan struct{})
	r.calls.events <- func() {
		defer close(done)
		r.call(lasting, f)
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

// call runs the callbacks of an event in order, until ctx ends.
func (r *runner) call(ctx context.Context, f firing) {
	job, _ := r.in.State.Get("job.id")
	for i, cb := range f.cbs {
		// The same for the same callback on every attempt, so that a receiver can tell a repetition.
		which := fmt.Sprintf("%v-%s-%s-%d", job, f.id, f.on, i)
		id := which
		if f.line > 0 {
			id += fmt.Sprintf("-%d", f.line)
		}
		f.vars["callback_id"] = id
		err := r.callback(ctx, cb, f.vars)
		if err == nil {
			continue
		}
		msg := r.in.Redact.String(fmt.Sprintf("%s: callback %s (%s): %v", cb.Pos, cb.Module, f.on, err))
		r.calls.fails(which, msg)
		r.emit(ctx, Event{Kind: CallbackFailed, Task: f.task, Module: cb.Module, Error: msg})
	}
}

// maxFailed is how many callbacks that failed are warnings of their run, which has to stay small: see maxShown. The events
// tell of all.
const maxFailed = 100

// fails makes the first failure of a callback a warning of the run; one of lines may fail for each.
func (c *callbacks) fails(which, msg string) {
	if c.failed[which] || len(c.failed) >= maxFailed {
		return
	}
	c.failed[which] = true
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.run.Warnings = append(c.r.run.Warnings, sentence(msg))
}

func (r *runner) callback(ctx context.Context, cb pipelines.Callback, vars map[string]any) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.CallbackTimeout, errors.New("the callback ran past its timeout of "+r.cfg.CallbackTimeout.String()))
	defer cancel()
	m, ok := r.cfg.Callbacks.Lookup(cb.Module)
	if !ok {
		return unknown(cb.Module, r.cfg.Callbacks, r.cfg.Planned)
	}
	state := r.in.State.With(vars)
	props, _, err := state.Props(ctx, m.Spec().CallbackProps(cb.Props))
	if err != nil {
		return err
	}
	c := r.in.Call
	c.State = state
	if cb.Brought {
		c.MaySend = r.in.Brought
	}
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

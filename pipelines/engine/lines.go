package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// lineBacklog is how many callbacks of lines may wait in a run. A program prints faster than a webhook answers: beyond
// this, lines still reach the log, but not the callback, and a warning counts them.
const lineBacklog = 256

// A lineQueue is the callbacks of the lines that a task printed and logged, or the run: they run when their turn comes,
// and nobody waits for them but drain.
type lineQueue struct {
	queue chan<- func()
	limit time.Duration // how long drain waits
	start func(call func(context.Context))
	stop  context.CancelCauseFunc // the one under way
	ended chan struct{}           // holds a token when one has ended since drain looked

	mu      sync.Mutex // guards what follows
	waiting int
	busy    bool // one is under way
	closed  bool // no more are taken, and none that waits is started
	dropped int
}

// lines returns a queue whose callbacks may run on when ctx ends, until it is drained.
func (c *callbacks) lines(ctx context.Context) *lineQueue {
	own, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	return &lineQueue{
		queue: c.queued, limit: c.r.cfg.CallbackTimeout, ended: make(chan struct{}, 1),
		start: func(call func(context.Context)) { call(own) }, stop: stop,
	}
}

// later queues a call. It is false where the queue was drained before.
func (l *lineQueue) later(call func(context.Context)) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	select {
	case l.queue <- func() { l.run(call) }:
		l.waiting++
	default:
		l.dropped++
	}
	return true
}

func (l *lineQueue) run(call func(context.Context)) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.waiting, l.busy = l.waiting-1, true
	l.mu.Unlock()
	l.start(call)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	select {
	case l.ended <- struct{}{}:
	default: // it holds its token already
	}
}

// drain returns when everything queued has run: when run ends, and after the time that one callback may take for all
// that wait, the one under way is stopped and the others are dropped. It closes the queue and returns how many were dropped.
func (l *lineQueue) drain(run context.Context) int {
	ctx, cancel := context.WithTimeout(run, l.limit)
	defer cancel()
	done := ctx.Done()
	for l.open() {
		select {
		case <-l.ended:
		case <-done:
			l.close(cmp.Or(context.Cause(run), errors.New("callbacks of lines took too long after the last of them")))
			done = nil
		}
	}
	l.close(nil)
	return l.dropped + l.waiting
}

// open says whether there is something to wait for.
func (l *lineQueue) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy || l.waiting > 0 && !l.closed
}

func (l *lineQueue) close(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.stop(why)
}

// drain drains the lines of a task, or of the run, and warns of those that were dropped.
func (r *runner) drain(ctx context.Context, l *lineQueue, task int) {
	n := l.drain(ctx)
	if n == 0 {
		return
	}
	why := "they are slower than the program"
	if ctx.Err() != nil {
		why = "the run was stopped"
	}
	r.warn(ctx, task, fmt.Sprintf("%d printed lines were not told to line callbacks: %s", n, why))
}

// Package group lets concurrent calls share one round trip: whoever comes first carries what has gathered behind it.
package group

import (
	"context"
	"slices"
	"sync"
)

// A Group joins calls into batches. It has no goroutine of its own: the first caller leads, those that come while its
// batch is on the way wait, and one of them leads the next. A lone call therefore never waits for company.
type Group[T any] struct {
	do  func(ctx context.Context, vals []T) []error
	max int

	mu      sync.Mutex
	leading bool        // guarded by mu: a batch is on the way, or has its turn
	waiting []*batch[T] // guarded by mu: in order of arrival; the last takes calls while it has room
}

// A batch costs a call no channel and no context of its own: those who wait for it watch it, and theirs.
type batch[T any] struct {
	turn chan struct{} // gets one token: whoever takes it carries the batch
	done chan struct{} // closed once every call has its error

	calls   []*call[T]              // guarded by the group's mu until the batch starts, fixed from then on
	turned  bool                    // guarded by the group's mu: turn got its token
	started bool                    // guarded by the group's mu
	wanted  int                     // guarded by the group's mu: calls of a started batch that did not give up
	cancel  context.CancelCauseFunc // of a started batch
}

type call[T any] struct {
	val T
	err error
}

// New returns a Group whose batches hold at most max values. do gets them in order of arrival and returns their errors
// in the same order; nil in place of the list is success for all. Its context ends when all who wait for it gave up.
func New[T any](max int, do func(ctx context.Context, vals []T) []error) *Group[T] {
	return &Group[T]{do: do, max: max}
}

// Call has v carried by a batch and returns its error. Until the batch starts it ends with ctx, and v is not carried;
// from then on it waits for the batch, so that its answer is never a guess.
func (g *Group[T]) Call(ctx context.Context, v T) error {
	c := &call[T]{val: v}
	b, lead := g.join(c)
	for ended := ctx.Done(); !lead; {
		select {
		case <-b.turn:
			lead = true
		case <-b.done:
			return c.err
		case <-ended:
			if g.leave(b, c, context.Cause(ctx)) {
				return context.Cause(ctx)
			}
			ended = nil
		}
	}
	g.carry(ctx, b)
	return c.err
}

// join puts c into a batch and says whether c is to carry it at once.
func (g *Group[T]) join(c *call[T]) (b *batch[T], lead bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.waiting); n > 0 && len(g.waiting[n-1].calls) < g.max {
		b = g.waiting[n-1]
	} else {
		b = &batch[T]{turn: make(chan struct{}, 1), done: make(chan struct{})}
		g.waiting = append(g.waiting, b)
	}
	b.calls = append(b.calls, c)
	lead, g.leading = !g.leading, true
	return b, lead
}

// leave takes c out of a batch that has not started; false when it has, which ends with the last that leaves.
func (g *Group[T]) leave(b *batch[T], c *call[T], cause error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.started {
		if b.wanted--; b.wanted == 0 {
			b.cancel(cause)
		}
		return false
	}
	b.calls = slices.DeleteFunc(b.calls, func(o *call[T]) bool { return o == c })
	if len(b.calls) > 0 {
		return true
	}
	g.waiting = slices.DeleteFunc(g.waiting, func(o *batch[T]) bool { return o == b })
	if b.turned {
		g.pass()
	}
	return true
}

// pass gives the turn to the batch that has waited longest. The group's mu is held.
func (g *Group[T]) pass() {
	if g.leading = len(g.waiting) > 0; g.leading {
		g.waiting[0].turned = true
		g.waiting[0].turn <- struct{}{}
	}
}

// carry runs the first batch that waits, in the goroutine and with the values of ctx, and passes the turn on.
func (g *Group[T]) carry(ctx context.Context, b *batch[T]) {
	batchCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	vals := g.start(b, cancel)
	if len(vals) == 1 {
		batchCtx = ctx
	} else {
		stop := context.AfterFunc(ctx, func() { g.leave(b, nil, context.Cause(ctx)) })
		defer stop()
	}
	for i, err := range g.do(batchCtx, vals) {
		b.calls[i].err = err
	}
	close(b.done)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
}

func (g *Group[T]) start(b *batch[T], cancel context.CancelCauseFunc) []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.Delete(g.waiting, 0, 1)
	b.started, b.wanted, b.cancel = true, len(b.calls), cancel
	vals := make([]T, len(b.calls))
	for i, c := range b.calls {
		vals[i] = c.val
	}
	return vals
}

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
	do  func(ctx context.Context, batch []T) []error
	max int

	mu      sync.Mutex
	leading bool       // guarded by mu: a batch is on the way
	waiting []*call[T] // guarded by mu: in order of arrival
}

type call[T any] struct {
	ctx   context.Context // of the Call that waits for it, and gone with it
	val   T
	err   error
	turn  chan bool // gets one value: true when this call is to lead the next batch, false once err is set
	leads bool      // guarded by the group's mu: turn got true
}

// New returns a Group whose batches hold at most max values. do gets them in order of arrival and returns their errors
// in the same order; nil in place of the list is success for all. Its context ends when all who wait for it gave up.
func New[T any](max int, do func(ctx context.Context, batch []T) []error) *Group[T] {
	return &Group[T]{do: do, max: max}
}

// Call has v carried by a batch and returns its error. Until the batch starts it ends with ctx, and v is not carried;
// from then on it waits for the batch, so that its answer is never a guess.
func (g *Group[T]) Call(ctx context.Context, v T) error {
	c := &call[T]{ctx: ctx, val: v, turn: make(chan bool, 1)}
	lead := g.join(c)
	if !lead {
		select {
		case lead = <-c.turn:
		case <-ctx.Done():
			if g.leave(c) {
				return context.Cause(ctx)
			}
			lead = <-c.turn
		}
	}
	if lead {
		g.carry()
	}
	return c.err
}

// join queues c and says whether c is to lead.
func (g *Group[T]) join(c *call[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, c)
	if g.leading {
		return false
	}
	g.leading = true
	return true
}

// leave takes c out again; false when it is under way already, or chosen to lead.
func (g *Group[T]) leave(c *call[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w != c {
			continue
		}
		if c.leads {
			return false
		}
		g.waiting = slices.Delete(g.waiting, i, i+1)
		return true
	}
	return false
}

// carry runs one batch, which its caller's own value heads, and passes the lead on.
func (g *Group[T]) carry() {
	g.mu.Lock()
	n := min(len(g.waiting), g.max)
	batch := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.mu.Unlock()

	g.run(batch)

	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.leading = false
		return
	}
	g.waiting[0].leads = true
	g.waiting[0].turn <- true
}

func (g *Group[T]) run(batch []*call[T]) {
	ctx, release := patience(batch)
	defer release()
	vals := make([]T, len(batch))
	for i, c := range batch {
		vals[i] = c.val
	}
	errs := g.do(ctx, vals)
	for i, c := range batch {
		if errs != nil {
			c.err = errs[i]
		}
		if i > 0 { // the first carries the batch
			c.turn <- false
		}
	}
}

// patience is a context that ends when the last of the batch's contexts did.
func patience[T any](batch []*call[T]) (context.Context, func()) {
	if len(batch) == 1 {
		return batch[0].ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(batch[0].ctx))
	var mu sync.Mutex
	left := len(batch)
	stops := make([]func() bool, len(batch))
	for i, c := range batch {
		stops[i] = context.AfterFunc(c.ctx, func() {
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				cancel(context.Cause(c.ctx))
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
	}
}

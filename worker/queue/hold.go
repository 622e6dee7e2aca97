package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Hold extends the lease every third of its length until it is settled or release is called, also after ctx has ended:
// a drain settles on held time. Failed extensions are tried again. None leads beyond the message's Limit.
//
// held ends with ctx, and with a cause that is ErrLeaseLost when the broker says so, or shortly before the lease ends
// because it could not be extended. release waits for the last call to the broker, ends held, and must be called.
func (l *Lease) Hold(ctx context.Context) (held context.Context, release func()) {
	held, end := context.WithCancelCause(ctx)
	calls, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &holder{lease: l, end: end}
	h.guard = time.AfterFunc(time.Until(l.safeEnd()), h.late)

	ticks := make(chan struct{}, 1) // one is enough: a beat that comes during a beat is the next
	var wg sync.WaitGroup
	wg.Go(func() { h.extend(calls, ticks) })
	if l.Beat != nil {
		wg.Go(func() { h.beat(calls, held, ticks) })
	}
	return held, func() {
		stop()
		h.guard.Stop()
		end(nil)
		wg.Wait()
	}
}

// A holder keeps one lease for one Hold.
type holder struct {
	lease *Lease
	end   context.CancelCauseFunc // of held
	guard *time.Timer             // fires when the lease has not been extended in time

	mu   sync.Mutex
	last error // guarded by mu: of the latest Extend
}

// extend renews the lease until ctx ends, or the lease is settled or lost. Each turn is a heartbeat.
func (h *holder) extend(ctx context.Context, ticks chan<- struct{}) {
	var b backoff
	beat := min(h.lease.queue.visibility, time.Until(h.lease.endsAt())) / 3
	for wait(ctx, beat) && h.lease.over() == nil {
		select {
		case ticks <- struct{}{}:
		default:
		}
		err := h.lease.extend(ctx)
		h.note(err)
		switch {
		case errors.Is(err, ErrSettled):
			return
		case errors.Is(err, ErrLeaseLost):
			h.lost(err, func(c *Count) { c.Taken++ })
			return
		case err == nil:
			h.lease.queue.tally.add(func(c *Count) { c.Extended++ })
			h.lease.queue.trouble.passed(ctx)
			h.guard.Reset(time.Until(h.lease.safeEnd()))
			beat, b = h.lease.queue.visibility/3, backoff{}
		case ctx.Err() == nil:
			h.lease.queue.tally.add(func(c *Count) { c.Refused++ })
			h.lease.queue.trouble.failed(ctx, "extend", err)
			beat = min(b.next(err), h.lease.queue.visibility/12) // often enough to use what is left of the lease
		}
	}
}

// beat calls the lease's Beat on every tick while held lasts.
func (h *holder) beat(ctx, held context.Context, ticks <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-held.Done():
			return
		case <-ticks:
			h.lease.Beat(held)
		}
	}
}

// late ends held because the lease could not be extended in time.
func (h *holder) late() {
	h.mu.Lock()
	last := h.last
	h.mu.Unlock()
	err := fmt.Errorf("%w: it could not be extended in time", ErrLeaseLost)
	count := func(c *Count) { c.Late++ }
	switch {
	case !h.lease.Limit.IsZero() && h.lease.Limit.Sub(h.lease.endsAt()) < time.Second:
		err = fmt.Errorf("%w: the queue lets no message be held longer", ErrLeaseLost)
		count = func(c *Count) { c.Limit++ }
	case last != nil:
		err = fmt.Errorf("%w: %w", err, last)
	}
	h.lost(err, count)
}

func (h *holder) lost(err error, count func(*Count)) {
	if h.lease.lose(err, count) {
		h.end(err)
	}
}

func (h *holder) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = err
}

// extend asks the broker once, for at most as long as the answer is worth having.
func (l *Lease) extend(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, l.safeEnd())
	defer cancel()
	if !l.calling.take(ctx) {
		return context.Cause(ctx)
	}
	defer l.calling.give()
	if err := l.over(); err != nil {
		return err
	}
	asked := time.Now()
	d := l.queue.visibility
	if left := l.Limit.Sub(asked); !l.Limit.IsZero() && left < d {
		if left-l.endsAt().Sub(asked) < time.Second {
			return nil // it lasts as long as it can
		}
		d = left
	}
	if err := l.queue.driver.Extend(ctx, l.Receipt, d); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = asked.Add(d)
	return nil
}

func (l *Lease) endsAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends
}

// safeEnd is when work must stop if nothing extends the lease.
func (l *Lease) safeEnd() time.Time { return l.endsAt().Add(-l.queue.safety) }

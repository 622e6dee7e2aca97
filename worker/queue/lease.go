package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
)

// A Lease is the right to work on one message until it is settled or lost. It is settled once: after an Ack, Nack or
// Bury that returned nil, each of them returns ErrSettled. Its methods may be called from several goroutines.
type Lease struct {
	Message

	// Beat, when set before Hold, is called on every heartbeat, at most once at a time, with the held context.
	// A slow one delays no extension; release waits for it.
	Beat func(ctx context.Context)

	queue    *Queue
	done     func()    // frees its place in a Feed's limit; nil without one
	ended    sync.Once // of done
	settling turn      // one settle at a time
	calling  turn      // Extend or Nack, for an Extend that lands after a Nack hides the message

	mu      sync.Mutex
	ends    time.Time // guarded by mu: when the lease does, on our monotonic clock
	settled bool      // guarded by mu
	lost    error     // guarded by mu: wraps ErrLeaseLost
	doubt   bool      // guarded by mu: an Ack failed and may have arrived all the same
}

func newLease(q *Queue, m Message) *Lease {
	now := time.Now()
	ends := now.Add(q.visibility)
	if !m.Deadline.IsZero() {
		ends = now.Add(m.Deadline.Sub(now))
	}
	return &Lease{Message: m, queue: q, ends: ends}
}

// Ack says the work is done: the broker forgets the message. Acks that end together share one call to the broker.
//
// Ack, Nack and Bury ask a failing broker again until ctx ends, and return its last error then; they may be called
// again. They return ErrLeaseLost, without asking, once the lease is known lost or over.
func (l *Lease) Ack(ctx context.Context) error {
	return l.settle(ctx, "ack", func() error { return l.queue.acks.Call(ctx, l) })
}

// Nack hands the message back, to be delivered again after the delay.
func (l *Lease) Nack(ctx context.Context, after time.Duration) error {
	return l.settle(ctx, "nack", func() error {
		if !l.calling.take(ctx) {
			return context.Cause(ctx)
		}
		defer l.calling.give()
		return l.queue.driver.Nack(ctx, l.Receipt, after)
	})
}

// Bury moves the message to the dead-letter queue with a reason people can read.
func (l *Lease) Bury(ctx context.Context, reason string) error {
	return l.settle(ctx, "bury", func() error {
		return l.queue.driver.Bury(ctx, l.Message, reason)
	})
}

// settle runs f until it passes, unless the lease was settled or lost before.
func (l *Lease) settle(ctx context.Context, verb string, f func() error) error {
	if !l.settling.take(ctx) {
		return context.Cause(ctx)
	}
	defer l.settling.give()
	var b backoff
	for {
		if err := l.over(); err != nil {
			return err
		}
		err := f()
		switch {
		case err == nil:
			l.queue.trouble.passed(ctx)
			l.mu.Lock()
			l.settled = true
			l.mu.Unlock()
			return nil
		case errors.Is(err, ErrLeaseLost):
			l.lose(err, func(c *Count) { c.Taken++ })
			return err
		case ctx.Err() != nil, fault.Of(err) == fault.Permanent:
			return fmt.Errorf("%s message %s: %w", verb, l.ID, err)
		}
		l.queue.trouble.failed(ctx, verb, err)
		if !wait(ctx, b.next(err)) {
			return fmt.Errorf("%s message %s: %w", verb, l.ID, err)
		}
	}
}

// resolve reads the broker's answer to an Ack: a lease that is gone after an Ack that may have arrived was acked by it.
func (l *Lease) resolve(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, ErrLeaseLost) && l.doubt {
		return nil
	}
	l.doubt = l.doubt || err != nil
	return err
}

// over returns why nothing may be said about the message any more; nil while it is ours.
func (l *Lease) over() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.settled:
		return ErrSettled
	case l.lost != nil:
		return l.lost
	case time.Now().After(l.ends):
		return fmt.Errorf("%w: it ended at %s", ErrLeaseLost, l.ends.UTC().Format(time.TimeOnly))
	}
	return nil
}

// Lost returns why the message is somebody else's, or will be: it wraps ErrLeaseLost. It is nil while the lease is held,
// and once the message was settled.
func (l *Lease) Lost() error {
	if err := l.over(); !errors.Is(err, ErrSettled) {
		return err
	}
	return nil
}

// lose marks the lease as lost for good, unless it was settled; it says whether it did. The first time is counted.
func (l *Lease) lose(err error, count func(*Count)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled {
		return false
	}
	if l.lost == nil {
		l.lost = err
		l.queue.tally.add(count)
	}
	return true
}

// Done says that nothing runs for the message here any more: another one may take its place under a Feed's limit. It may
// be called more than once, and settles nothing.
func (l *Lease) Done() {
	if l.done != nil {
		l.ended.Do(l.done)
	}
}

// A turn is had by one at a time. The zero value is free, and costs nothing until somebody has to wait.
type turn struct {
	mu    sync.Mutex
	taken bool          // guarded by mu
	given chan struct{} // guarded by mu: closed when it is free again; nil while nobody waits
}

// take waits for the turn; false when ctx ended first.
func (t *turn) take(ctx context.Context) bool {
	for {
		given := t.try()
		if given == nil {
			return true
		}
		select {
		case <-given:
		case <-ctx.Done():
			return false
		}
	}
}

// try takes the turn, or returns what is closed when it is free.
func (t *turn) try() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.taken {
		t.taken = true
		return nil
	}
	if t.given == nil {
		t.given = make(chan struct{})
	}
	return t.given
}

func (t *turn) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	if t.given != nil {
		close(t.given)
		t.given = nil
	}
}

// Package queue is the work that waits: messages, and the right to work on one of them for a while.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue/group"
)

var (
	// ErrLeaseLost says that the message is no longer ours: it was, or will be, given to somebody else.
	ErrLeaseLost = errors.New("lease lost")
	// ErrSettled says that the lease was acked, nacked or buried before.
	ErrSettled = errors.New("message already settled")
)

// A Receipt is one delivery of one message. It is opaque to everyone but its driver.
type Receipt string

// A Message is what the queue holds.
type Message struct {
	ID         string            // the broker's; the same on every delivery
	Body       []byte            // at most 1 MiB
	Attributes map[string]string // at most 10
	Delivery   int               // 1 on the first delivery; the broker's count, not our attempts
	Enqueued   time.Time         // zero when the broker does not say
	Group      string            // whose message it is: FIFO queues keep the order within a group, others share fairly between them
	Receipt    Receipt
	Deadline   time.Time // when the lease ends unless extended
	Limit      time.Time // no extension leads beyond it (SQS: 12 h after the delivery); zero is never
}

// A Draft is a message to send.
type Draft struct {
	Body       []byte
	Attributes map[string]string // at most 10, of which no name begins with "millrace.": drivers have such ones of their own
	Delay      time.Duration     // hidden for so long
	Group      string            // see Message.Group; a FIFO queue makes one up where it is empty
	Key        string            // a FIFO queue takes one message of a key in five minutes; empty is the driver's choice
}

// Depth is how much there is to do. Dead is -1 where it is not known.
type Depth struct{ Visible, InFlight, Delayed, Dead int }

// A Driver speaks to one broker. Queue and Lease call it from several goroutines at once. Drivers don't retry,
// sleep or log: they report, and Queue decides. It has seven methods because that is what every broker must do.
type Driver interface {
	// Receive returns up to max messages, and waits for the first of them at most as long as it is told to, and as the
	// broker's own long poll lasts (20 s or less); 0 is no longer than it takes to know that there is none (1 s or less).
	// No message is not an error: it returns nil, nil. Each message is hidden for the driver's visibility period. When ctx
	// ends a driver whose broker may have hidden messages for the call lets it come back first, for up to 2 s, and returns
	// what it brings.
	Receive(ctx context.Context, max int, wait time.Duration) ([]Message, error)
	// Extend makes the lease end d from now. It returns ErrLeaseLost when the receipt is no longer valid.
	Extend(ctx context.Context, r Receipt, d time.Duration) error
	// Ack deletes messages. The errors stand in the order of the receipts, nil for each that is gone;
	// ErrLeaseLost for a dead receipt.
	Ack(ctx context.Context, rs []Receipt) []error
	// Nack makes the message visible again after the delay; 0 is at once. ErrLeaseLost for a dead receipt.
	Nack(ctx context.Context, r Receipt, after time.Duration) error
	// Bury moves the message to the dead-letter queue with a reason people can read. ErrLeaseLost for a dead receipt.
	Bury(ctx context.Context, m Message, reason string) error
	Depth(ctx context.Context) (Depth, error)
	// Send returns the new message's ID; the message is durable when it returns.
	Send(ctx context.Context, d Draft) (id string, err error)
}

// maxBatch is how many acks share one call to the driver, at most.
const maxBatch = 200

// Config is what a Queue needs.
type Config struct {
	Driver     Driver        // required
	Visibility time.Duration // how long every extension lasts; default 30 s
	Safety     time.Duration // held contexts end so long before a lease that can't be extended does; default Visibility/6
	Log        *slog.Logger  // default: nothing is logged
}

// A Queue adds to a Driver what is the same for all brokers: patience with a failing one, and leases.
type Queue struct {
	driver     Driver
	visibility time.Duration
	safety     time.Duration
	acks       *group.Group[*Lease]
	trouble    trouble
	tally      tally
	answered   atomic.Bool // it has been received from
}

// New returns a Queue on c.Driver. Its errors are all that is wrong with c.
func New(c Config) (*Queue, error) {
	if c.Visibility == 0 {
		c.Visibility = 30 * time.Second
	}
	if c.Safety == 0 {
		c.Safety = c.Visibility / 6
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if c.Driver == nil {
		errs = append(errs, errors.New("queue: no driver given"))
	}
	if c.Visibility < 0 || c.Safety < 0 || c.Safety > c.Visibility/2 {
		errs = append(errs, errors.New("queue: safety must be at most half of visibility, and neither negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	q := &Queue{
		driver:     c.Driver,
		visibility: c.Visibility,
		safety:     c.Safety,
		trouble:    trouble{log: c.Log},
	}
	q.acks = group.New(maxBatch, q.ack)
	return q, nil
}

// ack deletes the messages of leases. One whose lease has ended while it waited for its turn is left alone.
func (q *Queue) ack(ctx context.Context, leases []*Lease) []error {
	errs := make([]error, len(leases))
	at, rs := make([]int, 0, len(leases)), make([]Receipt, 0, len(leases))
	for i, l := range leases {
		if errs[i] = l.over(); errs[i] == nil {
			at, rs = append(at, i), append(rs, l.Receipt)
		}
	}
	if len(rs) == 0 {
		return errs
	}
	for i, err := range q.driver.Ack(ctx, rs) {
		errs[at[i]] = leases[at[i]].resolve(err)
	}
	return errs
}

// longPoll is how long Receive waits for a message, at most: the longest that SQS knows.
const longPoll = 20 * time.Second

// Receive waits for the broker's long poll and returns up to max leases, or none. A broker that fails is asked again,
// more and more slowly, until ctx ends; only a permanent fault of one that never answered is returned at once. What came
// together with the end of ctx is returned, without an error: it has to be handed back.
func (q *Queue) Receive(ctx context.Context, max int) ([]*Lease, error) {
	var b backoff
	for ctx.Err() == nil {
		ls, err := q.poll(ctx, max, longPoll)
		if err == nil || fault.Of(err) == fault.Permanent {
			return ls, err
		}
		wait(ctx, b.next(err))
	}
	return nil, context.Cause(ctx)
}

// refusedRest is when a broker is asked again that answered once and refuses now: somebody has changed a policy, or a key,
// and may change it back.
const refusedRest = time.Minute

// poll asks the broker once, and logs that it failed.
func (q *Queue) poll(ctx context.Context, max int, wait time.Duration) ([]*Lease, error) {
	ms, err := q.driver.Receive(ctx, max, wait)
	if fault.Of(err) == fault.Permanent && q.answered.Load() {
		err = fault.After(refusedRest, err)
	}
	if err == nil || ctx.Err() == nil {
		q.tally.received(len(ms), err)
	}
	switch {
	case err == nil:
		q.answered.Store(true)
		q.trouble.passed(ctx)
	case ctx.Err() == nil && fault.Of(err) != fault.Permanent:
		q.trouble.failed(ctx, "receive", err)
	}
	return q.leases(ms), err
}

func (q *Queue) leases(ms []Message) []*Lease {
	ls := make([]*Lease, len(ms))
	for i, m := range ms {
		ls[i] = newLease(q, m)
	}
	return ls
}

// Send puts a message into the queue and returns its ID; it is durable then. A failed Send is not tried again: the
// broker may hold the message all the same.
func (q *Queue) Send(ctx context.Context, d Draft) (id string, err error) {
	return q.driver.Send(ctx, d)
}

// Depth is how much there is to do, as the broker counts it.
func (q *Queue) Depth(ctx context.Context) (Depth, error) {
	return q.driver.Depth(ctx)
}

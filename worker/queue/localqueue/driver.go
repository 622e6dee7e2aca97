// Package localqueue keeps a queue in one SQLite file, for any number of workers on one machine.
package localqueue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/group"
)

const (
	maxBody       = 1 << 20
	maxAttributes = 10
	// maxBatch is how many verbs share a transaction, at most.
	maxBatch = 64
)

// Config says where the queue is.
type Config struct {
	Path       string        // of the file; it and its folder are made when missing
	Visibility time.Duration // how long a received message is hidden; default 30 s

	clock func() int64 // nanoseconds; default: the machine's
	boot  string       // of the clock, when it is given
}

// A Driver is a queue.Driver on one SQLite file. Verbs that are called at the same time share a transaction, and every
// transaction is on the disk before its verbs return.
//
// Leases run on the machine's clock since boot, which no NTP step moves and which counts suspension; they are void
// after a reboot, for nobody can hold them then.
type Driver struct {
	visibility time.Duration
	clock      func() int64
	boot       string
	file       string

	read   *sql.DB // one connection
	write  *sql.DB // one connection, used by batches alone
	verbs  *statements
	writes *group.Group[change]

	mu    sync.Mutex
	woken chan struct{} // guarded by mu; closed, and replaced, when a message may have become visible
	idle  time.Time     // guarded by mu: since when every Receive came back empty; zero when one did not
}

var _ queue.Broker = (*Driver)(nil)

// Open opens the queue in c.Path. It refuses network filesystems, on which SQLite's locks can't be trusted, files of
// other programs, and queues written by a newer version.
func Open(ctx context.Context, c Config) (*Driver, error) {
	d := &Driver{
		visibility: cmp.Or(c.Visibility, 30*time.Second),
		clock:      c.clock,
		boot:       c.boot,
		file:       c.Path,
		woken:      make(chan struct{}),
	}
	if d.clock == nil {
		d.boot, d.clock = machineClock()
	}
	switch {
	case c.Path == "":
		return nil, errors.New("open queue: no file given")
	case d.visibility < 0:
		return nil, fmt.Errorf("open queue %s: visibility must be positive", c.Path)
	}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open queue %s: %w", c.Path, err), d.Close())
	}
	d.writes = group.New(maxBatch, d.commit)
	return d, nil
}

// Close ends the use of the file; a second one does nothing. All calls must have returned.
func (d *Driver) Close() error {
	var errs []error
	if d.verbs != nil {
		errs = append(errs, d.verbs.close())
		d.verbs = nil
	}
	for _, db := range []*sql.DB{d.read, d.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Extend makes the lease end e from now.
func (d *Driver) Extend(ctx context.Context, r queue.Receipt, e time.Duration) error {
	return d.settle(ctx, r, func(ctx context.Context, s *statements, k key) (sql.Result, error) {
		return s.extend.ExecContext(ctx, d.clock()+int64(e), k.seq, k.receipt)
	})
}

// Ack deletes messages.
func (d *Driver) Ack(ctx context.Context, rs []queue.Receipt) []error {
	errs := make([]error, len(rs))
	err := d.writes.Call(ctx, func(ctx context.Context, s *statements) error {
		for i, r := range rs {
			n, err := affected(s.remove.ExecContext(ctx, parse(r).seq, string(r)))
			if err != nil {
				return err
			}
			errs[i] = lostIf(n == 0)
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// Nack makes the message visible again after the delay.
func (d *Driver) Nack(ctx context.Context, r queue.Receipt, after time.Duration) error {
	defer d.wake()
	return d.settle(ctx, r, func(ctx context.Context, s *statements, k key) (sql.Result, error) {
		return s.release.ExecContext(ctx, d.clock()+int64(after), due(after), k.seq, k.receipt)
	})
}

// Bury moves the message, with the reason, to the dead ones.
func (d *Driver) Bury(ctx context.Context, m queue.Message, reason string) error {
	return d.settle(ctx, m.Receipt, func(ctx context.Context, s *statements, k key) (sql.Result, error) {
		if _, err := s.bury.ExecContext(ctx, reason, time.Now().UnixNano(), k.seq, k.receipt); err != nil {
			return nil, err
		}
		return s.remove.ExecContext(ctx, k.seq, k.receipt)
	})
}

// Send stores a message. A body over 1 MiB and more than 10 attributes are permanent faults.
func (d *Driver) Send(ctx context.Context, dr queue.Draft) (id string, err error) {
	return d.send(ctx, dr, func(context.Context, *statements) (bool, error) { return true, nil })
}

// send stores a message if first, in the same transaction, says so.
func (d *Driver) send(ctx context.Context, dr queue.Draft,
	first func(context.Context, *statements) (bool, error),
) (id string, err error) {
	if err := check(dr); err != nil {
		return "", fault.As(fault.Permanent, err)
	}
	attributes, err := encode(dr.Attributes)
	if err != nil {
		return "", err
	}
	now := time.Now()
	id = newID(now)
	err = d.writes.Call(ctx, func(ctx context.Context, s *statements) error {
		if ok, err := first(ctx, s); err != nil || !ok {
			return err
		}
		visible := d.clock() + int64(dr.Delay)
		_, err := s.insert.ExecContext(ctx, id, now.UnixNano(), visible, due(dr.Delay), attributes, dr.Body)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("send to queue %s: %w", d.file, err)
	}
	d.wake()
	return id, nil
}

// settle runs a statement on the message of a receipt; ErrLeaseLost when the receipt matches none.
func (d *Driver) settle(ctx context.Context, r queue.Receipt,
	f func(context.Context, *statements, key) (sql.Result, error),
) error {
	lost := false
	err := d.writes.Call(ctx, func(ctx context.Context, s *statements) error {
		n, err := affected(f(ctx, s, parse(r)))
		lost = n == 0
		return err
	})
	if err != nil {
		return fmt.Errorf("update queue %s: %w", d.file, err)
	}
	return lostIf(lost)
}

func check(dr queue.Draft) error {
	switch {
	case len(dr.Body) > maxBody:
		return fmt.Errorf("message body has %d bytes, the queue takes at most %d: put the input into the store and send its key",
			len(dr.Body), maxBody)
	case len(dr.Attributes) > maxAttributes:
		return fmt.Errorf("message has %d attributes, the queue takes at most %d", len(dr.Attributes), maxAttributes)
	case dr.Delay < 0:
		return fmt.Errorf("message delay %s is negative", dr.Delay)
	}
	return nil
}

func lostIf(lost bool) error {
	if lost {
		return queue.ErrLeaseLost
	}
	return nil
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

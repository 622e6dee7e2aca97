package localqueue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

const (
	// quick and slow are how often a waiting Receive looks for changes by other processes: at first, and once nothing
	// has come for as long as awake.
	quick = 50 * time.Millisecond
	slow  = 250 * time.Millisecond
	awake = 30 * time.Second
	// maxWait is the longest that Receive waits.
	maxWait = 20 * time.Second
	// maxReceive is how many messages come at once, at most.
	maxReceive = 64
)

// Receive hides up to max messages and returns them, roughly the longest visible first. It hides only what it returns.
func (d *Driver) Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Message, error) {
	if max < 1 {
		return nil, nil
	}
	end := time.Now().Add(min(wait, maxWait))
	for {
		woken := d.bell()
		seen, err := d.look(ctx)
		if err != nil {
			return nil, err
		}
		if seen.next > 0 {
			d.note(true)
			again, err := d.await(ctx, woken, seen, end)
			if !again {
				return nil, err
			}
			continue
		}
		ms, err := d.take(ctx, min(max, maxReceive))
		if err != nil {
			return nil, fmt.Errorf("receive from queue %s: %w", d.file, err)
		}
		if len(ms) > 0 {
			d.note(false)
			return ms, nil
		}
	}
}

// A sight is what a look into the file found.
type sight struct {
	version int64         // changes with every commit of another connection
	next    time.Duration // until the next message is visible; 0 or less is now
}

func (d *Driver) look(ctx context.Context) (sight, error) {
	version, err := d.version(ctx) // before the query: a commit between the two is seen again, not missed
	if err != nil {
		return sight{}, err
	}
	var visible int64
	err = d.read.QueryRowContext(ctx, nextSQL).Scan(&visible)
	if errors.Is(err, sql.ErrNoRows) {
		return sight{version, math.MaxInt64}, nil
	}
	if err != nil {
		return sight{}, fmt.Errorf("look into queue %s: %w", d.file, err)
	}
	return sight{version, time.Duration(visible - d.clock())}, nil
}

func (d *Driver) version(ctx context.Context) (int64, error) {
	var v int64
	// The driver starts a goroutine for every query that can be cancelled; this one is over in microseconds.
	if err := d.read.QueryRowContext(context.WithoutCancel(ctx), `pragma data_version`).Scan(&v); err != nil {
		return 0, fmt.Errorf("look into queue %s: %w", d.file, err)
	}
	return v, nil
}

// await returns true once another look may find something, and false with the cause of ctx, or nil when end has come.
func (d *Driver) await(ctx context.Context, woken <-chan struct{}, s sight, end time.Time) (again bool, err error) {
	due := time.Now().Add(min(s.next, time.Hour))
	for {
		now := time.Now()
		switch {
		case !now.Before(end):
			return false, nil
		case !now.Before(due):
			return true, nil
		}
		t := time.NewTimer(min(d.interval(), end.Sub(now), due.Sub(now)))
		select {
		case <-ctx.Done():
			t.Stop()
			return false, context.Cause(ctx)
		case <-woken:
			t.Stop()
			return true, nil
		case <-t.C:
		}
		v, err := d.version(ctx)
		if err != nil || v != s.version {
			return err == nil, err
		}
	}
}

// take hides and returns what is visible.
func (d *Driver) take(ctx context.Context, max int) ([]queue.Message, error) {
	var ms []queue.Message
	err := d.writes.Call(ctx, func(ctx context.Context, s *statements) error {
		var err error
		ms, err = d.lease(ctx, s, max)
		return err
	})
	slices.SortFunc(ms, func(a, b queue.Message) int {
		return cmp.Compare(parse(a.Receipt).seq, parse(b.Receipt).seq)
	})
	return ms, err
}

func (d *Driver) lease(ctx context.Context, s *statements, max int) (ms []queue.Message, err error) {
	deadline, now := time.Now().Add(d.visibility), d.clock()
	rows, err := s.take.QueryContext(ctx, now+int64(d.visibility), newNonce(), now, max)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		m := queue.Message{Deadline: deadline}
		var enqueued int64
		var attributes string
		if err := rows.Scan(&m.ID, &m.Body, &attributes, &m.Delivery, &enqueued, &m.Receipt); err != nil {
			return nil, err
		}
		m.Enqueued = time.Unix(0, enqueued)
		if m.Attributes, err = decode(attributes); err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, rows.Err()
}

// bell is closed by the next wake.
func (d *Driver) bell() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.woken
}

// wake tells every waiting Receive of this process to look again.
func (d *Driver) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.woken)
	d.woken = make(chan struct{})
}

// note keeps the time since which the queue has been empty.
func (d *Driver) note(empty bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !empty:
		d.idle = time.Time{}
	case d.idle.IsZero():
		d.idle = time.Now()
	}
}

func (d *Driver) interval() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.idle.IsZero() || time.Since(d.idle) < awake {
		return quick
	}
	return slow
}

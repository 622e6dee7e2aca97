package localqueue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// JobID is the attribute by which Find knows a message whose job has an ID of its own.
const JobID = "job_id"

// A row is a waiting message and where it stands among them.
type row struct {
	queue.Waiting
	seq int64
}

// Peek returns up to limit waiting messages, the oldest first, and changes nothing.
func (d *Driver) Peek(ctx context.Context, limit int) ([]queue.Waiting, error) {
	return plain(d.waiting(ctx, waitingSQL+` order by seq limit ?`, limit))
}

// Newest yields the waiting messages whose ID or JobID attribute begins with prefix, all where that is empty, the latest first. It
// reads a page at a time, so that messages may come and go meanwhile and other methods be called.
func (d *Driver) Newest(ctx context.Context, prefix string) iter.Seq2[queue.Waiting, error] {
	const page = 100
	return func(yield func(queue.Waiting, error) bool) {
		for before := int64(math.MaxInt64); ; {
			ws, err := d.newest(ctx, prefix, before, page)
			if err != nil {
				yield(queue.Waiting{}, err)
				return
			}
			for _, w := range ws {
				if !yield(w.Waiting, nil) {
					return
				}
				before = w.seq
			}
			if len(ws) < page {
				return
			}
		}
	}
}

func (d *Driver) newest(ctx context.Context, prefix string, before int64, most int) ([]row, error) {
	if prefix == "" {
		return d.waiting(ctx, waitingSQL+` where seq < ? order by seq desc limit ?`, before, most)
	}
	return d.waiting(ctx, findPrefixSQL, prefix, afterAll(prefix), before, most)
}

// Find returns a waiting message by its ID or by its JobID attribute, of several the oldest; queue.ErrNotFound when there is
// none. However many wait, it costs the same.
func (d *Driver) Find(ctx context.Context, id string) (queue.Waiting, error) {
	ws, err := d.waiting(ctx, findSQL, id)
	if err != nil {
		return queue.Waiting{}, err
	}
	if len(ws) == 0 {
		return queue.Waiting{}, fmt.Errorf("find message %s: %w", id, queue.ErrNotFound)
	}
	return ws[0].Waiting, nil
}

func plain(rows []row, err error) (ws []queue.Waiting, _ error) {
	for _, r := range rows {
		ws = append(ws, r.Waiting)
	}
	return ws, err
}

// afterAll is a text behind all that begin with prefix.
func afterAll(prefix string) string { return prefix + "\U0010ffff" }

func (d *Driver) waiting(ctx context.Context, query string, args ...any) (ws []row, err error) {
	defer func() { err = d.reading(err) }()
	now := d.clock()
	rows, err := d.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var w row
		var enqueued, visible int64
		var leased bool
		var attributes string
		if err := rows.Scan(&w.seq, &w.ID, &enqueued, &visible, &leased, &w.Delivery, &attributes, &w.Body); err != nil {
			return nil, err
		}
		w.Enqueued, w.State = time.Unix(0, enqueued), queue.Visible
		if visible > now {
			w.State, w.Hidden = queue.Delayed, time.Duration(visible-now)
			if leased {
				w.State = queue.InFlight
			}
		}
		if w.Attributes, err = decode(attributes); err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	return ws, rows.Err()
}

// Remove deletes a message that no worker has. It returns queue.ErrInFlight when one does, and queue.ErrNotFound when there is no
// such message.
func (d *Driver) Remove(ctx context.Context, id string) error {
	var verdict error
	err := d.writes.Call(ctx, func(ctx context.Context, s *statements) error {
		n, err := affected(s.conn.ExecContext(ctx, removeIdleSQL, id, d.clock()))
		if err != nil || n > 0 {
			verdict = nil
			return err
		}
		verdict = queue.ErrInFlight
		err = s.conn.QueryRowContext(ctx, `select seq from messages where id = ?`, id).Scan(new(int64))
		if errors.Is(err, sql.ErrNoRows) {
			verdict, err = queue.ErrNotFound, nil
		}
		return err
	})
	if err != nil || verdict != nil {
		return fmt.Errorf("remove message %s: %w", id, errors.Join(err, verdict))
	}
	return nil
}

// Depth counts the messages.
func (d *Driver) Depth(ctx context.Context) (queue.Depth, error) {
	var q queue.Depth
	err := d.read.QueryRowContext(ctx, depthSQL, d.clock()).Scan(&q.Visible, &q.InFlight, &q.Delayed, &q.Dead)
	return q, d.reading(err)
}

// reading says which file could not be read.
func (d *Driver) reading(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read queue %s: %w", d.file, err)
}

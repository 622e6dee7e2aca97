package localqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// Dead returns up to limit buried messages, the latest first; a negative one is all.
func (d *Driver) Dead(ctx context.Context, limit int) ([]queue.Buried, error) {
	return d.buried(ctx, deadSQL+` order by seq desc limit ?`, limit)
}

// DeadPrefix returns up to limit buried messages whose ID or JobID attribute begins with prefix: those
// that prefix names whole first, then the latest.
func (d *Driver) DeadPrefix(ctx context.Context, prefix string, limit int) ([]queue.Buried, error) {
	return d.buried(ctx, findDeadSQL, prefix, afterAll(prefix), limit)
}

// Revive sends a message in the place of a buried one, which is gone then, and returns the new one's ID. Both happen or
// neither. It returns queue.ErrNotFound when there is no such buried message.
func (d *Driver) Revive(ctx context.Context, b queue.Buried, dr queue.Draft) (string, error) {
	found := false
	sent, err := d.send(ctx, dr, func(ctx context.Context, s *statements) (bool, error) {
		n, err := affected(s.conn.ExecContext(ctx, reviveSQL, b.ID))
		found = n > 0
		return found, err
	})
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", fmt.Errorf("revive message %s: %w", b.ID, queue.ErrNotFound)
	}
	return sent, nil
}

func (d *Driver) buried(ctx context.Context, query string, args ...any) (bs []queue.Buried, err error) {
	defer func() { err = d.reading(err) }()
	rows, err := d.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var b queue.Buried
		var enqueued, buried int64
		var attributes string
		if err := rows.Scan(&b.ID, &enqueued, &buried, &b.Delivery, &b.Reason, &attributes, &b.Body); err != nil {
			return nil, err
		}
		b.Enqueued, b.Buried = time.Unix(0, enqueued), time.Unix(0, buried)
		if b.Attributes, err = decode(attributes); err != nil {
			return nil, err
		}
		bs = append(bs, b)
	}
	return bs, rows.Err()
}

package localqueue

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/worker/queue"
)

// Name is the queue's file.
func (d *Driver) Name() string { return d.file }

// Purge deletes every message that no worker has.
func (d *Driver) Purge(ctx context.Context) error {
	err := d.writes.Call(ctx, func(ctx context.Context, s *statements) error {
		_, err := s.conn.ExecContext(ctx, purgeSQL, d.clock())
		return err
	})
	if err != nil {
		return fmt.Errorf("purge queue %s: %w", d.file, err)
	}
	return nil
}

// Examine says that the file can be read and written; Open has refused what can't be trusted.
func (d *Driver) Examine(ctx context.Context) []queue.Finding {
	f := queue.Finding{Check: "queue", Level: queue.Good, Text: fmt.Sprintf("%s can be read and written", d.file)}
	err := d.writes.Call(ctx, func(ctx context.Context, s *statements) error { return nil })
	if err == nil {
		_, err = d.Depth(ctx)
	}
	if err != nil {
		f = queue.Finding{Check: "queue", Level: queue.Bad, Text: err.Error(), Remedy: "Name another folder with --data, or mend this one."}
	}
	return []queue.Finding{f}
}

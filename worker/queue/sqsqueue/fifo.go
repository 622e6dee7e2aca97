package sqsqueue

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// An attempt is a receive whose answer was lost: its group waits until it is made again, or for a visibility period.
type attempt struct {
	id   string
	ends time.Time // when SQS shows its messages again
}

// single receives one message of a FIFO queue. After a call without an answer the next one is the same attempt.
func (d *Driver) single(ctx context.Context, a ask) ([]queue.Message, error) {
	d.mu.Lock()
	try := d.retry
	d.retry = attempt{}
	d.mu.Unlock()
	again := time.Now().Before(try.ends)
	if !again {
		try = attempt{id: rand.Text()}
	}
	a.max, a.attempt = 1, &try.id
	ds, err := d.poll(ctx, d.url, a)
	switch {
	case again && err != nil: // once: what is wrong may be that it is tried again
		return nil, fault.As(fault.Transient, err)
	case cloud.Is(err, cloud.Unreachable):
		d.mu.Lock()
		d.retry = attempt{try.id, time.Now().Add(d.visibility)}
		d.mu.Unlock()
	}
	if err != nil {
		return nil, err
	}
	return d.fresh(ctx, ds), nil
}

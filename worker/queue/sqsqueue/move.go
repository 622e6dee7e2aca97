package sqsqueue

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/worker/queue"
)

// move sends o to url in place of the message of a receipt, and deletes that. Where the delete fails, the next move, of
// whichever receipt of the message, only deletes: a copy is sent once.
func (d *Driver) move(ctx context.Context, r queue.Receipt, url string, o outgoing) error {
	p, err := parseReceipt(r)
	if err != nil {
		return err
	}
	if !d.moved.has(p.id) {
		if _, err := d.put(ctx, url, o); err != nil {
			return err
		}
		d.moved.add(p.id)
	}
	return d.erase(ctx, r, p.id)
}

// erase deletes a message that was sent elsewhere.
func (d *Driver) erase(ctx context.Context, r queue.Receipt, id string) error {
	if err := d.Ack(ctx, []queue.Receipt{r})[0]; err != nil {
		return err
	}
	d.moved.drop(id)
	return nil
}

// judge notes whether deletes are allowed: one that fails for another reason says nothing about the next.
func (d *Driver) judge(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.denied = time.Time{}
	case cloud.Is(err, cloud.Denied), cloud.Is(err, cloud.Locked):
		d.denied = time.Now()
	}
}

// deletes says whether it is worth sending a message again: not while deletes are denied, for each renewal would leave a
// copy.
func (d *Driver) deletes() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.denied.IsZero() || time.Since(d.denied) > time.Minute
}

// A memory holds the IDs of messages, the latest of them where they are too many.
type memory struct {
	mu  sync.Mutex
	ids map[string]time.Time // guarded by mu: when each was added
}

func (m *memory) has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.ids[id]
	return ok
}

func (m *memory) add(id string) {
	const most = 4096
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ids == nil {
		m.ids = map[string]time.Time{}
	}
	m.ids[id] = time.Now()
	if len(m.ids) <= most {
		return
	}
	oldest := id
	for other, added := range m.ids {
		if added.Before(m.ids[oldest]) {
			oldest = other
		}
	}
	delete(m.ids, oldest)
}

func (m *memory) drop(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ids, id)
}

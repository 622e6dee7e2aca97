package queue_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/queuetest"
)

const visibility = 30 * time.Second

// memory is a driver that keeps its messages in memory, and fails when it is told to.
type memory struct {
	// fail is called before every verb; its error is the verb's, which then does nothing.
	fail func(ctx context.Context, verb string) error

	mu    sync.Mutex
	sent  int             // guarded by mu
	waits []*held         // guarded by mu
	dead  []queue.Message // guarded by mu
	calls []string        // guarded by mu: the verbs so far
}

type held struct {
	queue.Message
	visible time.Time
}

var _ queue.Driver = (*memory)(nil)

func TestTheMemoryDriverKeepsWhatEveryDriverPromises(t *testing.T) {
	queuetest.Run(t, func(*testing.T) queue.Driver { return &memory{} }, queuetest.Options{
		Visibility: visibility, Virtual: true,
		Deviations: map[string]string{"one message of a group is in flight at a time, in order": "no groups"},
	})
}

// enter notes a call, and locks mu unless the verb is to fail.
func (m *memory) enter(ctx context.Context, verb string) error {
	m.mu.Lock()
	m.calls = append(m.calls, verb)
	m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(ctx, verb); err != nil {
			return err
		}
	}
	m.mu.Lock()
	return nil
}

func (m *memory) count(verb string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, c := range m.calls {
		if c == verb {
			n++
		}
	}
	return n
}

func (m *memory) Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Message, error) {
	for end := time.Now().Add(wait); ; {
		if err := m.enter(ctx, "receive"); err != nil {
			return nil, err
		}
		ms := m.take(max)
		m.mu.Unlock()
		if len(ms) > 0 || !time.Now().Before(end) {
			return ms, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

func (m *memory) take(max int) (ms []queue.Message) {
	for _, h := range m.waits {
		if len(ms) == max || h.visible.After(time.Now()) {
			continue
		}
		h.Delivery++
		h.Receipt = queue.Receipt(fmt.Sprintf("%s/%d", h.ID, h.Delivery))
		h.Deadline = time.Now().Add(visibility)
		h.visible = h.Deadline
		ms = append(ms, h.Message)
	}
	return ms
}

// find returns where the message of a receipt is.
func (m *memory) find(r queue.Receipt) (int, error) {
	i := slices.IndexFunc(m.waits, func(h *held) bool { return h.Receipt == r && r != "" })
	if i < 0 {
		return 0, queue.ErrLeaseLost
	}
	return i, nil
}

func (m *memory) Extend(ctx context.Context, r queue.Receipt, d time.Duration) error {
	if err := m.enter(ctx, "extend"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	i, err := m.find(r)
	if err != nil {
		return err
	}
	m.waits[i].visible = time.Now().Add(d)
	return nil
}

func (m *memory) Ack(ctx context.Context, rs []queue.Receipt) []error {
	errs := make([]error, len(rs))
	if err := m.enter(ctx, "ack"); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer m.mu.Unlock()
	for i, r := range rs {
		var at int
		if at, errs[i] = m.find(r); errs[i] == nil {
			m.waits = slices.Delete(m.waits, at, at+1)
		}
	}
	return errs
}

func (m *memory) Nack(ctx context.Context, r queue.Receipt, after time.Duration) error {
	if err := m.enter(ctx, "nack"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	i, err := m.find(r)
	if err != nil {
		return err
	}
	m.waits[i].visible, m.waits[i].Receipt = time.Now().Add(after), ""
	return nil
}

func (m *memory) Bury(ctx context.Context, msg queue.Message, _ string) error {
	if err := m.enter(ctx, "bury"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	i, err := m.find(msg.Receipt)
	if err != nil {
		return err
	}
	m.dead = append(m.dead, m.waits[i].Message)
	m.waits = slices.Delete(m.waits, i, i+1)
	return nil
}

func (m *memory) Depth(ctx context.Context) (d queue.Depth, err error) {
	if err := m.enter(ctx, "depth"); err != nil {
		return d, err
	}
	defer m.mu.Unlock()
	d.Dead = len(m.dead)
	for _, h := range m.waits {
		switch {
		case !h.visible.After(time.Now()):
			d.Visible++
		case h.Receipt != "":
			d.InFlight++
		default:
			d.Delayed++
		}
	}
	return d, nil
}

func (m *memory) Send(ctx context.Context, d queue.Draft) (string, error) {
	if err := m.enter(ctx, "send"); err != nil {
		return "", err
	}
	defer m.mu.Unlock()
	m.sent++
	id := "m" + strconv.Itoa(m.sent)
	m.waits = append(m.waits, &held{
		Message: queue.Message{ID: id, Body: d.Body, Attributes: d.Attributes, Enqueued: time.Now()},
		visible: time.Now().Add(d.Delay),
	})
	return id, nil
}

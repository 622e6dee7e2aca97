package cosqueue

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// A standing is a message and where it stands.
type standing struct {
	object
	state      queue.State
	hidden     time.Duration
	deliveries int
	back       bool // a worker handed it back
}

// survey calls f for every message that waits, in the order of their names, until it returns false. It costs a request
// for every 1,000 messages and every 1,000 leases, and one where no message waits.
func (d *Driver) survey(ctx context.Context, f func(standing) bool) error {
	p, err := d.bucket.list(ctx, jobs, "")
	if err != nil || len(p.objects) == 0 {
		return err
	}
	if err := d.list(ctx); err != nil {
		return err
	}
	for range maxPages {
		after := ""
		for _, o := range p.objects {
			after = o.key
			if !o.message() {
				continue
			}
			if s, waits := d.stand(o, p.now); waits && !f(s) {
				return nil
			}
		}
		if !p.more || after == "" {
			return nil
		}
		if p, err = d.bucket.list(ctx, jobs, after); err != nil {
			return err
		}
	}
	return nil
}

// stand says where a message stands; false when it is settled already.
func (d *Driver) stand(o object, bucketNow time.Time) (standing, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	s := d.seen[o.key]
	st := standing{object: o, state: queue.Delayed}
	switch {
	case s == nil:
		st.hidden = d.sent(o, bucketNow, now).Sub(now)
	case s.state == held || s.state == free:
		st.hidden = s.due(d.visibility).Sub(now)
		if st.back = s.state == free; !st.back {
			st.state = queue.InFlight
		}
		if s.lease != nil {
			st.deliveries = s.lease.Deliveries
		}
	case s.state == done && s.lease != nil && s.lease.Version != o.version(): // the name is used again
	default:
		return standing{}, false
	}
	if st.hidden <= 0 {
		st.state, st.hidden = queue.Visible, 0
	}
	return st, true
}

// Depth counts up to 100,000 messages of each kind. A lease that its holder does not renew counts as in flight until
// this process has seen it for as long as it lasts.
func (d *Driver) Depth(ctx context.Context) (q queue.Depth, err error) {
	err = d.survey(ctx, func(s standing) bool {
		switch s.state {
		case queue.Visible:
			q.Visible++
		case queue.InFlight:
			q.InFlight++
		case queue.Delayed:
			q.Delayed++
		}
		return true
	})
	if err != nil {
		return queue.Depth{}, err
	}
	_, err = d.bucket.all(ctx, deads, func(page, object) { q.Dead++ })
	return q, err
}

// Peek returns up to limit waiting messages, roughly the oldest first, and changes nothing.
func (d *Driver) Peek(ctx context.Context, limit int) (ws []queue.Waiting, err error) {
	var found []standing
	err = d.survey(ctx, func(s standing) bool {
		found = append(found, s)
		return len(found) < limit
	})
	if err != nil || limit < 1 {
		return nil, err
	}
	for _, s := range found {
		b, o, err := d.bucket.get(ctx, jobs+s.key, maxObject)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		o.key = s.key
		e := open(b, o)
		if _, leased := d.sight(s.key); leased && s.deliveries == 0 {
			if l, _, err := d.known(ctx, s.key); err == nil {
				s.deliveries = l.Deliveries
			}
		}
		ws = append(ws, queue.Waiting{
			ID: o.id(), State: s.state, Enqueued: e.Enqueued, Delivery: s.deliveries, Hidden: s.hidden,
			Body: e.body(), Attributes: e.Attributes, Group: e.Group,
		})
	}
	return ws, nil
}

// Purge deletes every message that no worker has. One that is claimed meanwhile may be delivered once more.
func (d *Driver) Purge(ctx context.Context) error {
	var keys, names []string
	err := d.survey(ctx, func(s standing) bool {
		if s.state != queue.InFlight {
			keys, names = append(keys, jobs+s.key), append(names, s.key)
		}
		return true
	})
	if err != nil {
		return err
	}
	return d.erase(ctx, keys, names)
}

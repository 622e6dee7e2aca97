package cosqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// Extend makes the lease end e from now.
func (d *Driver) Extend(ctx context.Context, r queue.Receipt, e time.Duration) error {
	_, _, err := d.change(ctx, r, held, func(l lease) lease { return l.next(held, e) })
	return err
}

// Nack makes the message visible again after the delay.
func (d *Driver) Nack(ctx context.Context, r queue.Receipt, after time.Duration) error {
	_, _, err := d.change(ctx, r, held, func(l lease) lease { return l.next(free, after) })
	if err == nil {
		d.Wake()
	}
	return err
}

// Ack deletes messages. A message is acked once its lease says so: if deleting its objects fails then, it never comes
// back all the same, and any worker deletes them later.
func (d *Driver) Ack(ctx context.Context, rs []queue.Receipt) []error {
	errs := make([]error, len(rs))
	names, ls := make([]string, len(rs)), make([]lease, len(rs))
	each(len(rs), func(i int) {
		names[i], ls[i], errs[i] = d.change(ctx, rs[i], done, func(l lease) lease { return l.next(done, 0) })
	})
	var keys, tails []string
	for i, name := range names {
		if errs[i] != nil {
			continue
		}
		same, err := d.same(ctx, name, ls[i].Version)
		if err != nil {
			continue
		}
		if tails = append(tails, name); same {
			keys = append(keys, jobs+name)
		}
	}
	_ = d.erase(ctx, keys, tails) // whoever sees what is left deletes it
	return errs
}

// Bury moves the message, with the reason, to dead/. If it fails half-way any worker ends it.
func (d *Driver) Bury(ctx context.Context, m queue.Message, reason string) error {
	name, l, err := d.change(ctx, m.Receipt, dead, func(l lease) lease {
		l = l.next(dead, 0)
		l.Reason, l.Buried = clip(reason, maxReason), time.Now().UTC()
		return l
	})
	if err != nil {
		return err
	}
	l.Reason = clip(reason, maxBuriedReason)
	return d.entomb(ctx, name, l, &m)
}

// change writes what next makes of the held lease of a receipt, and returns its name and what it is then. A lease that
// is as it should be already, by an earlier try, stays as it is. ErrLeaseLost when the lease is not the receipt's.
func (d *Driver) change(ctx context.Context, r queue.Receipt, to state, next func(lease) lease) (string, lease, error) {
	name, token, ok := parse(r)
	if !ok {
		return "", lease{}, queue.ErrLeaseLost
	}
	for range 3 {
		l, etag, err := d.known(ctx, name)
		switch {
		case errors.Is(err, errGone), err == nil && l.Token != token:
			return "", lease{}, queue.ErrLeaseLost
		case err != nil:
			return "", lease{}, err
		case l.State == to && to != held:
			return name, l, nil
		case l.State != held:
			return "", lease{}, queue.ErrLeaseLost
		}
		changed := next(l)
		_, err = d.write(ctx, name, changed, unchanged(etag))
		if !errors.Is(err, errTaken) {
			return name, changed, err
		}
	}
	return "", lease{}, fmt.Errorf("change the lease of message %s: somebody else writes it again and again", name)
}

// complete ends what the writer of a done or dead lease began; o is the message's object.
func (d *Driver) complete(ctx context.Context, name string, o object) error {
	l, _, err := d.read(ctx, name)
	switch {
	case err != nil:
		return err
	case l.State == dead:
		return d.entomb(ctx, name, l, nil)
	case l.State == done && l.Version == o.version():
		return d.erase(ctx, []string{jobs + name}, []string{name})
	}
	return nil
}

// entomb writes the dead message and deletes the one that waits. m is what was delivered; it is needed only when the
// object has been deleted or replaced since.
func (d *Driver) entomb(ctx context.Context, name string, l lease, m *queue.Message) error {
	b, o, err := d.bucket.get(ctx, jobs+name, maxObject)
	o.key = name
	same := err == nil && o.version() == l.Version
	switch {
	case err != nil && !errors.Is(err, errGone):
		return err
	case !same && m == nil:
		return d.tidy(ctx, name)
	}
	var e envelope
	if same {
		e = open(b, o)
		e.ID = o.id()
	} else {
		e = envelope{ID: m.ID, Enqueued: m.Enqueued, Group: m.Group, Attributes: m.Attributes}
		e.setBody(m.Body)
	}
	e.Deliveries, e.Reason, e.Buried = l.Deliveries, l.Reason, l.Buried
	if b, err = e.encode(); err != nil {
		return err
	}
	if _, err := d.bucket.put(ctx, deads+e.ID+suffix, b, condition{}); err != nil {
		return err
	}
	if !same {
		return d.tidy(ctx, name)
	}
	return d.erase(ctx, []string{jobs + name}, []string{name})
}

// same says whether the message under a name is the one that was delivered: a producer may have put another one there,
// which is not to be deleted. Between this look and the deletion there is no guard.
func (d *Driver) same(ctx context.Context, name, version string) (bool, error) {
	if version == "" {
		return true, nil
	}
	o, err := d.bucket.head(ctx, jobs+name)
	o.key = name
	return err == nil && o.version() == version, unless(err, errGone)
}

// erase deletes messages, and then, not before, their leases.
func (d *Driver) erase(ctx context.Context, keys, names []string) error {
	if err := d.bucket.remove(ctx, keys...); err != nil {
		return err
	}
	d.mu.Lock()
	for _, name := range names {
		d.gone[name] = time.Now()
	}
	d.mu.Unlock()
	return d.tidy(ctx, names...)
}

// tidy deletes leases whose messages are gone.
func (d *Driver) tidy(ctx context.Context, names ...string) error {
	var keys []string
	for _, name := range names {
		keys = append(keys, leases+name)
	}
	if err := d.bucket.remove(ctx, keys...); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		delete(d.seen, name)
		d.gone[name] = time.Now()
	}
	return nil
}

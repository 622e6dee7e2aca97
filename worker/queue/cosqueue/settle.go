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
		d.expect(after)
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
	var acked, versions []string
	for i, name := range names {
		if errs[i] == nil {
			acked, versions = append(acked, name), append(versions, ls[i].Version)
		}
	}
	_ = d.clear(ctx, acked, versions) // whoever sees what is left deletes it
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
		return d.clear(ctx, []string{name}, []string{l.Version})
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
	return d.clear(ctx, []string{name}, []string{l.Version})
}

// clear deletes settled messages of these versions, and their leases. One that a producer has put in the place of such a
// one stays.
func (d *Driver) clear(ctx context.Context, names, versions []string) error {
	left, errs := make([]bool, len(names)), make([]error, len(names))
	each(len(names), func(i int) { left[i], errs[i] = d.left(ctx, names[i], versions[i]) })
	var keys, tails []string
	for i, name := range names {
		if errs[i] != nil {
			continue
		}
		if tails = append(tails, name); left[i] {
			keys = append(keys, jobs+name)
		}
	}
	return errors.Join(append(errs, d.erase(ctx, keys, tails))...)
}

// left says whether the message under a name is left to be deleted. Under a producer's name it may be another by now;
// where the bucket guards deletions it is deleted here. Where it does not, one that is put there between this look and
// the deletion is deleted in its place.
func (d *Driver) left(ctx context.Context, name, version string) (bool, error) {
	if version == "" {
		return true, nil
	}
	o, err := d.bucket.head(ctx, jobs+name)
	o.key = name
	same := err == nil && o.version() == version
	if !same || !d.bucket.guarded.Load() {
		return same, unless(err, errGone)
	}
	return false, unless(d.bucket.removeIf(ctx, jobs+name, unchanged(o.etag)), errTaken)
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

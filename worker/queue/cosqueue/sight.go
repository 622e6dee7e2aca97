package cosqueue

import (
	"context"
	"errors"
	"time"
)

// maxSeen is how many leases are remembered. One that is forgotten is taken over later than it could be.
const maxSeen = 100_000

// A sight is what this process knows of a lease object. Its clock is the process's own: since is read off no other.
type sight struct {
	etag   string
	since  time.Time // when this write of it was first seen; of a free one, earlier where the bucket's own clock says so
	state  state
	least  time.Duration // for how long a free one hides its message at least
	lease  *lease        // nil until it was read
	listed time.Time     // when the latest listing that showed it began
	tried  time.Time     // when a leftover was last looked after
}

// due is when the message of the lease may be taken, of a free one that was not read up to a hundredth of its delay
// early. A held lease that was not read lasts as long as our own.
func (s *sight) due(visibility time.Duration) time.Time {
	switch {
	case s.lease != nil && (s.state == held || s.state == free):
		return s.since.Add(s.lease.lasts())
	case s.state == free:
		return s.since.Add(s.least)
	}
	return s.since.Add(visibility)
}

// note keeps what we wrote or read of a lease.
func (d *Driver) note(name, etag string, l lease) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	s := d.seen[name]
	if s == nil || s.etag != etag {
		s = &sight{etag: etag, since: now, listed: now}
		d.keep(name, s)
	}
	s.state, s.lease = l.State, &l
}

// keep remembers a sight; mu is held.
func (d *Driver) keep(name string, s *sight) {
	if len(d.seen) >= maxSeen && d.seen[name] == nil {
		for other := range d.seen {
			delete(d.seen, other)
			break
		}
	}
	d.seen[name] = s
}

// forget is for a lease that is gone, or not what we thought.
func (d *Driver) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.seen, name)
}

// sight returns a copy of what is known of a lease.
func (d *Driver) sight(name string) (sight, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.seen[name]
	if !ok {
		return sight{}, false
	}
	return *s, true
}

// read reads a lease object; errGone when there is none.
func (d *Driver) read(ctx context.Context, name string) (lease, string, error) {
	b, o, err := d.bucket.get(ctx, leases+name, maxLease)
	if err != nil && !errors.Is(err, errLong) { // one that is too long is one that can't be read
		if errors.Is(err, errGone) {
			d.forget(name)
		}
		return lease{}, "", err
	}
	l := decode(b)
	d.note(name, o.etag, l)
	return l, o.etag, nil
}

// known returns a lease as we know it, else as it is.
func (d *Driver) known(ctx context.Context, name string) (lease, string, error) {
	if s, ok := d.sight(name); ok && s.lease != nil {
		return *s.lease, s.etag, nil
	}
	return d.read(ctx, name)
}

// write writes a lease under a condition. errTaken when somebody else wrote it; a write whose answer is lost is looked
// for, and known by its token and number.
func (d *Driver) write(ctx context.Context, name string, l lease, c condition) (etag string, err error) {
	etag, err = d.bucket.put(ctx, leases+name, l.encode(), c)
	if err == nil {
		d.note(name, etag, l)
		return etag, nil
	}
	if errors.Is(err, errTaken) {
		d.forget(name)
		return "", err
	}
	found, etag, lost := d.read(ctx, name)
	if lost == nil && found.Token == l.Token && found.Gen == l.Gen && found.State == l.State {
		return etag, nil
	}
	return "", err
}

// list looks at all leases and remembers them. What was remembered and is not there any more is forgotten.
func (d *Driver) list(ctx context.Context) error {
	began := time.Now()
	complete, err := d.bucket.all(ctx, leases, func(p page, o object) {
		if safe(o.key) {
			d.spot(o, p.now, began)
		}
	})
	if err != nil || !complete {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, s := range d.seen {
		if s.listed.Before(began) && s.since.Before(began) {
			delete(d.seen, name)
		}
	}
	return nil
}

// spot remembers a lease in a listing that began then. What we wrote ourselves meanwhile is newer than the listing.
func (d *Driver) spot(o object, bucketNow, began time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seen[o.key]
	switch {
	case d.gone[o.key].After(began), s != nil && s.etag != o.etag && s.since.After(began):
		return
	case s == nil || s.etag != o.etag:
		s = &sight{etag: o.etag, since: time.Now()}
		if s.state, s.least = stateOf(o.size); s.state == free {
			s.since = s.since.Add(-age(o, bucketNow))
		}
		d.keep(o.key, s)
	}
	s.listed = began
}

// age is how long ago an object was written at least, by the bucket's own clock, which ticks in seconds. Delays count
// from then, so that they pass while nobody looks; leases never do.
func age(o object, bucketNow time.Time) time.Duration {
	if bucketNow.IsZero() || o.modified.IsZero() {
		return 0
	}
	return max(0, bucketNow.Sub(o.modified.Truncate(time.Second))-time.Second)
}

package cosqueue

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// maxPages is how many pages of a folder are read, at most: 100,000 objects.
	maxPages = 100
	// lookPages is how many pages of messages one look reads while it finds none to take. The next goes on from there.
	lookPages = 8
	// maxLeftovers is how many leftovers of others one look removes, at most.
	maxLeftovers = 16
	// poolAge is how long the messages that a look found are believed to wait.
	poolAge = 2 * time.Second

	firstPause = 100 * time.Millisecond
	maxWait    = 20 * time.Second
)

// A candidate is a message that a look found to wait.
type candidate struct {
	object
	etag string // of its lease as it was then; empty without one
}

// A pool holds what looks found and nobody took yet, the oldest first.
type pool struct {
	waiting []candidate
	crowded bool      // others take the same ones
	found   time.Time // when the look ended
	cursor  string    // where the next look begins; empty is the start
}

// A pace says when to look next: rarely while looks are in vain.
type pace struct {
	vain int       // looks in a row after which nothing was taken
	next time.Time // zero is now
}

// expect has messages looked for once one becomes visible, after the delay.
func (d *Driver) expect(after time.Duration) {
	if after <= 0 {
		d.Wake()
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if due := time.Now().Add(after); due.Before(d.pace.next) {
		d.pace.next = due
		d.wake()
	}
}

// slower puts the next look off, at most to when a message is known to become visible; mu is held.
func (d *Driver) slower(soonest time.Time) {
	pause := min(firstPause<<min(d.pace.vain, 16), d.idle)
	pause = pause*3/4 + rand.N(pause/4)
	d.pace.vain++
	d.pace.next = time.Now().Add(pause)
	if !soonest.IsZero() && soonest.Before(d.pace.next) {
		d.pace.next = soonest
	}
}

// candidates returns up to max messages to claim, which are busy then. It looks for them when none is known and a look
// is due; one caller looks for all.
func (d *Driver) candidates(ctx context.Context, max int) ([]candidate, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-d.looking:
	}
	defer func() { d.looking <- struct{}{} }()
	for {
		if cs := d.draw(max); len(cs) > 0 {
			return cs, nil
		}
		d.mu.Lock()
		due := !time.Now().Before(d.pace.next)
		d.mu.Unlock()
		if !due {
			return nil, nil
		}
		if err := d.look(ctx); err != nil {
			return nil, err
		}
	}
}

// draw takes from the pool what is still as it was found.
func (d *Driver) draw(max int) (cs []candidate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.pool.found) > poolAge && !d.pool.crowded {
		d.pool = pool{} // and look from the start: what was left in it came before the cursor
	}
	for len(cs) < max && len(d.pool.waiting) > 0 {
		c := d.pool.waiting[0]
		d.pool.waiting = d.pool.waiting[1:]
		etag := ""
		if s := d.seen[c.key]; s != nil {
			etag = s.etag
		}
		if _, settled := d.gone[c.key]; settled || d.busy[c.key] || etag != c.etag {
			continue
		}
		d.busy[c.key] = true
		cs = append(cs, c)
	}
	return cs
}

// look fills the pool. An empty queue costs one request, unless leases may be left over.
func (d *Driver) look(ctx context.Context) error {
	began := time.Now()
	d.mu.Lock()
	after := d.pool.cursor
	d.mu.Unlock()
	p, err := d.bucket.list(ctx, jobs, after)
	if err == nil && len(p.objects) == 0 && after != "" {
		after = ""
		p, err = d.bucket.list(ctx, jobs, after)
	}
	if err != nil {
		return err
	}
	if len(p.objects) == 0 && !d.stale(began) {
		d.fill(nil, "", began, time.Time{})
		return nil
	}
	if err := d.list(ctx); err != nil {
		return err
	}
	var found []candidate
	var soonest time.Time
	for n := 1; ; n++ {
		for _, o := range p.objects {
			after = o.key
			if c, due := d.judge(o, p.now, began); due.IsZero() {
				continue
			} else if !due.After(time.Now()) {
				found = append(found, c)
			} else if soonest.IsZero() || due.Before(soonest) {
				soonest = due
			}
		}
		if !p.more {
			after = ""
		}
		if !p.more || len(found) > 0 || n == lookPages {
			break
		}
		if p, err = d.bucket.list(ctx, jobs, after); err != nil {
			return err
		}
	}
	d.fill(found, after, began, soonest)
	return d.sweep(ctx)
}

// stale says whether leases have not been listed for so long that some may be left over.
func (d *Driver) stale(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.listed) < d.visibility {
		return false
	}
	d.listed = now
	return true
}

// fill takes over what a look found.
func (d *Driver) fill(found []candidate, cursor string, began, soonest time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pool.crowded && len(found) > 0 {
		n := rand.N(len(found))
		found = append(found[n:], found[:n]...)
	}
	d.pool = pool{waiting: found, cursor: cursor, found: time.Now()}
	for name, at := range d.gone {
		if at.Before(began) {
			delete(d.gone, name)
		}
	}
	if len(found) > 0 || cursor == "" {
		d.slower(soonest) // a claim that passes makes up for it
	}
}

// judge says when a message may be taken; zero is not at all, for now.
func (d *Driver) judge(o object, bucketNow, began time.Time) (candidate, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone[o.key].After(began) || d.busy[o.key] || !o.message() {
		return candidate{}, time.Time{}
	}
	s := d.seen[o.key]
	if s != nil && (s.state == held || s.state == free) {
		s.tried = began // nothing is left over: the message is there
	}
	switch {
	case s == nil:
		return candidate{object: o}, d.sent(o, bucketNow, began)
	case s.state == held, s.state == free:
		return candidate{o, s.etag}, s.due(d.visibility)
	case s.state == done && s.lease != nil && s.lease.Version != o.version():
		return candidate{o, s.etag}, began // the name is used again
	}
	return candidate{}, time.Time{}
}

// sent is when a message without a lease may be taken: after the delay in its name; mu is held.
func (d *Driver) sent(o object, bucketNow, began time.Time) time.Time {
	_, delay, _ := ours(o.key)
	if delay == 0 {
		return began
	}
	since, ok := d.fresh[o.key]
	if !ok {
		since = time.Now().Add(-age(o, bucketNow))
		d.date(o.key, since)
	}
	return since.Add(delay)
}

// date remembers since when a message that was sent with a delay is known; mu is held. What is forgotten is dated by the
// bucket's clock.
func (d *Driver) date(name string, since time.Time) {
	if len(d.fresh) >= maxSeen {
		clear(d.fresh)
	}
	d.fresh[name] = since
}

// sweep ends what others began and did not end: acks, burials, and leases without a message.
func (d *Driver) sweep(ctx context.Context) error {
	for _, name := range d.leftovers() {
		o, err := d.bucket.head(ctx, jobs+name)
		switch {
		case errors.Is(err, errGone):
			err = d.tidy(ctx, name)
		case err == nil:
			o.key = name
			err = d.complete(ctx, name, o)
		}
		if err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
	return nil
}

// leftovers are leases that were seen unchanged for as long as they last and more, a few at a time and each once in a
// while. One that is held or free is left over only if its message is gone.
func (d *Driver) leftovers() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for name, s := range d.seen {
		end := s.due(d.visibility)
		if s.state == free {
			end = s.since.Add(d.visibility)
		}
		if now.Before(end) || d.busy[name] || now.Sub(s.tried) < d.visibility {
			continue
		}
		if s.state == held || s.state == free {
			end = end.Add(d.visibility)
			if now.Before(end) {
				continue
			}
		}
		s.tried = now
		if names = append(names, name); len(names) == maxLeftovers {
			break
		}
	}
	return names
}

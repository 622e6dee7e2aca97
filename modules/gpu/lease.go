package gpu

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Lease is the right to use devices until it is released.
type Lease struct {
	Devices []Device
	reports []Report
	pool    *Pool

	mu   sync.Mutex  // guards lost
	lost func(error) // nil once it was called, or the lease is released
}

// A waiter is somebody who waits for devices.
type waiter struct {
	need   Need
	change chan struct{} // gets a value when it is worth to look again
	passed int           // how many that came later got devices that it could use; guarded by the mu of its pool
}

// Lease gives a task the devices that it needs, as soon as other tasks of this pool leave enough of them. Every one is
// looked at right before. The error is a *UnfitError where this machine can't give them, or the cause of ctx.
//
// lost is called, once at most and never after Release, when a device of the lease has failed: with a *LostError. It must
// not block, nor call Release.
func (p *Pool) Lease(ctx context.Context, n Need, lost func(error)) (*Lease, error) {
	return p.LeaseWithin(ctx, n, 0, lost)
}

// LeaseWithin is Lease for who would rather do without than wait for longer than that for devices which others have: then
// the error is ErrBusy. What the driver and the trial of an encoder take does not count. 0 is no limit.
func (p *Pool) LeaseWithin(ctx context.Context, n Need, wait time.Duration, lost func(error)) (*Lease, error) {
	w := &waiter{need: n, change: make(chan struct{}, 1)}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	defer p.leave(w)
	var limit <-chan time.Time
	for {
		m, err := p.examine(ctx, n)
		if err != nil {
			return nil, err
		}
		l, busy, err := p.grant(&m, w, lost)
		switch {
		case l != nil || err != nil:
			return l, err
		case !busy:
			continue
		case limit == nil && wait > 0:
			limit = time.After(wait)
		}
		select {
		case <-w.change:
		case <-limit:
			return nil, ErrBusy
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// grant gives w its devices. Where it can't yet, others have them, or they came back since and were not tried.
func (p *Pool) grant(m *Machine, w *waiter, lost func(error)) (l *Lease, busy bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark(m)
	if err := m.fits(w.need); err != nil {
		return nil, false, err
	}
	got, passed := p.share(m, w)
	if got == nil {
		return nil, true, nil
	}
	if w.need.Encoder && slices.ContainsFunc(got, func(r Report) bool { return r.untried }) {
		return nil, false, nil
	}
	l = &Lease{reports: got, pool: p, lost: lost}
	for _, r := range got {
		l.Devices = append(l.Devices, r.Device)
	}
	for _, o := range passed {
		o.passed++
	}
	p.leases[l] = true
	return l, false, nil
}

// Free says whether who asks for that now would get it at once, as far as is known before encoders are tried.
func (p *Pool) Free(ctx context.Context, n Need) bool {
	m, err := p.ask(ctx)
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark(&m)
	got, _ := p.share(&m, &waiter{need: n})
	return got != nil
}

// Release gives the devices back. It may be called twice.
func (l *Lease) Release() {
	l.mu.Lock()
	l.lost = nil
	l.mu.Unlock()
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	delete(l.pool.leases, l)
	l.pool.wake()
}

// Serves says whether one of the devices would do for n, were it free.
func (l *Lease) Serves(n Need) bool {
	return slices.ContainsFunc(l.reports, func(r Report) bool {
		r.Leased = true
		return r.refuses(n) == ""
	})
}

// fail tells who has the lease, once.
func (l *Lease) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		l.lost(err)
		l.lost = nil
	}
}

func (p *Pool) leave(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(o *waiter) bool { return o == w })
	p.wake()
}

// wake makes everybody who waits look again. The caller holds mu.
func (p *Pool) wake() {
	for _, w := range p.waiting {
		select {
		case w.change <- struct{}{}:
		default: // it will look anyway
		}
	}
}

package gpu

import (
	"slices"
	"time"
)

// events tell of failures.
type events struct {
	next  func() (event, bool, error) // waits a moment for one; false where none came; an error: none will ever come
	free  func()
	blind string // why some devices tell nothing; empty where all do
}

// An event is a failure that the driver tells of.
type event struct {
	gpu      string // UUID; empty where the driver did not say of which
	instance instance
	xid      uint64 // 0: a memory error that ECC could not correct
}

// An instance is what an event calls a MIG instance.
type instance struct{ gpu, compute uint32 }

// whole is the instance of an event that concerns a GPU with all its instances.
const whole = 0xffffffff

// hits says whether the event concerns a device.
func (e event) hits(r *Report) bool {
	switch {
	case e.gpu == "" || e.gpu == r.UUID:
		return true
	case e.gpu != r.Parent:
		return false
	}
	return e.instance.gpu == whole || e.instance.gpu == r.instance.gpu && (e.instance.compute == whole || e.instance.compute == r.instance.compute)
}

// A failure is an event that took devices out of service.
type failure struct {
	event event
	err   *LostError
}

// How long a driver that does not tell of all failures is left alone: first, and at most.
const (
	firstAgain = time.Second
	lastAgain  = 5 * time.Minute
)

// listen starts the watch, which lasts until Close, where there was no attempt to. A driver that tells no failures is no
// reason to use no GPU: the look before each lease finds most of them. It is asked again and again. Only inquire calls it.
func (p *Pool) listen(drv *driver) {
	p.mu.Lock()
	first := !p.watched
	p.watched = true
	p.mu.Unlock()
	if !first || p.hear(drv) {
		return
	}
	p.wg.Go(func() { // the caller is a goroutine of wg itself, so Close still waits
		for wait := firstAgain; ; wait = min(2*wait, lastAgain) {
			select {
			case <-time.After(wait):
			case <-p.life.Done():
				return
			}
			if p.hear(drv) {
				return
			}
		}
	})
}

// hear has the driver tell of failures, and says whether it does of all devices. What it told before it goes on to tell. A
// goroutine of wg calls it.
func (p *Pool) hear(drv *driver) (all bool) {
	ev, err := drv.listen()
	p.mu.Lock()
	switch {
	case err == nil:
		p.blind = ev.blind
	case !p.hears:
		p.blind = err.Error()
	}
	blind := p.blind
	first := !slices.Contains(p.blinds, blind)
	if first {
		p.blinds = append(p.blinds, blind)
	}
	p.hears = p.hears || err == nil
	p.mu.Unlock()
	if blind != "" && first && p.cfg.Blind != nil {
		p.cfg.Blind(blind)
	}
	switch {
	case err != nil:
	case first:
		p.wg.Go(func() {
			defer ev.free()
			p.watch(ev)
		})
	default: // no more than was told before
		ev.free()
	}
	return blind == ""
}

func (p *Pool) watch(ev *events) {
	for p.life.Err() == nil {
		e, came, err := ev.next()
		switch {
		case err != nil:
			p.fail(failure{event{}, &LostError{Why: "the driver tells of no failures any more (" + err.Error() + "): restart the worker, and the machine if that does not help"}})
			return
		case came:
			if f := e.failure(); f != nil {
				p.fail(*f)
			}
		}
	}
}

// fail takes devices out of service for good, and tells those who have them.
func (p *Pool) fail(f failure) {
	p.mu.Lock()
	first := !slices.ContainsFunc(p.failures, func(o failure) bool { return o.event == f.event })
	if first {
		p.failures = append(p.failures, f)
	}
	var told []*Lease
	for l := range p.leases {
		if slices.ContainsFunc(l.reports, func(r Report) bool { return f.event.hits(&r) }) {
			told = append(told, l)
		}
	}
	p.wake()
	p.mu.Unlock()
	if first && p.cfg.Failed != nil {
		p.cfg.Failed(f.err)
	}
	for _, l := range told {
		l.fail(f.err)
	}
}

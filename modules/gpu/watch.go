package gpu

import "slices"

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

// listen starts the watch, which lasts until Close, where there was no attempt to. A driver that tells no failures is no
// reason to use no GPU: the look before each lease finds most of them. Only inquire calls it.
func (p *Pool) listen(drv *driver) {
	p.mu.Lock()
	first := !p.watched
	p.watched = true
	p.mu.Unlock()
	if !first {
		return
	}
	ev, err := drv.listen()
	blind := ""
	if err != nil {
		blind = err.Error()
	} else {
		blind = ev.blind
	}
	p.mu.Lock()
	p.blind = blind
	p.mu.Unlock()
	if blind != "" && p.cfg.Blind != nil {
		p.cfg.Blind(blind)
	}
	if err != nil {
		return
	}
	p.wg.Go(func() { // the caller is a goroutine of wg itself, so Close still waits
		defer ev.free()
		p.watch(ev)
	})
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

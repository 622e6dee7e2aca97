package gpu

import (
	"context"
	"slices"
	"time"
)

// A look is one question to the driver, of everybody who was there when it was put.
type look struct {
	answered chan struct{} // closed once m and err are set
	m        Machine
	err      error
}

// ask returns what the driver says from now on. All who come while it is asked share its next answer, so that many who ask
// are no more work than two.
func (p *Pool) ask(ctx context.Context) (Machine, error) {
	l, err := p.enqueue()
	if err != nil {
		return Machine{}, err
	}
	select {
	case <-l.answered:
		m := l.m
		m.Devices = slices.Clone(m.Devices) // each marks his own
		return m, l.err
	case <-ctx.Done():
		return Machine{}, context.Cause(ctx)
	}
}

// enqueue returns the look that begins next.
func (p *Pool) enqueue() (*look, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, errClosed
	case p.hung:
		return nil, errHangs
	case p.next == nil:
		p.next = &look{answered: make(chan struct{})}
	}
	if !p.asking {
		p.asking = true
		p.wg.Go(p.inquire)
	}
	return p.next, nil
}

// inquire asks the driver until nobody waits for an answer.
func (p *Pool) inquire() {
	for {
		p.mu.Lock()
		l := p.next
		p.next = nil
		p.asking = l != nil
		p.mu.Unlock()
		if l == nil {
			return
		}
		late := time.AfterFunc(patience, func() { p.hang(l) })
		m, err := p.question()
		late.Stop()
		p.answer(l, m, err)
	}
}

// hang tells those who wait that the driver does not answer.
func (p *Pool) hang(l *look) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.over() {
		return
	}
	p.hung = true
	l.end(Machine{}, errHangs)
	if p.next != nil {
		p.next.end(Machine{}, errHangs)
		p.next = nil
	}
}

func (p *Pool) answer(l *look, m Machine, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = false
	if err == nil {
		p.last, p.unfit = m.Devices, m.Unfit
	}
	if !l.over() {
		l.end(m, err)
	}
}

// over says whether l was answered. The caller of this and of end holds the mu of l's pool.
func (l *look) over() bool {
	select {
	case <-l.answered:
		return true
	default:
		return false
	}
}

func (l *look) end(m Machine, err error) {
	l.m, l.err = m, err
	close(l.answered)
}

// question asks the driver for everything. Failures are told from before it is asked the first time, so that none falls in
// between.
func (p *Pool) question() (Machine, error) {
	drv, err := p.load()
	if err != nil {
		return Machine{}, err
	}
	p.listen(drv)
	m, err := drv.look()
	m.judge()
	return m, err
}

// load returns the driver. What keeps it from being loaded may pass, so it is tried again each time. Only inquire calls it.
func (p *Pool) load() (*driver, error) {
	p.mu.Lock()
	drv := p.drv
	p.mu.Unlock()
	if drv != nil {
		return drv, nil
	}
	drv, err := p.cfg.open()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drv = drv
	return drv, nil
}

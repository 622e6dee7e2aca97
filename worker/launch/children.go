package launch

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/proc"
)

// take returns a child for the request: one that is warm for it, else one that is being started, else a fresh one.
func (p *Pool) take(ctx context.Context, req *Request) (*child, error) {
	key := reuseKey(req)
	p.mu.Lock()
	c := p.pick(key)
	var next chan *child
	if c == nil && len(p.waiting) < p.starting {
		next = make(chan *child, 1)
		p.waiting = append(p.waiting, next)
	} else {
		p.busy++
	}
	p.mu.Unlock()
	var err error
	if next != nil {
		if c, err = p.await(ctx, next); err != nil {
			return nil, err
		}
	}
	if c != nil && c.gone() {
		p.bury(c)
	}
	devices := p.devices(req)
	if c != nil && (c.gone() || (c.key != "" && c.key != key) || !slices.Equal(c.devices, devices)) {
		other := c
		p.wg.Go(func() { p.retire(other) }) // an exit takes a moment, and the job need not wait for it
		c = nil
	}
	if c == nil {
		if c, err = p.spawnBusy(ctx, devices); err != nil {
			return nil, err
		}
	}
	c.key = key
	return c, nil
}

// devices are what the request's child may use.
func (p *Pool) devices(req *Request) []string {
	if p.cfg.Devices == nil || !p.cfg.Setup.Confine {
		return nil
	}
	return p.cfg.Devices(req)
}

// spawnBusy starts a child for a Launch that counts as busy already; it does not when that fails.
func (p *Pool) spawnBusy(ctx context.Context, devices []string) (*child, error) {
	c, err := p.spawn(ctx, devices)
	if err != nil {
		p.mu.Lock()
		p.busy--
		p.mu.Unlock()
	}
	return c, err
}

// replace puts a fresh child in the place of a busy one that died.
func (p *Pool) replace(ctx context.Context, dead *child) (*child, error) {
	p.bury(dead)
	p.retire(dead)
	c, err := p.spawnBusy(ctx, dead.devices)
	if err == nil {
		c.key = dead.key
	}
	return c, err
}

// pick takes a child off the idle ones: one that is warm for key, else for nothing yet, else for something else. It is
// nil when there is none. The caller holds mu.
func (p *Pool) pick(key string) *child {
	best := slices.IndexFunc(p.idle, func(c *child) bool { return c.key == key })
	if best < 0 {
		best = slices.IndexFunc(p.idle, func(c *child) bool { return c.key == "" })
	}
	if best < 0 && len(p.idle) > 0 {
		best = 0
	}
	if best < 0 {
		return nil
	}
	c := p.idle[best]
	p.idle = slices.Delete(p.idle, best, best+1)
	return c
}

// await returns the child that warm hands over: nil when it could not be started.
func (p *Pool) await(ctx context.Context, next chan *child) (*child, error) {
	select {
	case c := <-next:
		return c, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, next); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return nil, context.Cause(ctx)
	}
	p.busy--
	if c := <-next; c != nil {
		p.idle = append(p.idle, c)
	}
	return nil, context.Cause(ctx)
}

// reuseKey is what two jobs must share to run in one process: the very same pipeline, and the same customer.
func reuseKey(req *Request) string { return req.Digest + " " + req.Job.Customer }

// giveBack returns a child after a job: to the idle ones if it may have another, else it is replaced.
func (p *Pool) giveBack(c *child) {
	defer func() { p.free <- struct{}{} }()
	again := !c.dying
	if again && c.gone() { // what it has started since is ours by now
		p.bury(c)
		again = false
	}
	if again {
		if err := c.dir.wipe(); err != nil {
			p.cfg.Log.Warn("child not reused", "err", err)
			again = false
		}
	}
	if again {
		c.idle()
	}
	p.mu.Lock()
	p.busy--
	again = again && !p.closed
	if again {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if again {
		return
	}
	p.warm()
	if err := Remove(c.dir.Workspace()); err != nil {
		p.cfg.Log.Warn("remove workspace", "err", err)
	}
	p.wg.Go(func() { p.retire(c) }) // an exit takes a moment, and the slot need not wait for it
}

// warm starts a child in the background, unless there is one for every slot.
func (p *Pool) warm() {
	p.mu.Lock()
	full := p.closed || len(p.idle)+p.starting+p.busy >= p.cfg.Slots
	if !full {
		p.starting++
	}
	p.mu.Unlock()
	if full {
		return
	}
	p.wg.Go(func() {
		c, err := p.spawn(context.Background(), nil)
		if err != nil {
			p.cfg.Log.Error("start child", "err", err)
		}
		if !p.arrive(c) {
			p.retire(c)
		}
	})
}

// arrive hands a child that warm started, or nil if it could not, to who waits for it, or puts it with the idle ones.
// It returns false when the Pool was closed meanwhile.
func (p *Pool) arrive(c *child) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	switch {
	case len(p.waiting) > 0:
		p.busy++
		p.waiting[0] <- c
		p.waiting = p.waiting[1:]
	case c != nil && p.closed:
		return false
	case c != nil:
		c.idle()
		p.idle = append(p.idle, c)
	}
	return true
}

// spawn starts a child in a folder of its own, which may use the devices, and waits until it is ready.
func (p *Pool) spawn(ctx context.Context, devices []string) (*child, error) {
	dir, err := MakeDir(p.cfg.Root, "")
	if err != nil {
		return nil, err
	}
	p.mu.Lock() // so that bury's sweep can't take a child that is not in live yet
	c, err := startChild(p.cfg, dir, devices)
	if err == nil {
		p.live[c.pid()] = c
	}
	p.mu.Unlock()
	if err == nil {
		if err = c.awaitReady(ctx); err == nil {
			p.once.Do(func() { p.sayConfined(ctx, c.confined) })
			return c, nil
		}
		p.bury(c)
		p.retire(c)
		return nil, err
	}
	return nil, errors.Join(err, Remove(dir.Path))
}

// sayConfined tells the operator, once, when nothing confines the jobs, or less than a newer kernel would.
func (p *Pool) sayConfined(ctx context.Context, word string) {
	if p.cfg.Setup.Confine && (!strings.HasPrefix(word, Confined) || !proc.CanScope()) {
		p.cfg.Log.WarnContext(ctx, "jobs not fully confined", "err", word)
	}
}

// bury kills what is left of a child that died or must die, and everything it started.
func (p *Pool) bury(c *child) {
	c.kill()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := proc.SweepOrphans(func(pid int) bool {
		return p.live[pid] != nil || p.cfg.Keep != nil && p.cfg.Keep(pid)
	})
	p.reaped.Add(int64(n))
}

// retire ends a child and removes its folder.
func (p *Pool) retire(c *child) {
	c.end()
	p.mu.Lock()
	if p.live[c.pid()] == c { // it may be another's pid by now
		delete(p.live, c.pid())
	}
	p.mu.Unlock()
	if err := Remove(c.dir.Path); err != nil {
		p.cfg.Log.Warn("remove job folder", "err", err)
	}
}

package cosqueue

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

const (
	// maxReceive is how many messages come at once, at most.
	maxReceive = 64
	// atOnce is how many requests one call has under way, at most.
	atOnce = 16
	// grace is how long claims that are under way may take when their context has ended.
	grace = 2 * time.Second
	// patience is how long Receive goes on, beyond its wait, to claim what it has found where others are faster.
	patience = time.Second
)

// Receive claims up to max messages, roughly the oldest first, and returns them. It claims only what it returns. While
// there are none it looks from time to time, more and more rarely.
func (d *Driver) Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Message, error) {
	if max < 1 {
		return nil, nil
	}
	end := time.Now().Add(min(wait, maxWait))
	for {
		woken, cs, err := d.ask(ctx, min(max, maxReceive))
		if err != nil {
			return nil, err
		}
		if len(cs) > 0 {
			ms, err := d.claimAll(ctx, cs)
			if len(ms) > 0 || err != nil || time.Since(end) > patience {
				return ms, err
			}
			continue
		}
		if again, err := d.await(ctx, woken, end); !again {
			return nil, err
		}
	}
}

// ask returns candidates, and the bell that rings when there may be more.
func (d *Driver) ask(ctx context.Context, max int) (<-chan struct{}, []candidate, error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	d.mu.Lock()
	woken := d.woken
	d.mu.Unlock()
	cs, err := d.candidates(ctx, max)
	return woken, cs, err
}

// await returns true once another look is due, and false with the cause of ctx, or nil when end has come.
func (d *Driver) await(ctx context.Context, woken <-chan struct{}, end time.Time) (again bool, err error) {
	d.mu.Lock()
	next := d.pace.next
	d.mu.Unlock()
	if !time.Now().Before(end) {
		return false, nil
	}
	last := next.After(end)
	if last {
		next = end
	}
	t := time.NewTimer(time.Until(next))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-woken:
		return true, nil
	case <-t.C:
		return !last, nil
	}
}

// claimAll claims each of the candidates. What was claimed is returned, and an error only if nothing was.
func (d *Driver) claimAll(ctx context.Context, cs []candidate) (ms []queue.Message, err error) {
	claimed := make([]*queue.Message, len(cs))
	errs := make([]error, len(cs))
	each(len(cs), func(i int) { claimed[i], errs[i] = d.claim(ctx, cs[i]) })

	d.mu.Lock()
	defer d.mu.Unlock()
	missed := false
	for i, c := range cs {
		delete(d.busy, c.key)
		if claimed[i] != nil {
			ms = append(ms, *claimed[i])
		}
		if errors.Is(errs[i], errTaken) || errors.Is(errs[i], errGone) {
			missed, errs[i] = true, nil
		}
	}
	if len(ms) > 0 {
		d.pace = pace{}
	}
	if missed {
		d.missed()
	}
	switch {
	case len(ms) > 0:
		return ms, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, errors.Join(errs...)
}

// missed is called when others were faster at what a look found: the rest of it is not believed, and the next look takes
// from a place of its own; mu is held.
func (d *Driver) missed() {
	if len(d.pool.waiting) > 0 {
		d.pace.next = time.Time{}
	}
	d.pool = pool{crowded: true}
}

// outlast is a context that ends grace after ctx has.
func outlast(ctx context.Context) (context.Context, func()) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var late *time.Timer
	var mu sync.Mutex
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		late = time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
	})
	return longer, func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		if late != nil {
			late.Stop()
		}
		cancel(nil)
	}
}

// claim makes the message ours and returns it; nil when it is not visible yet. errTaken or errGone when others were
// faster. It begins nothing once ctx has ended, and what is under way then it lets come back, for up to grace.
func (d *Driver) claim(ctx context.Context, c candidate) (*queue.Message, error) {
	l := lease{
		State: held, Owner: d.owner, Token: newToken(), Gen: 1, Deliveries: 1,
		Millis: d.visibility.Milliseconds(), Version: c.version(),
	}
	condition := absent()
	if c.etag != "" {
		old, etag, err := d.known(ctx, c.key)
		if err != nil {
			return nil, err
		}
		if old.State == done { // by a listing its name is used again: the object itself has to say so
			o, err := d.bucket.head(ctx, jobs+c.key)
			if err != nil {
				return nil, err
			}
			o.key = c.key
			l.Version = o.version()
		}
		s, ok := d.sight(c.key)
		if !ok || s.etag != c.etag {
			return nil, errTaken
		}
		if !d.over(s, old, l.Version) {
			return nil, nil
		}
		if l.Gen = old.Gen + 1; old.Version == l.Version && old.State != done {
			l.Deliveries = old.Deliveries + 1
		}
		condition = unchanged(etag)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	ctx, release := outlast(ctx)
	defer release()
	asked := time.Now()
	if _, err := d.write(ctx, c.key, l, condition); err != nil {
		return nil, err
	}
	return d.fetch(ctx, c, l, asked.Add(d.visibility))
}

// over says whether a lease that was read may be taken over.
func (d *Driver) over(s sight, l lease, version string) bool {
	switch l.State {
	case held, free:
		return !time.Now().Before(s.since.Add(l.lasts()))
	case done:
		return l.Version != version
	}
	return false
}

// fetch gets the message that l is the lease of. Without it the lease is given up.
func (d *Driver) fetch(ctx context.Context, c candidate, l lease, deadline time.Time) (*queue.Message, error) {
	b, o, err := d.bucket.get(ctx, jobs+c.key, maxObject)
	if errors.Is(err, errGone) {
		return nil, cmp.Or(d.tidy(ctx, c.key), errGone)
	}
	if err != nil {
		back := l.next(free, 0)
		back.Deliveries--
		return nil, errors.Join(err, d.rewrite(ctx, c.key, back))
	}
	o.key = c.key
	if v := o.version(); v != l.Version { // it was replaced after the look
		l.Version, l.Deliveries = v, 1
		if err := d.rewrite(ctx, c.key, l.next(held, l.lasts())); err != nil {
			return nil, err
		}
	}
	e := open(b, o)
	d.mu.Lock()
	delete(d.fresh, c.key)
	d.mu.Unlock()
	return &queue.Message{
		ID: o.id(), Body: e.body(), Attributes: e.Attributes, Group: e.Group, Enqueued: e.Enqueued,
		Delivery: l.Deliveries, Receipt: receipt(c.key, l.Token), Deadline: deadline,
	}, nil
}

// rewrite writes a lease that we hold.
func (d *Driver) rewrite(ctx context.Context, name string, l lease) error {
	s, ok := d.sight(name)
	if !ok {
		return errTaken
	}
	_, err := d.write(ctx, name, l, unchanged(s.etag))
	return err
}

// unless is err, or nil when it is the one that was to be expected.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// each calls f with 0 to n-1, several at once.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

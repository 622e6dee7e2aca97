package launch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/engine"
)

// What a child may ask for, which may be a hostile job's doing.
const (
	maxAsk   = 64 << 10 // bytes of the line that it is
	maxOpen  = 256      // asks that are not answered, and as many grants that are not given back
	maxAsks  = 100_000  // in one job
	maxTools = 64       // of one need
	maxGPUs  = 64       // of one need
	maxWord  = 256      // bytes of a name
)

// A counter is where a child's present job is served what it asks for.
type counter struct {
	share *Share
	to    *lineWriter
	wg    sync.WaitGroup

	mu      sync.Mutex // guards what follows
	open    map[int]*order
	serving int // asks whose answers are not written yet, also of those that were withdrawn
	served  int
	refused map[string]*engine.Stop // why the machine can't run the job, by the task that asked
	last    *engine.Stop            // of refused, or of what is not in it
}

// An order is an ask that waits, or was given something.
type order struct {
	cancel  context.CancelFunc
	release func() // nil while it waits
}

func newCounter(share *Share, to *lineWriter) *counter {
	return &counter{share: share, to: to, open: map[int]*order{}, refused: map[string]*engine.Stop{}}
}

var (
	errAsksTooMuch = errors.New("it asked for more than any job needs")
	errSenseless   = errors.New("it asked for what makes no sense")
)

// take begins to serve an ask, until job ends. An error is one that no honest child gives rise to.
func (c *counter) take(job context.Context, a ask) error {
	if a == (ask{ID: a.ID, Release: true}) {
		c.release(a.ID)
		return nil
	}
	serve := c.server(a)
	if serve == nil || a.ID <= 0 {
		return errSenseless
	}
	ctx, cancel := context.WithCancel(job)
	o := &order{cancel: cancel}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served++
	switch {
	case c.open[a.ID] != nil:
		cancel()
		return errSenseless
	case len(c.open) >= maxOpen || c.serving >= maxOpen || c.served > maxAsks:
		cancel()
		return errAsksTooMuch
	}
	c.open[a.ID] = o
	c.serving++
	c.wg.Go(func() {
		defer func() {
			cancel()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.serving--
		}()
		got, release, err := serve(ctx)
		if err != nil {
			c.note(cmp.Or(a.Fit, a.Reserve), err)
			got, release = answer{Wrong: engine.Fail(job, "", err)}, nil
		}
		got.ID = a.ID
		c.answer(o, got, release)
	})
	return nil
}

// server returns what serves an ask: release is not nil where something was given that has to be given back. It is nil for
// an ask that makes no sense, and keeps no more of one than it needs.
func (c *counter) server(a ask) func(ctx context.Context) (got answer, release func(), err error) {
	fit, reserve, keys := a.Fit, a.Reserve, a.Keys
	switch a {
	case ask{ID: a.ID}:
		return nil
	case ask{ID: a.ID, Fit: fit}:
		if !sane(fit) {
			return nil
		}
		return func(ctx context.Context) (answer, func(), error) {
			return answer{}, nil, c.share.Fit(ctx, *fit)
		}
	case ask{ID: a.ID, Reserve: reserve}:
		if !sane(reserve) {
			return nil
		}
		return func(ctx context.Context) (answer, func(), error) {
			g, err := c.share.Reserve(ctx, *reserve)
			return answer{Devices: g.Devices, Why: g.Why}, g.Release, err
		}
	case ask{ID: a.ID, Keys: keys}:
		if len(keys) > maxWord {
			return nil
		}
		return func(ctx context.Context) (answer, func(), error) {
			keys, err := c.share.Keys(ctx, keys)
			return answer{Keys: &keys}, nil, err
		}
	}
	return nil
}

// note keeps why the machine can't run the job, where err says that; need is nil where no task asked.
func (c *counter) note(need *engine.Need, err error) {
	stop, ok := errors.AsType[*engine.Stop](err)
	if !ok || stop.Reason != engine.Unfit || need == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = stop
	if len(c.refused) < maxOpen {
		c.refused[need.Task] = stop
	}
}

// refusal is what the machine told the task, else whichever told the job that it can't run it, or nil.
func (c *counter) refusal(task string) *engine.Stop {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.refused[clipped(task, maxWord)], c.last)
}

// sane says whether an honest child could need that, and shortens what is shown of it.
func sane(n *engine.Need) bool {
	n.Task = clipped(n.Task, maxWord)
	return len(n.Tools) <= maxTools && !slices.ContainsFunc(n.Tools, func(name string) bool { return len(name) > maxWord }) &&
		slices.Contains([]gpu.Use{"", gpu.None, gpu.Preferred, gpu.Required}, n.GPU.Use) &&
		n.GPU.Count >= 0 && n.GPU.Count <= maxGPUs && n.GPU.Memory >= 0 && n.Memory >= 0 && len(n.GPU.Capability) <= maxWord && n.Disk >= 0
}

// answer tells the child what came of an ask. What it was given but has given up already, or after its job, goes back.
func (c *counter) answer(o *order, got answer, release func()) {
	c.mu.Lock()
	wanted := c.open[got.ID] == o
	switch {
	case wanted && release != nil:
		o.release = release
	case wanted:
		delete(c.open, got.ID)
	}
	c.mu.Unlock()
	switch {
	case wanted:
		_ = c.to.write(toChild{Answer: &got}) // a child that is gone is seen where its events are read
	case release != nil:
		release()
	}
}

// release takes back what an ask was given, or ends its wait.
func (c *counter) release(id int) {
	c.mu.Lock()
	o := c.open[id]
	delete(c.open, id)
	c.mu.Unlock()
	if o == nil {
		return
	}
	o.cancel()
	if o.release != nil {
		o.release()
	}
}

// leaveAfter is how long an ask that was withdrawn may still be served once its child was killed.
const leaveAfter = time.Second

// close takes back all that was given and returns when nothing is served any more. Whoever still writes to a child that does
// not read ends with it: kill is called when that takes longer than the grace. Whoever serves on even then does not heed
// its context, and is left behind, so that the job's end does not hang on it: what it gets goes back.
func (c *counter) close(grace time.Duration, kill func()) {
	c.mu.Lock()
	open := c.open
	c.open = map[int]*order{}
	c.mu.Unlock()
	for _, o := range open {
		o.cancel()
		if o.release != nil {
			o.release()
		}
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c.wg.Wait()
	}()
	if !closedWithin(grace, served) {
		kill()
		closedWithin(leaveAfter, served)
	}
}

// closedWithin waits for c to be closed, and says whether it was.
func closedWithin(d time.Duration, c <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

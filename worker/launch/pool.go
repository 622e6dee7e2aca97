package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines/engine"
)

// Config is a Pool's.
type Config struct {
	Argv   []string // the child's command line
	Env    []string // the child's whole environment: data credentials only
	Root   string   // folder for the children's folders; the worker's own, swept by it
	Setup  Setup    // what every child is told; Dir is filled in
	Slots  int      // jobs at once, and children kept warm; at least 1
	Reuse  int      // jobs a child may run one after the other, of one pipeline and customer; 1 (or 0) is one
	Memory int64    // resident bytes a job's whole tree may use; 0 is no limit
	Grace  time.Duration
	Log    *slog.Logger
}

// A Pool launches jobs in child processes that it starts ahead of time, one a slot.
type Pool struct {
	cfg  Config
	free chan struct{} // one token a slot

	mu     sync.Mutex
	idle   []*child         // guarded by mu
	live   map[int]struct{} // pids of our own children, guarded by mu
	closed bool             // guarded by mu
	once   sync.Once        // guards the word on confinement
	wg     sync.WaitGroup   // children being started or ended behind the caller's back
}

var _ Launcher = (*Pool)(nil)

// NewPool returns a Pool and begins to start its children.
func NewPool(cfg Config) *Pool {
	cfg.Slots = max(cfg.Slots, 1)
	cfg.Reuse = max(cfg.Reuse, 1)
	cfg.Grace = cmp.Or(cfg.Grace, 10*time.Second)
	p := &Pool{cfg: cfg, free: make(chan struct{}, cfg.Slots), live: map[int]struct{}{}}
	for range cfg.Slots {
		p.free <- struct{}{}
		p.warm()
	}
	return p
}

// Close ends the children. No Launch may be under way.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		p.retire(c)
	}
	p.wg.Wait()
}

// Launch runs an attempt in a child. A child that dies leaves a failed run, whose callbacks a fresh child then fires.
func (p *Pool) Launch(ctx context.Context, req *Request, rep engine.Reporter) (*Outcome, error) {
	select {
	case <-p.free:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c, err := p.take(ctx, req)
	if err != nil {
		p.free <- struct{}{}
		return nil, fault.As(fault.Transient, fmt.Errorf("start child: %w", err))
	}
	run, died := c.work(ctx, req, rep)
	if died {
		p.bury(c)
		if !run.Failure.Reason.Interruption() {
			run = p.epilogue(ctx, req, run, rep)
		}
		return &Outcome{Run: run, Workspace: c.dir.Workspace(), close: func() { p.giveBack(c, nil) }}, nil
	}
	return &Outcome{Run: run, Workspace: c.dir.Workspace(), close: func() { p.giveBack(c, run) }}, nil
}

// epilogue fires the last callbacks of a run whose child died, in a fresh child.
func (p *Pool) epilogue(ctx context.Context, req *Request, run *engine.Run, rep engine.Reporter) *engine.Run {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	last := *req
	last.Epilogue = run
	c, err := p.spawn(ctx)
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "epilogue not run", "job_id", req.Job.ID, "err", err)
		return run
	}
	ended, died := c.work(ctx, &last, rep)
	p.retire(c)
	if died {
		p.cfg.Log.ErrorContext(ctx, "epilogue died", "job_id", req.Job.ID, "err", ended.Failure)
		return run
	}
	return ended
}

// take returns a child for the request: one that is warm for it, else a fresh one.
func (p *Pool) take(ctx context.Context, req *Request) (*child, error) {
	key := reuseKey(req)
	p.mu.Lock()
	best := -1
	for i, c := range p.idle {
		if c.key == key || (c.key == "" && best < 0) {
			best = i
		}
		if c.key == key {
			break
		}
	}
	if best < 0 && len(p.idle) > 0 { // all are warm for something else
		old := p.idle[0]
		p.idle = p.idle[1:]
		p.mu.Unlock()
		p.retire(old)
		return p.fresh(ctx, key)
	}
	if best < 0 {
		p.mu.Unlock()
		return p.fresh(ctx, key)
	}
	c := p.idle[best]
	p.idle = append(p.idle[:best], p.idle[best+1:]...)
	p.mu.Unlock()
	if c.gone() {
		p.bury(c)
		p.retire(c)
		return p.fresh(ctx, key)
	}
	c.key = key
	return c, nil
}

func (p *Pool) fresh(ctx context.Context, key string) (*child, error) {
	c, err := p.spawn(ctx)
	if err == nil {
		c.key = key
	}
	return c, err
}

// reuseKey is what two jobs must share to run in one process: the very same pipeline, and the same customer.
func reuseKey(req *Request) string { return req.Digest + " " + req.Job.Customer }

// giveBack returns a child after a job: to the idle ones if it may be used again, else it is replaced.
// run is nil when the child died.
func (p *Pool) giveBack(c *child, run *engine.Run) {
	defer func() { p.free <- struct{}{} }()
	c.jobs++
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if !closed && run != nil && run.Status == engine.Succeeded && c.jobs < p.cfg.Reuse {
		err := c.dir.wipe()
		if err == nil {
			p.mu.Lock()
			p.idle = append(p.idle, c)
			p.mu.Unlock()
			return
		}
		p.cfg.Log.Warn("child not reused", "err", err)
	}
	if !closed {
		p.warm()
	}
	if err := Remove(c.dir.Workspace()); err != nil {
		p.cfg.Log.Warn("remove workspace", "err", err)
	}
	p.wg.Go(func() { p.retire(c) }) // an exit takes a moment, and the slot need not wait for it
}

// warm starts a child in the background.
func (p *Pool) warm() {
	p.wg.Go(func() {
		c, err := p.spawn(context.Background())
		if err != nil {
			p.cfg.Log.Error("start child", "err", err)
			return
		}
		p.mu.Lock()
		closed := p.closed
		if !closed {
			p.idle = append(p.idle, c)
		}
		p.mu.Unlock()
		if closed {
			p.retire(c)
		}
	})
}

// spawn starts a child in a folder of its own and waits until it is ready.
func (p *Pool) spawn(ctx context.Context) (*child, error) {
	dir, err := MakeDir(p.cfg.Root, "")
	if err != nil {
		return nil, err
	}
	p.mu.Lock() // so that bury's sweep can't take a child that is not in live yet
	c, err := startChild(p.cfg, dir)
	if err == nil {
		p.live[c.pid()] = struct{}{}
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

// sayConfined tells the operator, once, when nothing confines the jobs.
func (p *Pool) sayConfined(ctx context.Context, word string) {
	if p.cfg.Setup.Confine && !strings.HasPrefix(word, Confined) {
		p.cfg.Log.WarnContext(ctx, "jobs are not confined", "err", word)
	}
}

// bury kills what is left of a child that died or must die, and everything it started.
func (p *Pool) bury(c *child) {
	c.kill()
	p.mu.Lock()
	defer p.mu.Unlock()
	proc.SweepOrphans(func(pid int) bool { _, ours := p.live[pid]; return ours })
}

// retire ends a child and removes its folder.
func (p *Pool) retire(c *child) {
	c.end()
	p.mu.Lock()
	delete(p.live, c.pid())
	p.mu.Unlock()
	if err := Remove(c.dir.Path); err != nil {
		p.cfg.Log.Warn("remove job folder", "err", err)
	}
}

package launch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
)

const epilogueTimeout = 30 * time.Second // for all its callbacks

// Config is a Pool's.
type Config struct {
	Argv    []string // the child's command line
	Env     []string // the child's whole environment: data credentials only
	Root    string   // folder for the children's folders; the worker's own, swept by it
	Setup   Setup    // what every child is told; Dir and Devices are filled in
	Slots   int      // jobs at once, and children kept warm; at least 1
	Reuse   int      // jobs a child may run one after the other, of one pipeline and customer; 1 (or 0) is one
	Machine *Machine // that the jobs share; nil has no GPUs, and counts nothing
	// Devices, when set, are the device files that a job may use, as far as they are there now. A child that may use others, or
	// more, does not run it.
	Devices func(req *Request) []string
	// Keep, when set, says which processes the worker itself has started and waits for, as proc.Local's Owns does: what a
	// child leaves behind is killed, and they are not.
	Keep  func(pid int) bool
	Grace time.Duration
	Log   *slog.Logger
}

// A Pool launches jobs in child processes that it starts ahead of time, one a slot.
type Pool struct {
	cfg  Config
	free chan struct{} // one token a slot

	mu       sync.Mutex
	idle     []*child       // guarded by mu
	starting int            // children that warm starts, guarded by mu; with idle and busy at most Slots
	busy     int            // Launches that have a child, until Close, guarded by mu
	waiting  []chan *child  // takes that wait for one of starting, no more than those; guarded by mu
	live     map[int]*child // our own children by pid, guarded by mu
	closed   bool           // guarded by mu
	once     sync.Once      // guards the word on confinement
	wg       sync.WaitGroup // children being started or ended behind the caller's back
	reaped   atomic.Int64   // processes that jobs left behind
}

var _ Launcher = (*Pool)(nil)

// NewPool returns a Pool and begins to start its children.
func NewPool(cfg Config) *Pool {
	cfg.Slots = max(cfg.Slots, 1)
	cfg.Reuse = max(cfg.Reuse, 1)
	cfg.Grace = cmp.Or(cfg.Grace, 10*time.Second)
	p := &Pool{cfg: cfg, free: make(chan struct{}, cfg.Slots), live: map[int]*child{}}
	for range cfg.Slots {
		p.free <- struct{}{}
		p.warm()
	}
	return p
}

// Children is how many processes run jobs, or wait for one.
func (p *Pool) Children() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}

// Reaped is how many processes were ended that jobs left behind.
func (p *Pool) Reaped() int64 { return p.reaped.Load() }

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
	if err := p.cfg.Machine.place(ctx, req, c.dir); err != nil {
		p.giveBack(c)
		return nil, err
	}
	run, died := p.work(ctx, c, req, rep)
	if died && !c.began && ctx.Err() == nil && !run.Failure.Reason.Interruption() {
		// It was dying before it heard of the job, for all we know: that is not the job's doing. Once, for it may be.
		if c, err = p.replace(ctx, c); err != nil {
			p.free <- struct{}{}
			return nil, fault.As(fault.Transient, fmt.Errorf("start child: %w", err))
		}
		if err := p.cfg.Machine.place(ctx, req, c.dir); err != nil {
			p.giveBack(c)
			return nil, err
		}
		run, died = p.work(ctx, c, req, rep)
	}
	if died || c.left {
		p.bury(c)
	}
	if died && !run.Failure.Reason.Interruption() {
		run = p.epilogue(ctx, req, run, rep)
	}
	return &Outcome{Run: run, Workspace: c.dir.Workspace(), close: func() { p.giveBack(c) }}, nil
}

// work runs a request in a child, which has a share of the machine for as long. died is as child.work's.
func (p *Pool) work(ctx context.Context, c *child, req *Request, rep engine.Reporter) (run *engine.Run, died bool) {
	ctx, share := p.cfg.Machine.Share(ctx, req, c.dir)
	defer share.Close()
	run, died = c.work(ctx, share, req, rep)
	run.GPUSeconds = share.GPUSeconds()
	return run, died
}

// epilogue fires the last callbacks of a run whose child died, in a fresh child. A deadline or a cancel leaves it its
// time; an interruption of ctx ends it.
func (p *Pool) epilogue(ctx context.Context, req *Request, run *engine.Run, rep engine.Reporter) *engine.Run {
	attempt := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(attempt), epilogueTimeout)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(attempt, func() {
		if s := stopOf(context.Cause(attempt)); s.Reason.Interruption() {
			end(s)
		}
	})()
	last := *req
	last.Epilogue = run
	c, err := p.spawn(ctx, nil)
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "epilogue not run", "job_id", req.Job.ID, "err", err)
		return run
	}
	ended, died := p.work(ctx, c, &last, rep)
	p.retire(c)
	if died {
		p.cfg.Log.ErrorContext(ctx, "epilogue died", "job_id", req.Job.ID, "err", ended.Failure)
		return run
	}
	ended.Status, ended.Failure = run.Status, run.Failure // how it ended is known
	ended.GPUSeconds += run.GPUSeconds
	return ended
}

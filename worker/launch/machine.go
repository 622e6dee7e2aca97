package launch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines/engine"
)

const (
	// preferredWait is how long a task that prefers a GPU waits for one that is busy, before it runs on the CPU.
	preferredWait = 5 * time.Second
	// requiredWait is how long one waits that requires it, before its job goes back: another worker may have one that is free.
	requiredWait = 5 * time.Minute
	// queued is how long a task has waited that is said to.
	queued = time.Second
	// maxWaits is how many tasks of one job ask for GPUs at once. Each has the driver look at all of them.
	maxWaits = 4
)

// A Machine is what the jobs of one worker share. The zero value has no GPUs, and counts nothing.
type Machine struct {
	GPUs  *gpu.Pool   // nil: jobs get none
	Tools *tool.Set   // nil: nobody looks
	Disk  *disk.Space // of the workspaces; nil: nobody counts
	// Labels are the worker's; nil: it is none, and runs what is asked of it.
	Labels map[string]string
	// Keys returns the operator's keys for the data of a request's job, or why that gets none; nil: there are none.
	Keys func(ctx context.Context, req *Request, s cloud.Service) (cloud.Keys, error)
	// Memory is how many resident bytes a job and all it starts may use, MemoryAlone how many one that has the worker to itself:
	// 0 is no limit, and as many.
	Memory, MemoryAlone int64
	// Killed returns how many processes of this worker's control group the kernel has killed for want of memory; nil: nobody
	// counts. Jobs can't be asked: one that was has its worker to itself the next time.
	Killed func() int64
	// Patience is how long a task waits for GPUs that it requires and other jobs use; 0 is 5 min.
	Patience time.Duration

	leased atomic.Int64 // GPUs that jobs have

	mu    sync.Mutex     // never taken while a Share's is held
	wants map[*want]bool // guarded by mu
}

// Leased is how many GPUs jobs have now.
func (m *Machine) Leased() int { return int(m.leased.Load()) }

// Share returns what the job of req, whose folder is dir, has of the machine, and the job's context: it ends, by a *engine.Stop with
// reason GPULost, when a GPU fails that the job has. Close the Share when the job is over.
func (m *Machine) Share(ctx context.Context, req *Request, dir Dir) (context.Context, *Share) {
	if m == nil {
		m = new(Machine)
	}
	ctx, stop := context.WithCancelCause(ctx)
	return ctx, &Share{
		machine: m, req: req, dir: dir, stop: stop, turns: make(chan struct{}, maxWaits), killed: m.killed(), held: map[int]func(){}, leases: map[*gpu.Lease]bool{},
	}
}

// errTaken is why a job does not begin that would only wait, behind another one.
var errTaken = errors.New("every GPU that would do is in use, and another job waits for one")

// Fit returns why the machine should not take the job of req, which needs that: a *engine.Stop with reason Unfit where it
// can't run it, and another error where it can't now.
func (m *Machine) Fit(ctx context.Context, req *Request, n engine.Need) error {
	_, s := m.Share(ctx, req, Dir{})
	defer s.Close()
	if err := s.Fit(ctx, n); err != nil {
		return err
	}
	if n.GPU.Use == gpu.Required && m.taken() && !m.GPUs.Free(ctx, n.GPU) {
		return errTaken
	}
	return nil
}

// A Share is one job's part of a Machine. It is the engine.Host of the job where that runs in the machine's own process.
type Share struct {
	machine *Machine
	req     *Request
	dir     Dir
	stop    context.CancelCauseFunc // the job
	turns   chan struct{}           // one value for each task that asks for GPUs now
	killed  int64                   // by the kernel, before the job began

	mu     sync.Mutex     // guards what follows
	held   map[int]func() // what gives a grant back
	last   int
	closed bool
	used   time.Duration
	leases map[*gpu.Lease]bool
	freed  time.Time // when one of leases ended last
}

var _ engine.Host = (*Share)(nil)

// Close gives back all that the job has.
func (s *Share) Close() {
	s.mu.Lock()
	s.closed = true
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, release := range held {
		release()
	}
	s.stop(nil)
}

// lent says whether the job has had anything of the machine.
func (s *Share) lent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last > 0
}

// GPUSeconds is how long the job has had GPUs, times how many.
func (s *Share) GPUSeconds() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used.Round(time.Millisecond).Seconds()
}

// Fit is engine.Host's.
func (s *Share) Fit(ctx context.Context, n engine.Need) error {
	if err := s.misfit(ctx, n.Requires); err != nil {
		return err
	}
	for _, name := range n.Tools {
		if s.machine.Tools == nil {
			break
		}
		err := s.machine.Tools.Has(ctx, name)
		if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
			return &engine.Stop{Reason: engine.Unfit, Class: engine.HeavyClass, Message: fmt.Sprintf("task %q: %v", n.Task, lacks)}
		}
		if err != nil {
			return err
		}
	}
	if n.GPU.Use != gpu.Required {
		return nil
	}
	if s.machine.GPUs == nil {
		return engine.NoGPU(n, noGPUs)
	}
	end, err := s.turn(ctx)
	if err != nil {
		return err
	}
	defer end()
	return s.unfit(n, s.machine.GPUs.Fits(ctx, n.GPU))
}

// turn waits until the job may ask for GPUs, until end.
func (s *Share) turn(ctx context.Context) (end func(), err error) {
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

const noGPUs = "no job here gets one (--gpu=off)"

// unfit makes of what a pool says something that the engine knows.
func (s *Share) unfit(n engine.Need, err error) error {
	if e, ok := errors.AsType[*gpu.UnfitError](err); ok {
		return engine.NoGPU(n, e.Why)
	}
	return err
}

// Reserve is engine.Host's. Disk is not waited for, by a job that may hold what others wait for: where there is too little the
// machine is unfit, unless it is the job itself that has it.
func (s *Share) Reserve(ctx context.Context, n engine.Need) (engine.Grant, error) {
	if err := s.room(n); err != nil {
		return engine.Grant{}, err
	}
	g, err := s.lease(ctx, n)
	if err != nil {
		return engine.Grant{}, err
	}
	if n.Disk > 0 && s.machine.Disk != nil {
		release, err := s.machine.Disk.Reserve(s.dir.Path, n.Disk)
		if err != nil {
			g.Release()
			return engine.Grant{}, s.full(n, err)
		}
		devices := g.Release
		g.Release = func() {
			devices()
			release()
		}
	}
	return s.keep(g), nil
}

// full makes of what a disk says something that the engine knows. What the job has reserved itself comes back as its tasks
// end, so that the task may try again.
func (s *Share) full(n engine.Need, err error) error {
	if e, ok := errors.AsType[*disk.FullError](err); ok && !e.Own() {
		return &engine.Stop{Reason: engine.Unfit, Busy: e.Others(), Message: fmt.Sprintf("task %q: %v", n.Task, e)}
	}
	return fault.As(fault.Transient, err)
}

// keep has Close give back what the task does not.
func (s *Share) keep(g engine.Grant) engine.Grant {
	since, release := time.Now(), g.Release
	s.machine.leased.Add(int64(len(g.Devices)))
	once := sync.OnceFunc(func() {
		release()
		s.machine.leased.Add(-int64(len(g.Devices)))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.used += time.Since(since) * time.Duration(len(g.Devices))
	})
	s.mu.Lock()
	s.last++
	id, closed := s.last, s.closed
	if !closed {
		s.held[id] = once
	}
	s.mu.Unlock()
	if closed {
		once()
	}
	g.Release = func() {
		once()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, id)
	}
	return g
}

// keysWait is how long a service may take to give keys.
const keysWait = time.Minute

// Keys returns the operator's keys for the data of jobs.
func (s *Share) Keys(ctx context.Context, service cloud.Service) (cloud.Keys, error) {
	if s.machine.Keys == nil {
		return cloud.Keys{}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, keysWait, fmt.Errorf("the keys of %s did not come within %s", service, keysWait))
	defer cancel()
	return s.machine.Keys(ctx, s.req, service)
}

// lose ends the job that has a GPU which failed. It does not block.
func (s *Share) lose(err error) {
	s.stop(&engine.Stop{Reason: engine.GPULost, Message: err.Error()})
}

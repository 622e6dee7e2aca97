package gpu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

var (
	// ErrNoDriver is the cause where a machine has no NVIDIA driver, or this binary can't speak to one.
	ErrNoDriver = errors.New("no NVIDIA driver")
	// ErrNoDevice is the cause where a driver knows of no GPU.
	ErrNoDevice = errors.New("the driver knows of no GPU: ask for one in the pod's resources (nvidia.com/gpu)")

	errHangs  = errors.New("the NVIDIA driver does not answer, as it does where a GPU is broken: restart the machine")
	errClosed = errors.New("the pool of GPUs is closed")
)

// patience is how long a driver may take to answer. One that takes longer hangs in the kernel.
const patience = 30 * time.Second

// An UnfitError says why this machine can't give a task what it needs.
type UnfitError struct {
	Need Need
	Why  string
	Err  error // ErrNoDriver is below it where that is why; nil where the GPUs are
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("this machine can't give %s: %s", e.Need, e.Why)
}

func (e *UnfitError) Unwrap() error { return e.Err }

// A LostError says that a device failed.
type LostError struct {
	Device string // UUID of the GPU; empty is all of them
	XID    uint64 // NVIDIA's number of the failure; 0 where it has none
	Why    string // what happened and what to do
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s failed: %s", cmp.Or(e.Device, "every GPU"), e.Why)
}

// A Config is what a Pool is made with.
type Config struct {
	// Encode opens a session of the video encoder on the device and says why it can't; see NVENC. It is asked once for each
	// device, when a need first names an encoder or somebody wants the passport. nil: no device is taken to have one.
	Encode func(ctx context.Context, d Device) error
	// Visible are the only devices that are leased where Restricted is set, as CUDA_VISIBLE_DEVICES of the worker names them:
	// by UUID, by how it begins, or by index in the order of NVML.
	Visible    []string
	Restricted bool
	open       func() (*driver, error) // nil is openDriver
}

// A driver is how a Pool speaks to the one of this machine. Every call may hang.
type driver struct {
	look   func() (Machine, error) // everything; Unfit is set of what could not be read
	listen func() (*events, error) // from then on, failures are told
	close  func()
}

// A Pool leases the GPUs of this machine to tasks. It is safe for concurrent use. Nothing is loaded before the first call
// that needs a driver, so a worker whose jobs need no GPU never has one.
type Pool struct {
	cfg  Config
	turn chan struct{} // holds a value while the driver is asked, so that calls which hang don't pile up
	wg   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	closed   bool
	drv      *driver // nil until it was needed
	stop     context.CancelFunc
	watched  bool             // there was an attempt to
	blind    string           // why failures are not told while a task runs
	failures []failure        // of devices that are out of service for good
	encoders map[string]error // by UUID: what Encode said
	leases   map[*Lease]bool
	waiting  []*waiter // in the order they came
}

// NewPool returns a pool of this machine's GPUs. It touches nothing yet. A process has one at a time: two would not know of
// each other's leases, and the binding to NVML is one for the process.
func NewPool(c Config) *Pool {
	if c.open == nil {
		c.open = openDriver
	}
	return &Pool{
		cfg: c, turn: make(chan struct{}, 1), stop: func() {}, encoders: map[string]error{}, leases: map[*Lease]bool{},
	}
}

// Close ends the watch and lets go of the driver. No lease may be held or waited for. A call that hangs in the driver is
// left behind after a while: nobody can end it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.stop()
	drv := p.drv
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(done)
	}()
	limit := time.NewTimer(5 * time.Second)
	defer limit.Stop()
	select {
	case <-done:
		if drv != nil {
			drv.close()
		}
	case <-limit.C:
	}
}

// Passport says what this machine has, with encoders proven. The error wraps ErrNoDriver where it has no GPU, and is a
// sentence with a remedy.
func (p *Pool) Passport(ctx context.Context) (Machine, error) {
	m, err := p.ask(ctx, p.lookAndListen)
	if err != nil {
		return Machine{}, err
	}
	if err := p.prove(ctx, &m, Need{Use: Required, Encoder: true}); err != nil {
		return Machine{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark(&m)
	return m, nil
}

// Fits returns why this machine could not give what n asks for, however long somebody waited for tasks of this pool to end:
// a *UnfitError, or the cause of ctx. It is nil where n wants no GPU.
func (p *Pool) Fits(ctx context.Context, n Need) error {
	if !n.Wanted() {
		return nil
	}
	m, err := p.examine(ctx, n, p.look)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark(&m)
	return m.fits(n)
}

// Failures are the devices that failed since the pool was made. It asks no driver.
func (p *Pool) Failures() []*LostError {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*LostError
	for _, f := range p.failures {
		all = append(all, f.err)
	}
	return all
}

// examine asks the driver, and for encoders where n needs one. Whatever keeps it from an answer is a *UnfitError, but for
// the cause of ctx.
func (p *Pool) examine(ctx context.Context, n Need, question func(*driver) (Machine, error)) (Machine, error) {
	m, err := p.ask(ctx, question)
	if err == nil && n.Encoder {
		err = p.prove(ctx, &m, n)
	}
	if err == nil {
		return m, nil
	}
	if ctx.Err() != nil {
		return Machine{}, context.Cause(ctx)
	}
	return Machine{}, &UnfitError{n, err.Error(), err}
}

// ask puts a question to the driver, which is loaded where it was not yet.
func (p *Pool) ask(ctx context.Context, question func(*driver) (Machine, error)) (Machine, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errHangs)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return Machine{}, context.Cause(ctx)
	}
	type answer struct {
		m   Machine
		err error
	}
	answered := make(chan answer, 1)
	if !p.start(func() {
		defer func() { <-p.turn }()
		drv, err := p.load()
		if err != nil {
			answered <- answer{err: err}
			return
		}
		m, err := question(drv)
		answered <- answer{m, err}
	}) {
		<-p.turn
		return Machine{}, errClosed
	}
	select {
	case a := <-answered:
		return a.m, a.err
	case <-ctx.Done():
		return Machine{}, context.Cause(ctx)
	}
}

// start runs f in a goroutine that Close waits for; false where the pool is closed.
func (p *Pool) start(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Go(f)
	return true
}

// load returns the driver. What keeps it from being loaded may pass, so it is tried again each time. Only who has the turn
// calls it.
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

func (p *Pool) look(drv *driver) (Machine, error) {
	m, err := drv.look()
	m.judge()
	return m, err
}

// mark adds to what the driver says what the pool knows. The caller holds mu.
func (p *Pool) mark(m *Machine) {
	m.Unwatched = p.blind
	for i := range m.Devices {
		r := &m.Devices[i]
		if p.cfg.Restricted && !slices.ContainsFunc(p.cfg.Visible, r.named) {
			r.Unfit = "the worker's CUDA_VISIBLE_DEVICES does not name it"
		}
		for l := range p.leases {
			r.Leased = r.Leased || slices.ContainsFunc(l.reports, func(o Report) bool { return o.UUID == r.UUID })
		}
		for _, f := range p.failures {
			if f.event.hits(r) {
				r.Unfit = f.err.Why
			}
		}
		if err, asked := p.encoders[r.UUID]; asked {
			r.Encoder = err == nil
			if err != nil {
				r.NoEncoder = err.Error()
			}
		}
	}
}

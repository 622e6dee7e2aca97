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

	// ErrPasses is the cause where what keeps the devices from service may end without anybody's doing to this process: heat, a
	// setting of the node, a driver that does not answer.
	ErrPasses = errors.New("it may pass")

	// ErrBusy is how LeaseWithin ends where others have the devices.
	ErrBusy = errors.New("every GPU that would do is in use")

	errHangs  = &because{"the NVIDIA driver does not answer, as it does where a GPU is broken: restart the machine", ErrPasses}
	errClosed = errors.New("the pool of GPUs is closed")
)

// because is an error whose text says all, and whose cause is for programs.
type because struct {
	text  string
	cause error
}

func (b *because) Error() string { return b.text }
func (b *because) Unwrap() error { return b.cause }

// patience is how long a driver may take to answer. One that takes longer hangs in the kernel.
const patience = 30 * time.Second

// An UnfitError says why this machine can't give a task what it needs.
type UnfitError struct {
	Need Need
	Why  string
	Err  error // ErrNoDriver, ErrNoDevice or ErrPasses is below it where that is why; nil where the GPUs are
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
	// Encode opens a session of the video encoder on the device and says why it can't; see NVENC. It is asked when a need
	// first names an encoder or somebody wants the passport, one at a time for a device, and none that a task has. An error
	// that wraps ErrNoEncoder is for good, as a session is; any other is for a minute. nil: no device is taken to have one.
	Encode func(ctx context.Context, d Device) error
	// Visible are the only devices that are leased where Restricted is set, as CUDA_VISIBLE_DEVICES of the worker names them:
	// by UUID, by how it begins, or by index in the order of NVML.
	Visible    []string
	Restricted bool
	// Failed, when set, hears once of each failure that takes devices out of service, whether a task has them or not, and
	// Blind why failures of some devices are not told; the driver is then asked for them again and again. Neither may block.
	Failed func(*LostError)
	Blind  func(why string)
	open   func() (*driver, error) // nil is openDriver
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
	life context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	closed   bool
	drv      *driver           // nil until it was needed
	asking   bool              // somebody asks the driver
	hung     bool              // he has waited for longer than patience
	next     *look             // what the driver is asked next; nil where nobody waits for that
	last     []Report          // of the last look that was answered
	unfit    string            // the Machine's, likewise
	watched  bool              // there was an attempt to
	hears    bool              // the driver tells of some devices' failures, at least
	blind    string            // why failures are not told while a task runs
	blinds   []string          // all that blind ever was
	failures []failure         // of devices that are out of service for good
	trials   map[string]*trial // of encoders, by UUID
	leases   map[*Lease]bool
	waiting  []*waiter // in the order they came
}

// NewPool returns a pool of this machine's GPUs. It touches nothing yet. A process has one at a time: two would not know of
// each other's leases, and the binding to NVML is one for the process.
func NewPool(c Config) *Pool {
	if c.open == nil {
		c.open = openDriver
	}
	life, stop := context.WithCancel(context.Background())
	return &Pool{cfg: c, life: life, stop: stop, trials: map[string]*trial{}, leases: map[*Lease]bool{}}
}

// Close ends the watch and all trials, and lets go of the driver. No lease may be held or waited for. A call that hangs in the driver is
// left behind after a while: nobody can end it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	drv := p.drv
	p.mu.Unlock()
	p.stop()
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
	m, err := p.ask(ctx)
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
	m, err := p.examine(ctx, n)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark(&m)
	return m.fits(n)
}

// Seen is what the last look that was answered found, with what the pool knows of it. It asks no driver, and is empty before
// the first.
func (p *Pool) Seen() Machine {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := Machine{Devices: slices.Clone(p.last), Unfit: p.unfit}
	p.mark(&m)
	return m
}

// Lost is how many devices failures have taken out of service, those included that the driver does not list any more. It
// asks no driver.
func (p *Pool) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	lost := map[string]bool{}
	for _, f := range p.failures {
		there := false
		for _, r := range p.last {
			if f.event.hits(&r) {
				there = true
				lost[r.UUID] = true
			}
		}
		if !there {
			lost[f.event.gpu] = true
		}
	}
	return len(lost)
}

// Failures are what took devices out of service since the pool was made. It asks no driver.
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
func (p *Pool) examine(ctx context.Context, n Need) (Machine, error) {
	m, err := p.ask(ctx)
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

// mark adds to what the driver says what the pool knows. The caller holds mu.
func (p *Pool) mark(m *Machine) {
	m.Unwatched = p.blind
	for i := range m.Devices {
		r := &m.Devices[i]
		if p.cfg.Restricted && !slices.ContainsFunc(p.cfg.Visible, r.named) {
			r.Unfit, r.passes = "the worker's CUDA_VISIBLE_DEVICES does not name it", false
		}
		t := p.trials[r.UUID]
		r.Leased = t != nil && !t.over
		for l := range p.leases {
			r.Leased = r.Leased || slices.ContainsFunc(l.reports, func(o Report) bool { return o.UUID == r.UUID })
		}
		for _, f := range p.failures {
			if f.event.hits(r) {
				r.Unfit, r.passes = f.err.Why, false
			}
		}
		r.Encoder, r.NoEncoder, r.untried = false, "", !t.known()
		switch {
		case r.untried:
		case t.err == nil:
			r.Encoder = true
		default:
			r.NoEncoder = t.err.Error()
		}
	}
}

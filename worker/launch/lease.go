package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/engine"
)

// lease gets the task its GPUs.
func (s *Share) lease(ctx context.Context, n engine.Need) (engine.Grant, error) {
	none := engine.Grant{Release: func() {}}
	switch {
	case !n.GPU.Wanted():
		return none, nil
	case s.machine.GPUs == nil && n.GPU.Use == gpu.Required:
		return none, engine.NoGPU(n, noGPUs)
	case s.machine.GPUs == nil:
		none.Why = noGPUs
		return none, nil
	}
	if n.GPU.Use == gpu.Preferred {
		return s.prefer(ctx, n)
	}
	wait := cmp.Or(s.machine.Patience, requiredWait)
	ctx, cancel := s.patient(ctx, n.GPU, wait)
	defer cancel()
	defer s.machine.want(s, n.GPU)()
	g, err := s.get(ctx, n.GPU, 0)
	if errors.Is(err, gpu.ErrBusy) {
		return none, &engine.Stop{Reason: engine.Unfit, Busy: true, Message: fmt.Sprintf(
			"task %q needs %s: %v, and was so for %s; the job goes back to its queue", n.Task, n.GPU, err, wait)}
	}
	return g, s.unfit(n, err)
}

// prefer gets the task its GPUs, or says why it does without.
func (s *Share) prefer(ctx context.Context, n engine.Need) (engine.Grant, error) {
	g, err := s.get(ctx, n.GPU, preferredWait)
	unfit, ok := errors.AsType[*gpu.UnfitError](err)
	switch {
	case ok:
		return engine.Grant{Why: unfit.Why, Release: func() {}}, nil
	case errors.Is(err, gpu.ErrBusy):
		return engine.Grant{Why: err.Error(), Release: func() {}}, nil
	}
	return g, err
}

// get leases GPUs, and waits for the job's other tasks and then for other jobs no longer than that; 0 is no limit.
func (s *Share) get(ctx context.Context, n gpu.Need, wait time.Duration) (engine.Grant, error) {
	waiting := ctx
	if wait > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeoutCause(ctx, wait, gpu.ErrBusy)
		defer cancel()
	}
	end, err := s.turn(waiting)
	if err != nil {
		return engine.Grant{}, err
	}
	defer end()
	l, err := s.machine.GPUs.LeaseWithin(ctx, n, wait, s.lose)
	if err != nil {
		return engine.Grant{}, err
	}
	s.mu.Lock()
	s.leases[l] = true
	s.mu.Unlock()
	return engine.Grant{Devices: l.Devices, Release: func() {
		s.mu.Lock()
		delete(s.leases, l)
		s.freed = time.Now()
		s.mu.Unlock()
		l.Release()
	}}, nil
}

// patient is ctx for a task that needs GPUs. It ends by gpu.ErrBusy when others have had all that would do for as long as wait:
// what the job has itself comes back as its tasks end.
func (s *Share) patient(ctx context.Context, n gpu.Need, wait time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		since := time.Now()
		for left := wait; left > 0; left = wait - time.Since(since) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(left):
			}
			if own := s.had(n); own.After(since) {
				since = own
			}
		}
		end(gpu.ErrBusy)
	}()
	return ctx, func() { end(nil) }
}

// had is now where the job has a GPU that would do, else when it gave one back last.
func (s *Share) had(n gpu.Need) time.Time {
	if s.serves(n) {
		return time.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freed
}

// serves says whether the job has a GPU that would do for another of its tasks.
func (s *Share) serves(n gpu.Need) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.leases {
		if l.Serves(n) {
			return true
		}
	}
	return false
}

// A want is a task that waits for GPUs.
type want struct {
	share *Share
	need  gpu.Need
	since time.Time
}

// want has a task that waits for GPUs be known of until end.
func (m *Machine) want(s *Share, n gpu.Need) (end func()) {
	w := &want{s, n, time.Now()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wants == nil {
		m.wants = map[*want]bool{}
	}
	m.wants[w] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.wants, w)
	}
}

// taken says whether a task has waited a while for GPUs that other jobs have.
func (m *Machine) taken() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.wants {
		if time.Since(w.since) >= queued && !w.share.serves(w.need) {
			return true
		}
	}
	return false
}

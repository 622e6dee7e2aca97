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

var errBusy = errors.New("every GPU that would do is in use")

// lease gets the task its GPUs.
func (s *Share) lease(ctx context.Context, n engine.Need) (engine.Grant, error) {
	none := engine.Grant{Release: func() {}}
	switch {
	case !n.GPU.Wanted():
		return none, nil
	case s.machine.GPUs == nil && n.GPU.Use == gpu.Required:
		return none, s.refuse(engine.NoGPU(n, noGPUs))
	case s.machine.GPUs == nil:
		none.Why = noGPUs
		return none, nil
	}
	wait := preferredWait
	if n.GPU.Use == gpu.Required {
		wait = cmp.Or(s.machine.Patience, requiredWait)
		defer s.machine.wait()()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errBusy)
	defer cancel()
	end, err := s.turn(ctx)
	var l *gpu.Lease
	if err == nil {
		defer end()
		l, err = s.machine.GPUs.Lease(ctx, n.GPU, s.lose)
	}
	if err == nil {
		return engine.Grant{Devices: l.Devices, Release: l.Release}, nil
	}
	unfit, ok := errors.AsType[*gpu.UnfitError](err)
	switch {
	case n.GPU.Use == gpu.Preferred && ok:
		none.Why = unfit.Why
		return none, nil
	case n.GPU.Use == gpu.Preferred && errors.Is(err, errBusy):
		none.Why = err.Error()
		return none, nil
	case errors.Is(err, errBusy):
		return none, s.refuse(&engine.Stop{Reason: engine.Unfit, Message: fmt.Sprintf(
			"task %q needs %s: %v, and was so for %s; the job goes back to its queue", n.Task, n.GPU, err, wait)})
	}
	return none, s.unfit(n, err)
}

// wait has a task that waits for GPUs be known to, once it has for a while, until end.
func (m *Machine) wait() (end func()) {
	t := time.AfterFunc(queued, func() { m.waiting.Add(1) })
	return func() {
		if !t.Stop() {
			m.waiting.Add(-1)
		}
	}
}

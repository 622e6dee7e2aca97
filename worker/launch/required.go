package launch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
)

// misfit is why the worker can't run a pipeline that requires some labels. What its job requires of the same names goes before,
// and was looked at already.
func (s *Share) misfit(ctx context.Context, requires map[string]string) error {
	if s.machine.Labels == nil || len(requires) == 0 {
		return nil
	}
	left := maps.Clone(requires)
	if s.req.Job != nil {
		maps.DeleteFunc(left, func(name, _ string) bool { return s.req.Job.Requires[name] != "" })
	}
	if why := job.Misfit(left, s.machine.Labels); why != "" {
		return &engine.Stop{Reason: engine.Unfit, Class: strings.ToLower(left[job.ClassLabel]), Message: why}
	}
	return s.number(ctx, left)
}

// FitNumber is a *engine.Stop with reason Unfit where the job of req requires more GPUs than the machine has. It is nil where the
// worker's labels answer, which were looked at already.
func (m *Machine) FitNumber(ctx context.Context, req *Request) error {
	if req.Job == nil || job.GPUs(req.Job.Requires, m.Labels) == 0 {
		return nil
	}
	_, s := m.Share(ctx, req, Dir{})
	defer s.Close()
	return s.number(ctx, req.Job.Requires)
}

// number looks for as many GPUs as are required by number alone.
func (s *Share) number(ctx context.Context, requires map[string]string) error {
	want := job.GPUs(requires, s.machine.Labels)
	if want == 0 {
		return nil
	}
	unfit := func(why string) error {
		return &engine.Stop{Reason: engine.Unfit, Class: engine.GPUClass, Message: fmt.Sprintf("the job requires %s=%d: %s", job.GPUsLabel, want, why)}
	}
	if s.machine.GPUs == nil {
		return unfit(noGPUs)
	}
	end, err := s.turn(ctx)
	if err != nil {
		return err
	}
	defer end()
	err = s.machine.GPUs.Fits(ctx, gpu.Need{Use: gpu.Required, Count: want})
	if e, ok := errors.AsType[*gpu.UnfitError](err); ok {
		return unfit(e.Why)
	}
	return err
}

package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines"
)

// GPUClass is the class of the workers that jobs are for which need a GPU.
const GPUClass = "gpu"

// HeavyClass is that of workers with all external programs.
const HeavyClass = "heavy"

// onCPU is the device of a task that would rather have had a GPU.
const onCPU = "cpu"

// NoGPU is the Stop of a task that can't have the GPUs it needs here.
func NoGPU(n Need, why string) *Stop {
	return &Stop{Reason: Unfit, Class: GPUClass, Message: fmt.Sprintf(
		"task %q needs %s: %s; or let it run on the CPU by gpu: preferred (millrace run --gpu=preferred)", n.Task, n.GPU, why)}
}

// need is what a task takes of the machine, as far as it is known before it runs. m is nil where there is no such module.
func (r *runner) need(t *pipelines.Task, label string, m modules.Module) Need {
	return needOf(t, label, m, r.in.GPU)
}

// needOf is need; use is how much who runs the pipeline wants GPUs, empty leaves it to the task.
func needOf(t *pipelines.Task, label string, m modules.Module, use gpu.Use) Need {
	n := Need{Task: label}
	if m != nil {
		spec := m.Spec()
		n.GPU = spec.GPU
		for _, t := range spec.Tools {
			n.Tools = append(n.Tools, t.Name)
		}
	}
	if t.GPU != nil {
		n.GPU = over(*t.GPU, n.GPU)
	}
	if n.GPU.Wanted() && use != "" {
		n.GPU.Use = use
	}
	if !n.GPU.Wanted() {
		n.GPU = gpu.Need{}
	}
	return n
}

// over is what the document says of a task, and where it says nothing what the module says.
func over(task, module gpu.Need) gpu.Need {
	task.Memory = cmp.Or(task.Memory, module.Memory)
	task.Capability = cmp.Or(task.Capability, module.Capability)
	task.Encoder = task.Encoder || module.Encoder
	return task
}

// Needs are what a machine must have to bring the pipeline to a good end, as far as its document says: of each kind the first.
// One that can't end well on any has none.
func Needs(mods *modules.Registry, p *pipelines.Pipeline) []Need {
	if absent(mods, p) >= 0 {
		return nil
	}
	var all []Need
	if len(p.Requires) > 0 {
		all = append(all, Need{Requires: p.Requires})
	}
	for _, n := range musts(mods, p, "") {
		all = append(all, n.Need)
	}
	return all
}

// absent is the first task that must succeed and whose module is not there; -1 is none.
func absent(mods *modules.Registry, p *pipelines.Pipeline) int {
	return slices.IndexFunc(p.Tasks, func(t pipelines.Task) bool {
		_, ok := mods.Lookup(t.Module)
		return !ok && mustSucceed(&t)
	})
}

// mustSucceed is not true of a task that may fail, and of one that may be skipped: those are let try when their turn comes.
func mustSucceed(t *pipelines.Task) bool {
	when := strings.TrimSpace(t.When)
	return !t.Soft && (when == "" || when == "true")
}

// A must is what a task can't do without.
type must struct {
	Need
	task *pipelines.Task
}

// musts are those of a pipeline.
func musts(mods *modules.Registry, p *pipelines.Pipeline, use gpu.Use) []must {
	var all []must
	known := map[string]bool{}
	for i := range p.Tasks {
		t := &p.Tasks[i]
		if !mustSucceed(t) {
			continue
		}
		m, _ := mods.Lookup(t.Module)
		n := needOf(t, labelOf(i, t), m, use)
		key := fmt.Sprint(n.GPU.Use, n.GPU, n.Tools)
		if (n.GPU.Use != gpu.Required && n.Tools == nil) || known[key] {
			continue
		}
		known[key] = true
		all = append(all, must{n, t})
	}
	return all
}

// vain says whether who runs the pipeline insists on a GPU that none of its tasks has a use for.
func (r *runner) vain() bool {
	return r.in.GPU == gpu.Required && !slices.ContainsFunc(r.in.Pipeline.Tasks, func(t pipelines.Task) bool {
		m, _ := r.cfg.Modules.Lookup(t.Module)
		return r.need(&t, "", m).GPU.Wanted()
	})
}

// fit returns why the pipeline can't come to a good end, here or anywhere, or nil.
func (r *runner) fit(ctx context.Context) *Failure {
	if i := absent(r.cfg.Modules, r.in.Pipeline); i >= 0 {
		t := &r.in.Pipeline.Tasks[i]
		err := fmt.Errorf("task %q: %w", labelOf(i, t), unknown(t.Module, r.cfg.Modules, r.cfg.Planned))
		return r.refusal(Fail(ctx, labelOf(i, t), fault.As(fault.Permanent, err)), t, "module")
	}
	if labels := r.in.Pipeline.Requires; len(labels) > 0 {
		if err := r.in.Host.Fit(ctx, Need{Requires: labels}); err != nil {
			return Fail(ctx, "", err)
		}
	}
	for _, n := range musts(r.cfg.Modules, r.in.Pipeline, r.in.GPU) {
		if err := r.in.Host.Fit(ctx, n.Need); err != nil {
			f, key := Fail(ctx, n.Task, err), "module"
			if ctx.Err() != nil { // stopped, it was refused nothing
				f.Message = sentence(r.in.Redact.String(f.Message))
				return f
			}
			if f.Class == GPUClass {
				key = "gpu"
			}
			return r.refusal(f, n.task, key)
		}
	}
	return nil
}

// refusal is f with the place of what it is about.
func (r *runner) refusal(f *Failure, t *pipelines.Task, key string) *Failure {
	f.Place = placeOf(t, key).String()
	f.Message = sentence(r.in.Redact.String(f.Place + ": " + f.Message))
	return f
}

// A held grant is what one try of a task has of its machine.
type held struct {
	Grant
	release func() // counts what the GPUs cost
}

// reserve gets the task what it needs of its machine. What can't be had ends the run, which another machine may do better,
// but for a task that may fail: that has failed then.
func (s *taskScope) reserve(ctx context.Context, m modules.Module) (*held, error) {
	n := s.need(s.task, s.label(), m)
	h := &held{release: func() {}}
	if !n.GPU.Wanted() { // its tools are there: fit has asked
		return h, nil
	}
	var err error
	if h.Grant, err = s.in.Host.Reserve(ctx, n); err != nil {
		return nil, s.denied(fault.Permanent, err)
	}
	since := time.Now()
	h.release = sync.OnceFunc(func() {
		h.Release()
		s.paid(time.Since(since) * time.Duration(len(h.Devices)))
	})
	s.runsOn(ctx, h.Grant)
	return h, nil
}

// denied is what a machine says that can't give the task what it needs: the run is another machine's, or has this one to
// itself, but a task that may fail and can only have another machine has failed, and k says whether another try helps.
func (s *taskScope) denied(k fault.Kind, err error) error {
	if stop, ok := errors.AsType[*Stop](err); ok && s.task.Soft && stop.Reason == Unfit && !stop.Alone {
		return fault.As(k, errors.New(stop.Message))
	}
	return err
}

// lacking is err, or where a tool of the task is gone, as its machine confirms, what that says: another machine may have it.
func (s *taskScope) lacking(ctx context.Context, m modules.Module, err error) error {
	if _, ok := errors.AsType[*tool.MissingError](err); !ok || s.task.Soft {
		return err
	}
	return cmp.Or(s.in.Host.Fit(ctx, s.need(s.task, s.label(), m)), err)
}

// runsOn notes what the task runs on, and says so where that is less than it would like.
func (s *taskScope) runsOn(ctx context.Context, g Grant) {
	name := deviceName(g.Devices)
	s.mu.Lock()
	told := s.run.Device == name
	s.run.Device = name
	s.mu.Unlock()
	if name == onCPU && !told {
		s.warn(ctx, s.index, fmt.Sprintf("task %q runs on the CPU: %s", s.label(), cmp.Or(g.Why, "no GPU is to be had here")))
	}
}

// onDevice adds to an output what the task ran on, where that was a choice and the module does not say it itself.
func (s *taskScope) onDevice(out map[string]any) map[string]any {
	if out != nil && s.run.Device != "" && out["device"] == nil {
		out["device"] = s.run.Device
	}
	return out
}

// paid adds to the time that the task has had GPUs.
func (s *taskScope) paid(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.GPUSeconds += d.Round(time.Millisecond).Seconds()
}

// deviceName is what people call what a task runs on: "cpu", "NVIDIA L4", "2 × NVIDIA L4".
func deviceName(all []gpu.Device) string {
	if len(all) == 0 {
		return onCPU
	}
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	counts := map[string]int{}
	for _, name := range names {
		counts[name]++
	}
	var parts []string
	for _, name := range slices.Compact(names) {
		if counts[name] > 1 {
			name = fmt.Sprintf("%d × %s", counts[name], name)
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

// lossWait is how long the word of a GPU's failure may take to get here after the program that used it has failed.
const lossWait = time.Second

// awaitLoss waits for the end of the run where a task has failed on a GPU: when that is what failed, it is not the task.
func awaitLoss(ctx context.Context, g Grant) {
	if len(g.Devices) == 0 {
		return
	}
	t := time.NewTimer(lossWait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

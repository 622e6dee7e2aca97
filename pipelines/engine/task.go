package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
)

// task runs one task to its end. It returns why the run must stop, or nil: the task succeeded, was skipped, or
// failed softly.
func (r *runner) task(ctx context.Context, i int) *Failure {
	t := &r.in.Pipeline.Tasks[i]
	run := TaskRun{Index: i, Name: t.Name, Module: t.Module, Soft: t.Soft, Status: Running, Started: time.Now().UTC()}
	if ctx.Err() != nil {
		return Fail(ctx, taskLabel(i, t.Name), context.Cause(ctx))
	}
	s := &taskScope{runner: r, task: t, index: i, changed: map[string]any{}}
	when, err := r.in.State.Cond(ctx, t.When)
	if err == nil && !when {
		run.Status, run.Ended = Skipped, run.Started
		r.run.Tasks = append(r.run.Tasks, run)
		s.trace(ctx, "SKIPPED")
		r.tell(ctx, i, run)
		return nil
	}
	s.trace(ctx, "START")
	r.run.Tasks = append(r.run.Tasks, run)
	s.run = &r.run.Tasks[len(r.run.Tasks)-1]
	r.emit(ctx, Event{Kind: TaskStarted, Task: i, Name: t.Name, Module: t.Module})
	r.fire(ctx, t.Callbacks, pipelines.OnStart, r.scope(s.vars()))

	if err != nil {
		s.end(ctx, nil, fault.As(fault.Permanent, fmt.Errorf("%s: when: %w", t.Positions["when"], err)))
	} else {
		var drain func()
		s.later, drain = r.calls.lines(ctx)
		out, err := s.tries(ctx)
		drain() // what it printed is told before how it ended
		s.end(ctx, out, err)
	}
	if f := s.run.Failure; f != nil && (!t.Soft || f.stops()) {
		return f
	}
	return nil
}

// end notes how the task ended, and tells it.
func (s *taskScope) end(ctx context.Context, out map[string]any, err error) {
	s.run.Ended = time.Now().UTC()
	if err != nil {
		s.failed(ctx, err)
	} else {
		s.succeeded(ctx, out)
	}
	if f := s.run.Failure; f == nil || !f.Reason.Interruption() {
		s.fire(ctx, s.task.Callbacks, pipelines.OnEnd, s.scope(s.vars()))
	}
	s.trace(ctx, "DONE")
	s.run.Set = s.shown(s.changed)
	s.tell(ctx, s.index, *s.run)
}

// trace writes "Task #2 render: START" into the log: lines that people grep for, of a form that is promised, which is
// why their values stand in the message.
func (s *taskScope) trace(ctx context.Context, what string, args ...any) {
	id := fmt.Sprintf("#%d", s.index)
	if s.task.Name != "" {
		id += " " + s.task.Name
	}
	log := s.in.Call.Log.With("task", taskLabel(s.index, s.task.Name), "module", s.task.Module)
	log.DebugContext(ctx, "Task "+id+": "+what, args...)
}

func (s *taskScope) succeeded(ctx context.Context, out map[string]any) {
	s.run.Status = Succeeded
	s.run.Output = s.shown(out)
	if key := s.task.Register; key != "" {
		s.in.State.Set(key, out)
		s.runner.run.Result[key] = s.run.Output
	}
	s.trace(ctx, "SUCCESS")
	s.fire(ctx, s.task.Callbacks, pipelines.OnSuccess, s.scope(s.vars()))
}

// failed notes a failure and tells the task's onError.
func (s *taskScope) failed(ctx context.Context, err error) {
	f := Fail(ctx, taskLabel(s.index, s.task.Name), err)
	f.Message = sentence(s.in.Redact.String(f.Message)) // in this order: half a secret would not be known
	if t, ok := errors.AsType[*taskTimeout](err); ok {
		f.Reason, f.Kind = Timeout, fault.Unknown
		f.Message = t.Error()
	}
	f.Place = s.task.Pos.String()
	s.run.Status, s.run.Failure = Failed, f
	if f.Reason.Interruption() || f.Reason == Cancel {
		s.run.Status = Canceled
	}
	s.trace(ctx, "ERROR", "err", f.Message)
	if f.Reason.Interruption() {
		return
	}
	if s.task.Soft && !f.stops() {
		s.warn(ctx, s.index, fmt.Sprintf("task %q failed and was let pass (throw: false): %s", f.Task, f.Message))
	}
	vars := s.scope(s.vars())
	vars["error_message"] = f.Message
	s.fire(ctx, s.task.Callbacks, pipelines.OnError, vars)
}

// stops says that f ends the run even where the task is soft: it is not the task that failed.
func (f *Failure) stops() bool {
	return f.Reason.Interruption() || f.Reason == Cancel || f.Reason == Deadline
}

func (r *runner) tell(ctx context.Context, i int, run TaskRun) {
	r.emit(ctx, Event{Kind: TaskEnded, Task: i, Name: run.Name, Module: run.Module, TaskRun: &run})
}

// A taskScope is one task under way: what its module sees of the state, and its tries.
type taskScope struct {
	*runner
	task    *pipelines.Task
	index   int
	run     *TaskRun
	changed map[string]any // by the module, through Set
	// later queues the callbacks of a printed line; set while the module may run.
	later func(call func(context.Context))
}

func (s *taskScope) vars() map[string]any {
	return map[string]any{
		"current_task": taskLabel(s.index, s.task.Name),
		"task": map[string]any{
			"name": s.task.Name, "module": s.task.Module, "index": s.index, "status": string(s.run.Status), "tries": s.run.Tries,
			"output": s.run.Output,
		},
	}
}

// Get makes a taskScope the modules.State of its module.
func (s *taskScope) Get(path string) (any, bool) {
	if path == "task" {
		return s.vars()["task"], true
	}
	return s.in.State.Get(path)
}

// Set stores a value in the state and remembers it, so that the worker knows the state too.
func (s *taskScope) Set(name string, v any) {
	s.changed[name] = v
	s.in.State.Set(name, v)
}

// tries runs the module until it succeeds, can't, or its tries are used up.
func (s *taskScope) tries(ctx context.Context) (map[string]any, error) {
	retry, sleep := s.in.Pipeline.Settings.Retry, s.in.Pipeline.Settings.RetrySleep
	if s.task.Retry != nil {
		retry = *s.task.Retry
	}
	if s.task.RetrySleep != nil {
		sleep = *s.task.RetrySleep
	}
	for {
		s.run.Tries++
		out, err := s.try(ctx)
		if err == nil || s.run.Tries > retry || !worthRetrying(ctx, err) {
			return out, err
		}
		why := err
		if t, ok := errors.AsType[*taskTimeout](err); ok {
			why = t // the module says it a second time
		}
		s.emit(ctx, Event{Kind: TaskRetry, Task: s.index, Name: s.task.Name, Module: s.task.Module, Try: s.run.Tries, Error: why.Error()})
		select {
		case <-time.After(max(sleep, fault.Delay(err))):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// worthRetrying says whether the same task may do better next time. A pipeline's author who asked for retries
// knows more than we do about an unclassified failure; what the props say won't change.
func worthRetrying(ctx context.Context, err error) bool {
	return ctx.Err() == nil && fault.Of(err) != fault.Permanent
}

// try renders the props and runs the module once.
func (s *taskScope) try(ctx context.Context) (map[string]any, error) {
	m, ok := s.cfg.Modules.Lookup(s.task.Module)
	if !ok {
		return nil, s.unknownModule(s.cfg.Modules)
	}
	timeout := s.task.Timeout
	if timeout == 0 {
		timeout = s.in.Pipeline.Settings.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, &taskTimeout{timeout})
		defer cancel()
	}
	props, missing, err := s.in.State.Props(ctx, s.task.Props)
	if err != nil {
		return nil, fault.As(fault.Permanent, fmt.Errorf("%s: %w", s.task.Pos, err))
	}
	c := s.in.Call
	c.Log = c.Log.With("task", taskLabel(s.index, s.task.Name), "module", s.task.Module)
	c.State = s
	stdout, stderr := s.stream(ctx, TaskStdout), s.stream(ctx, TaskStderr)
	c.Stdout, c.Stderr = stdout, stderr
	out, err := guard(ctx, m, &c, props)
	if cerr := errors.Join(stdout.Close(), stderr.Close()); err == nil {
		err = cerr
	}
	if p, ok := errors.AsType[*modules.PropError](err); ok {
		return nil, fault.As(fault.Permanent, s.explain(p, missing))
	}
	if err != nil && ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	return out, err
}

// guard runs a module under the one recover of the product: a panic is the module's failure, with its stack.
func guard(ctx context.Context, m modules.Module, c *modules.Call, props map[string]any) (out map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Log.ErrorContext(ctx, "module panicked", "err", p, "stack", string(debug.Stack()))
			err = fault.As(fault.Permanent, fmt.Errorf("module %s panicked: %v (a bug in the module; the stack is in the log)", m.Spec().Name, p))
		}
	}()
	return m.Run(ctx, c, props)
}

// explain adds place and cause to what a module says of its props.
func (s *taskScope) explain(p *modules.PropError, missing map[string]string) error {
	lines := make([]string, len(p.Problems))
	for i, pr := range p.Problems {
		pos, ok := s.task.Positions["props."+pr.Path]
		if !ok {
			pos = s.task.Pos
		}
		lines[i] = fmt.Sprintf("%s: task %q: %s", pos, taskLabel(s.index, s.task.Name), pr.Msg)
		if v := missing[pr.Path]; v != "" {
			lines[i] += fmt.Sprintf(" (variable %q is not defined)", v)
		}
	}
	return errors.New(strings.Join(lines, "; "))
}

func (s *taskScope) unknownModule(reg *modules.Registry) error {
	pos := s.task.Pos
	if p, ok := s.task.Positions["module"]; ok {
		pos = p
	}
	return fault.As(fault.Permanent, fmt.Errorf("%s: task %q: %w", pos, taskLabel(s.index, s.task.Name), unknown(s.task.Module, reg, s.cfg.Planned)))
}

// unknown says what is wrong with a module's name, and what to do about it.
func unknown(name string, reg *modules.Registry, planned func(string) bool) error {
	if planned != nil && planned(name) {
		return fmt.Errorf("module %q is known, but this version does not have it yet (`millrace modules` lists those it has)", name)
	}
	if s := reg.Suggest(name); s != "" {
		return fmt.Errorf("module %q is unknown, did you mean %q?", name, s)
	}
	return fmt.Errorf("module %q is unknown (`millrace modules` lists them)", name)
}

type taskTimeout struct{ after time.Duration }

func (t *taskTimeout) Error() string {
	return fmt.Sprintf("the task ran past its timeout of %s", t.after)
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
)

// maxName is how many bytes of a name that a template made are shown.
const maxName = 200

// begin starts a task up to where it may take time. It returns nil where there is nothing to do: `when` was false, or
// the run was stopped.
func (r *runner) begin(ctx context.Context, i int) *taskScope {
	t := &r.in.Pipeline.Tasks[i]
	if ctx.Err() != nil {
		r.hold(Fail(ctx, labelOf(i, t), context.Cause(ctx)))
		return nil
	}
	s := &taskScope{runner: r, task: t, index: i, state: r.in.State, changed: map[string]any{}, counts: map[pipelines.Event]int{}}
	if len(t.Vars) > 0 {
		s.state = s.state.With(t.Vars)
	}
	s.run = &TaskRun{Index: i, Name: s.name(ctx), Module: t.Module, Soft: t.Soft, Status: Running, Started: time.Now().UTC()}
	var when bool
	if when, s.wrong = s.state.Cond(ctx, t.When); !when && s.wrong == nil {
		s.run.Status, s.run.Ended = Skipped, s.run.Started
		s.reach()
		s.trace(ctx, "SKIPPED")
		s.tell(ctx)
		return nil
	}
	s.reach()
	s.lines = s.calls.lines(ctx)
	s.trace(ctx, "START")
	s.emit(ctx, Event{Kind: TaskStarted, Task: i, Name: s.run.Name, Module: t.Module})
	return s
}

// name is the task's name, rendered, or else its id. One that doesn't render is shown as it is written.
func (s *taskScope) name(ctx context.Context) string {
	if s.task.Name == "" {
		return s.task.ID
	}
	text, err := s.state.Text(ctx, s.task.Name)
	if err != nil {
		text = s.task.Name
	}
	if text == s.task.Name {
		return text
	}
	text = sentence(s.in.Redact.String(text))
	if n := fitting(text, maxName); n < len(text) {
		text = text[:n] + "…"
	}
	return text
}

// reach puts the task among those that were reached.
func (s *taskScope) reach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached = append(s.reached, s.run)
}

// work runs a task that has begun to its end.
func (s *taskScope) work(ctx context.Context) {
	s.fire(ctx, s.event(pipelines.OnStart))
	out, err := s.tries(ctx)
	if err == nil {
		s.register(out)
	}
	s.ended = time.Now().UTC()
	s.drain(ctx, s.lines, s.index) // what it printed is told before how it ended
	s.end(ctx, err)
}

// end notes how the task ended, and tells it.
func (s *taskScope) end(ctx context.Context, err error) {
	if err != nil {
		s.failed(ctx, err)
	} else {
		s.fire(ctx, s.event(pipelines.OnSuccess))
		s.trace(ctx, "SUCCESS")
	}
	if f := s.run.Failure; f == nil || !f.Reason.Interruption() {
		s.fire(ctx, s.event(pipelines.OnEnd))
	}
	s.trace(ctx, "DONE")
	s.tell(ctx)
}

// trace writes "Task #2 render: START" into the log, as the run's trace does.
func (s *taskScope) trace(ctx context.Context, what string, args ...any) {
	id := fmt.Sprintf("#%d", s.index)
	if s.run.Name != "" {
		id += " " + s.run.Name
	}
	s.logger().DebugContext(ctx, "Task "+id+": "+what, args...)
}

// register ends the task and hands on its output, in one: of two tasks that register the same name, the one that ended
// last is seen by those that follow and by an epilogue.
func (s *taskScope) register(out map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.Status, s.run.Ended = Succeeded, time.Now().UTC()
	s.run.Output = s.shown(out)
	if key := s.task.Register; key != "" {
		s.in.State.Set(key, out)
		s.runner.run.Result[key] = s.run.Output
	}
}

// failed notes a failure and tells the task's onError.
func (s *taskScope) failed(ctx context.Context, err error) {
	f := s.failureOf(ctx, err)
	s.mu.Lock()
	s.run.Status, s.run.Failure, s.run.Ended = Failed, f, s.ended
	if f.Reason.Interruption() || f.Reason == Cancel {
		s.run.Status = Canceled
	}
	s.mu.Unlock()
	ends := !s.task.Soft || f.stops()
	first := ends && s.hold(f)
	if f.Reason.Interruption() {
		s.trace(ctx, "ERROR", "err", f.Message)
		return
	}
	switch {
	case !ends:
		s.warn(ctx, s.index, fmt.Sprintf("task %q failed and was let pass (throw: false): %s", f.Task, f.Message))
	case !first && !f.stops():
		s.warn(ctx, s.index, fmt.Sprintf("task %q failed too: %s", f.Task, f.Message))
	}
	on := s.event(pipelines.OnError)
	on.vars["error_message"] = f.Message
	s.fire(ctx, on)
	s.trace(ctx, "ERROR", "err", f.Message)
}

func (s *taskScope) failureOf(ctx context.Context, err error) *Failure {
	f := Fail(ctx, s.label(), err)
	f.Message = sentence(s.in.Redact.String(f.Message)) // in this order: half a secret would not be known
	if t, ok := errors.AsType[*taskTimeout](err); ok {
		f.Reason, f.Kind = Timeout, fault.Unknown
		f.Message = t.Error()
	}
	f.Place = s.task.Pos.String()
	if p, ok := errors.AsType[*placedError](err); ok {
		f.Place = p.at.String()
	}
	return f
}

// stops says that f ends the run even where the task is soft: it is not the task that failed.
func (f *Failure) stops() bool {
	return f.Reason.Interruption() || f.Reason == Cancel || f.Reason == Deadline
}

// tell tells the task's record.
func (s *taskScope) tell(ctx context.Context) {
	s.mu.Lock()
	s.run.Set = s.shown(s.changed)
	run := *s.run
	s.mu.Unlock()
	s.emit(ctx, Event{Kind: TaskEnded, Task: s.index, Name: run.Name, Module: run.Module, TaskRun: &run})
}

// Package engine runs a pipeline: task by task, telling a Reporter what happens.
//
// A run reads top to bottom in Run (this file), one task in task.go, callbacks in callbacks.go. A task that fails
// is an outcome and stands in the Run; nothing here returns a Go error.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

// Config is what all runs of an Engine share.
type Config struct {
	Modules         *modules.Registry      // what tasks may name
	Callbacks       *modules.Registry      // what callbacks may name
	Planned         func(name string) bool // module names of later versions, for the message; may be nil
	CallbackTimeout time.Duration          // of one callback; 0 is 30 s
}

// An Engine runs pipelines. It has no state of its own and may run several at once.
type Engine struct{ cfg Config }

// New returns an Engine.
func New(cfg Config) *Engine {
	if cfg.CallbackTimeout == 0 {
		cfg.CallbackTimeout = 30 * time.Second
	}
	return &Engine{cfg: cfg}
}

// Module returns the task module of that name or alias.
func (e *Engine) Module(name string) (modules.Module, bool) { return e.cfg.Modules.Lookup(name) }

// Input is one run's own.
type Input struct {
	Pipeline *pipelines.Pipeline
	State    *render.State
	Call     modules.Call // the job's; the engine adds the task's streams, log and state
	Redact   *redact.Set  // everything reported goes through it
	Last     bool         // no attempt follows: a failure is final, and onFailure fires
	Trace    bool         // Call.Log is not used: its lines are Trace events
	Report   Reporter
}

// Run runs the pipeline and always returns a Run. Its tasks' outputs are redacted.
// When ctx ends, the running task is stopped, and Status is Canceled if the cause is an interruption.
func (e *Engine) Run(ctx context.Context, in Input) *Run {
	if d := in.Pipeline.Settings.Deadline; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, &Stop{Reason: Deadline, Message: fmt.Sprintf("the pipeline ran past its deadline of %s", d)})
		defer cancel()
	}
	r := newRunner(e.cfg, in, &Run{
		Pipeline: in.Pipeline.Name,
		Digest:   in.Pipeline.Digest,
		Status:   Running,
		Started:  time.Now().UTC(),
		Tasks:    []TaskRun{},
		Total:    len(in.Pipeline.Tasks),
		Result:   map[string]any{},
	})
	defer r.close()
	r.emit(ctx, Event{Kind: RunStarted, Task: -1, Total: r.run.Total})
	r.in.Call.Log.DebugContext(ctx, "pipeline "+in.Pipeline.Name+": START")
	r.fire(ctx, in.Pipeline.Callbacks, pipelines.OnStart, r.scope(nil))
	for i := range in.Pipeline.Tasks {
		if f := r.task(ctx, i); f != nil {
			r.run.Failure = f
			break
		}
	}
	r.finish(ctx)
	return r.run
}

// Epilogue ends a run whose process died before it could: onError, onFailure and onEnd fire with what is known,
// and nothing else is run. run.Failure says why.
func (e *Engine) Epilogue(ctx context.Context, in Input, run *Run) *Run {
	for i, t := range run.Tasks {
		for k, v := range t.Set {
			in.State.Set(k, v)
		}
		if t.Status == Succeeded && i < len(in.Pipeline.Tasks) && in.Pipeline.Tasks[i].Register != "" {
			in.State.Set(in.Pipeline.Tasks[i].Register, t.Output)
		}
	}
	r := newRunner(e.cfg, in, run)
	defer r.close()
	r.finish(ctx)
	return r.run
}

// finish settles the run's status, fires its last callbacks and says that it ended.
func (r *runner) finish(ctx context.Context) {
	status := Succeeded
	f := r.run.Failure
	if f != nil {
		status = Failed
		if f.Reason.Interruption() || f.Reason == Cancel {
			status = Canceled
		}
	}
	// Set before the callbacks fire: they see it. An interrupted run has no outcome yet, so nobody is told one.
	r.run.Status = status
	ends := r.in.Pipeline.Callbacks
	switch {
	case f == nil:
		r.fire(ctx, ends, pipelines.OnSuccess, r.scope(nil))
		r.fire(ctx, ends, pipelines.OnEnd, r.scope(nil))
	case !f.Reason.Interruption():
		r.fire(ctx, ends, pipelines.OnError, r.scope(nil))
		if r.in.Last || Final(f) {
			r.fire(ctx, ends, pipelines.OnFailure, r.scope(nil))
		}
		r.fire(ctx, ends, pipelines.OnEnd, r.scope(nil))
	}
	r.run.Ended = time.Now().UTC()
	r.in.Call.Log.DebugContext(ctx, "pipeline "+r.in.Pipeline.Name+": DONE")
	r.emit(ctx, Event{Kind: RunEnded, Task: -1})
}

// A runner is one run under way.
type runner struct {
	cfg   Config
	in    Input
	run   *Run
	told  int // bytes of outputs that run shows, about
	sink  sink
	calls *callbacks
}

func newRunner(cfg Config, in Input, run *Run) *runner {
	if in.Redact == nil {
		in.Redact = new(redact.Set)
	}
	if in.Call.Log == nil {
		in.Call.Log = slog.New(slog.DiscardHandler)
	}
	in.Call.Secret = in.Redact.Add
	if state, ok := in.State.Get("state"); ok {
		in.Redact.AddNamed(state)
	}
	r := &runner{cfg: cfg, in: in, run: run}
	r.sink = sink{to: in.Report, redact: in.Redact}
	if in.Trace {
		r.in.Call.Log = r.traced()
	}
	r.calls = newCallbacks(r)
	return r
}

// close waits for the callbacks and lets go of the connections that the run's requests left open: whoever runs job
// after job would keep them all.
func (r *runner) close() {
	r.calls.close()
	if c := r.in.Call.HTTP; c != nil {
		c.CloseIdleConnections()
	}
}

func (r *runner) emit(ctx context.Context, ev Event) { r.sink.emit(ctx, ev) }

// warn notes something that did not stop the run.
func (r *runner) warn(ctx context.Context, task int, msg string) {
	msg = sentence(r.in.Redact.String(msg))
	r.run.Warnings = append(r.run.Warnings, msg)
	r.emit(ctx, Event{Kind: Warning, Task: task, Error: msg})
}

// scope is what a callback's templates see besides the state: V14 of the seed.
func (r *runner) scope(extra map[string]any) map[string]any {
	done := 0
	for _, t := range r.run.Tasks {
		if t.Status == Succeeded {
			done++
		}
	}
	vars := map[string]any{
		"execution_time":  time.Since(r.run.Started).Seconds(),
		"processed_count": done,
		"status":          string(r.run.Status),
		"error_message":   "",
		"current_task":    "",
	}
	if n := len(r.run.Tasks); n > 0 {
		vars["current_task"] = taskLabel(n-1, r.run.Tasks[n-1].Name)
	}
	if _, ok := r.in.State.Get("name"); !ok {
		vars["name"] = r.in.Pipeline.Name
	}
	if f := r.run.Failure; f != nil {
		vars["error_message"] = f.Message
	}
	for k, v := range extra {
		vars[k] = v
	}
	return vars
}

func taskLabel(i int, name string) string {
	if name != "" {
		return name
	}
	return fmt.Sprintf("#%d", i)
}

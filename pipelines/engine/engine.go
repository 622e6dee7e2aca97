// Package engine runs a pipeline: tasks in their order, telling a Reporter what happens.
//
// A run reads top to bottom in Run (this file), which task runs when in order.go, one task in life.go, its tries in
// task.go, callbacks in callbacks.go. A task that fails is an outcome and stands in the Run; nothing here returns a Go
// error.
package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
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
	Limits          Limits                 // of what a task may take, as far as it is known before its work
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
	Host     Host                  // nil: a machine without GPUs, whose tools and disk nobody counts
	GPU      gpu.Use               // of all tasks that have a use for one; empty: as each says
	Call     modules.Call          // the job's; the engine adds the task's streams, log and state
	Brought  func(to string) error // Call.MaySend of the callbacks that the message brought
	Redact   *redact.Set           // everything reported goes through it
	Last     bool                  // no attempt follows: a failure is final, and onFailure fires
	Warnings []string              // that the run begins with
	Trace    bool                  // Call.Log is not used: its lines are Trace events
	Report   Reporter
}

// Run runs the pipeline and always returns a Run. Its tasks' outputs are redacted.
// When ctx ends, the running tasks are stopped, and Status is Canceled if the cause is an interruption.
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
		Entry:    in.Pipeline.Entry,
		Total:    len(in.Pipeline.Tasks),
		Result:   map[string]any{},
	})
	defer r.close()
	r.emit(ctx, Event{Kind: RunStarted, Task: -1, Total: r.run.Total})
	for _, w := range in.Warnings {
		r.warn(ctx, -1, w)
	}
	if r.vain() {
		r.warn(ctx, -1, "no task of this pipeline has a use for a GPU: it is required in vain (millrace run --gpu=required)")
	}
	r.listen(ctx)
	r.trace(ctx, "START")
	f := r.fit(ctx)
	if f == nil {
		r.fire(ctx, r.event(pipelines.OnStart))
		f = r.inOrder(ctx)
	}
	r.finish(ctx, f)
	return r.run
}

// Epilogue ends a run whose process died before it could: onError, onFailure and onEnd fire with what is known,
// and nothing else is run. run.Failure says why.
func (e *Engine) Epilogue(ctx context.Context, in Input, run *Run) *Run {
	r := newRunner(e.cfg, in, run)
	defer r.close()
	r.restore()
	r.listen(ctx)
	r.finish(ctx, run.Failure)
	return r.run
}

// restore puts into the state what the tasks of a run had put there, in the order in which they ended.
func (r *runner) restore() {
	ended := slices.Clone(r.reached)
	slices.SortStableFunc(ended, func(a, b *TaskRun) int { return a.Ended.Compare(b.Ended) })
	for _, t := range ended {
		for k, v := range t.Set {
			r.in.State.Set(k, v)
		}
		if tasks := r.in.Pipeline.Tasks; t.Status == Succeeded && t.Index >= 0 && t.Index < len(tasks) && tasks[t.Index].Register != "" {
			r.in.State.Set(tasks[t.Index].Register, t.Output)
		}
	}
}

// finish settles the run's status, fires its last callbacks and says that it ended. f is why it failed, or nil.
func (r *runner) finish(ctx context.Context, f *Failure) {
	// Before the callbacks fire: they see it. An interrupted run has no outcome yet, so nobody is told one.
	r.conclude(f)
	switch {
	case f == nil:
		r.fire(ctx, r.event(pipelines.OnSuccess))
		r.trace(ctx, "SUCCESS")
		r.fire(ctx, r.event(pipelines.OnEnd))
	case !f.Reason.Interruption():
		r.fire(ctx, r.event(pipelines.OnError))
		if r.in.Last || Final(f) {
			r.fire(ctx, r.event(pipelines.OnFailure))
		}
		r.trace(ctx, "ERROR", "err", f.Message)
		r.fire(ctx, r.event(pipelines.OnEnd))
	}
	r.trace(ctx, "close listeners")
	r.trace(ctx, "DONE")
	r.drain(ctx, r.lines, -1)
	r.settle()
	r.emit(ctx, Event{Kind: RunEnded, Task: -1})
}

// conclude gives the run its outcome.
func (r *runner) conclude(f *Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.Status, r.run.Failure = Succeeded, f
	if f != nil {
		r.run.Status = Failed
		if f.Reason.Interruption() || f.Reason == Cancel {
			r.run.Status = Canceled
		}
	}
}

// settle closes the run's record.
func (r *runner) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.Ended = time.Now().UTC()
	r.run.Tasks = make([]TaskRun, len(r.reached))
	r.run.GPUSeconds = 0
	for i, t := range r.reached {
		r.run.Tasks[i] = *t
		r.run.GPUSeconds += t.GPUSeconds
	}
	r.run.GPUSeconds = math.Round(r.run.GPUSeconds*1000) / 1000
}

// A runner is one run under way.
type runner struct {
	cfg   Config
	in    Input
	sink  sink
	calls *callbacks

	plugins []pipelines.Callback // that hear every event
	lines   *lineQueue           // callbacks of lines that no task under way wrote
	log     *slog.Logger         // Call.Log, and what onLog and onDebug hear

	mu      sync.Mutex // guards what follows, and what it points to, from the start of the first task to the end of the last
	run     *Run
	reached []*TaskRun // in the order they started
	fatal   *Failure   // why the run must end
	told    int        // bytes of outputs that run shows, about
}

func newRunner(cfg Config, in Input, run *Run) *runner {
	if in.Redact == nil {
		in.Redact = new(redact.Set)
	}
	if in.Call.Log == nil {
		in.Call.Log = slog.New(slog.DiscardHandler)
	}
	if in.Host == nil {
		in.Host = bare{}
	}
	in.Call.Secret = in.Redact.Add
	in.Call.Env = gpu.Environ(in.Call.Env, nil)
	if state, ok := in.State.Get("state"); ok {
		in.Redact.AddNamed(state)
	}
	r := &runner{cfg: cfg, in: in, run: run}
	for i := range run.Tasks {
		r.reached = append(r.reached, &run.Tasks[i])
	}
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
	r.mu.Lock()
	r.run.Warnings = append(r.run.Warnings, msg)
	r.mu.Unlock()
	r.emit(ctx, Event{Kind: Warning, Task: task, Error: msg})
}

// listen makes ready those who hear of the run.
func (r *runner) listen(ctx context.Context) {
	r.lines = r.calls.lines(ctx)
	r.log = r.tapped(r.in.Call.Log, func(level slog.Level, line string) {
		on := lineEvent(level)
		f := r.event(on)
		f.vars["line"], f.vars["level"] = line, levelName(level)
		r.lines.later(func(ctx context.Context) { r.call(ctx, f) })
	})
	r.attach(ctx)
	r.trace(ctx, "register listeners")
}

// trace writes "pipeline NAME: START" into the log: lines that people grep for, of a form that is promised, which is
// why their values stand in the message.
func (r *runner) trace(ctx context.Context, what string, args ...any) {
	r.log.DebugContext(ctx, "pipeline "+r.in.Pipeline.Name+": "+what, args...)
}

// labelOf is what task i is called before it starts.
func labelOf(i int, t *pipelines.Task) string { return taskLabel(i, cmp.Or(t.Name, t.ID)) }

func taskLabel(i int, name string) string {
	if name != "" {
		return name
	}
	return fmt.Sprintf("#%d", i)
}

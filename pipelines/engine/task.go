package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

// A taskScope is one task under way: what its module sees of the state, and its tries.
type taskScope struct {
	*runner
	task    *pipelines.Task
	index   int
	state   *render.State           // with the task's loop variables
	run     *TaskRun                // guarded by mu
	changed map[string]any          // by the module, through Set; guarded by mu
	counts  map[pipelines.Event]int // lines that callbacks were told of; guarded by mu
	wrong   error                   // with `when`
	lines   *lineQueue              // callbacks of what it prints, until it ends
	ended   time.Time               // of its last try
}

func (s *taskScope) label() string { return taskLabel(s.index, s.run.Name) }

// logger is the job's log, for what the task's module writes, and the task's own trace.
func (s *taskScope) logger() *slog.Logger {
	log := s.in.Call.Log.With("task", s.label(), "module", s.task.Module)
	return s.tapped(log, func(level slog.Level, line string) { s.tellLine(lineEvent(level), level, line) })
}

// Get makes a taskScope the modules.State of its module.
func (s *taskScope) Get(path string) (any, bool) {
	if path == "task" {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.shape(), true
	}
	return s.state.Get(path)
}

// Set stores a value in the state and remembers it, so that the worker knows the state too.
func (s *taskScope) Set(name string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed[name] = v
	s.in.State.Set(name, v)
}

// tries runs the module until it succeeds, can't, or its tries are used up.
func (s *taskScope) tries(ctx context.Context) (map[string]any, error) {
	retry, sleep := s.in.Pipeline.Settings.Retry, s.in.Pipeline.Settings.RetrySleep
	if s.wrong != nil {
		return nil, s.misrendered("when", s.wrong)
	}
	if s.task.Retry != nil {
		retry = *s.task.Retry
	}
	if s.task.RetrySleep != nil {
		sleep = *s.task.RetrySleep
	}
	for n := 1; ; n++ {
		s.tried(n)
		out, err := s.try(ctx)
		if err == nil || n > retry || !worthRetrying(ctx, err) {
			return out, err
		}
		why := err
		if t, ok := errors.AsType[*taskTimeout](err); ok {
			why = t // the module says it a second time
		}
		s.emit(ctx, Event{Kind: TaskRetry, Task: s.index, Name: s.run.Name, Module: s.task.Module, Try: n, Error: why.Error()})
		select {
		case <-time.After(max(sleep, fault.Delay(err))):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (s *taskScope) tried(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.Tries = n
}

func (s *taskScope) moved(in, out int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.BytesIn += in
	s.run.BytesOut += out
}

// facts keeps which files the last try read and made. They count against what is told of a run, and paths against what a
// sentence may have.
func (s *taskScope) facts(f modules.Facts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.Read, s.run.Made = s.files(f.Read), s.files(f.Made)
}

const fileFigures = 100 // bytes of JSON of a file beside its path, at most

func (s *taskScope) files(all []modules.File) (shown []modules.File) {
	for _, f := range all {
		f.Path = s.in.Redact.String(f.Path)
		f.Path = f.Path[:fitting(f.Path, maxSentence)]
		if s.told+len(f.Path)+fileFigures > maxShownRun {
			break
		}
		s.told += len(f.Path) + fileFigures
		shown = append(shown, f)
	}
	return shown
}

// progress tells of the hundredths of a try's work that are done, each once.
func (s *taskScope) progress(ctx context.Context) func(done float64) {
	var mu sync.Mutex
	told := 0 // guarded by mu
	return func(done float64) {
		mu.Lock()
		defer mu.Unlock()
		if hundredths := int(100 * min(1, max(0, done))); hundredths > told {
			told = hundredths
			s.emit(ctx, Event{Kind: TaskProgress, Task: s.index, Name: s.run.Name, Module: s.task.Module, Progress: float64(hundredths) / 100})
		}
	}
}

// worthRetrying says whether the same task may do better next time. A pipeline's author who asked for retries
// knows more than we do about an unclassified failure; what the props say won't change, nor what the machine has.
func worthRetrying(ctx context.Context, err error) bool {
	stop, ok := errors.AsType[*Stop](err)
	return ctx.Err() == nil && !(ok && stop.Reason.Interruption()) && fault.Of(err) != fault.Permanent
}

// try gets the task what it needs of its machine, renders the props and runs the module once. The wait for a GPU is no part
// of the task's time.
func (s *taskScope) try(ctx context.Context) (map[string]any, error) {
	m, ok := s.cfg.Modules.Lookup(s.task.Module)
	if !ok {
		return nil, s.unknownModule(s.cfg.Modules)
	}
	h, err := s.reserve(ctx, m)
	if err != nil {
		return nil, err
	}
	defer h.release()
	timeout := s.task.Timeout
	if timeout == 0 {
		timeout = s.in.Pipeline.Settings.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, &taskTimeout{timeout})
		defer cancel()
	}
	props, missing, err := s.state.Props(ctx, s.task.Props)
	if err != nil {
		return nil, s.misrendered("props", err)
	}
	c := s.in.Call
	c.Log, c.State, c.Moved, c.Progress, c.Facts = s.logger(), s, s.moved, s.progress(ctx), s.facts
	c.GPU, c.Devices, c.Env = s.need(s.task, s.label(), m).GPU, h.Devices, gpu.Environ(c.Env, h.Devices)
	stdout, stderr := s.stream(ctx, TaskStdout), s.stream(ctx, TaskStderr)
	c.Stdout, c.Stderr = stdout, stderr
	out, err := s.admitted(ctx, m, &c, props)
	if cerr := errors.Join(stdout.Close(), stderr.Close()); err == nil {
		err = cerr
	}
	if p, ok := errors.AsType[*modules.PropError](err); ok && len(p.Problems) > 0 {
		return nil, s.explain(p, missing)
	}
	if err != nil && fault.Of(err) != fault.Permanent {
		awaitLoss(ctx, h.Grant)
	}
	if err != nil && ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	return s.onDevice(out), err
}

// guard runs do, which calls a module, under the one recover of the product: a panic is the module's failure, with its stack.
func guard[T any](ctx context.Context, m modules.Module, c *modules.Call, do func() (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Log.ErrorContext(ctx, "module panicked", "err", p, "stack", string(debug.Stack()))
			err = fault.As(fault.Permanent, fmt.Errorf("module %s panicked: %v (a bug in the module; the stack is in the log)", m.Spec().Name, p))
		}
	}()
	return do()
}

type taskTimeout struct{ after time.Duration }

func (t *taskTimeout) Error() string {
	return fmt.Sprintf("the task ran past its timeout of %s", t.after)
}

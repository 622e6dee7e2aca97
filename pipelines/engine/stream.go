package engine

import (
	"context"
	"io"
	"sync"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
)

// stream is one of a task's two outputs: redacted, cut into lines, told as events and to the line callbacks.
func (s *taskScope) stream(ctx context.Context, kind EventKind) io.WriteCloser {
	on := pipelines.OnStdout
	if kind == TaskStderr {
		on = pipelines.OnStderr
	}
	cbs := s.task.Callbacks[on]
	return newStream(s.in.Redact, func(line string) {
		s.emit(ctx, Event{Kind: kind, Task: s.index, Name: s.task.Name, Module: s.task.Module, Line: line})
		if len(cbs) > 0 {
			vars := s.scope(s.vars())
			vars["line"] = line
			s.later(func(ctx context.Context) { s.call(ctx, cbs, on, vars) })
		}
	})
}

// A stream redacts what is written and hands it on line by line. Writers may be several.
type stream struct {
	mu     sync.Mutex // guards both
	redact *redact.Writer
	lines  *proc.Lines
}

func newStream(secrets *redact.Set, line func(string)) io.WriteCloser {
	lines := proc.NewLines(func(b []byte) { line(string(b)) }, proc.LineLimits{})
	return &stream{redact: secrets.Writer(lines), lines: lines}
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.redact.Write(p)
}

// Close hands on what was held back: a possible secret's beginning, a line without an end.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.redact.Flush()
	s.lines.Flush()
	return err
}

package engine

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
)

// stream is one of a task's two outputs: redacted, cut into lines, told as events and to the callbacks of lines.
func (s *taskScope) stream(ctx context.Context, kind EventKind) io.WriteCloser {
	on := pipelines.OnStdout
	if kind == TaskStderr {
		on = pipelines.OnStderr
	}
	return newStream(s.in.Redact, func(line string) {
		s.emit(ctx, Event{Kind: kind, Task: s.index, Name: s.run.Name, Module: s.task.Module, Line: line})
		s.tellLine(on, slog.LevelInfo, line)
		s.tellLine(pipelines.OnLog, slog.LevelInfo, line)
	})
}

// tellLine queues the callbacks of a line that the task wrote. The document's onLog and onDebug are the run's to wait
// for: the task and those after it don't.
func (s *taskScope) tellLine(on pipelines.Event, level slog.Level, line string) {
	if len(s.listeners(s.task.Callbacks, on)) == 0 {
		return
	}
	f := s.event(on)
	f.line = s.count(on)
	f.vars["line"], f.vars["level"] = line, levelName(level)
	call := func(ctx context.Context) { s.call(ctx, f) }
	own := on == pipelines.OnStdout || on == pipelines.OnStderr
	if !own || !s.lines.later(call) {
		s.runner.lines.later(call)
	}
}

func (s *taskScope) count(on pipelines.Event) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[on]++
	return s.counts[on]
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

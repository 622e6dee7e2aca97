package engine

import (
	"io"
	"sync"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/redact"
)

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

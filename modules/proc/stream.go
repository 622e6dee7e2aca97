package proc

import (
	"fmt"
	"io"
)

// A stream passes a program's output on, up to a limit, and never makes the program wait for more
// than its receiver's Write: beyond the limit, or once the receiver has failed, bytes are dropped.
type stream struct {
	name string
	w    io.Writer
	max  int64 // bytes; negative is no limit
	seen int64 // bytes passed on
	cut  bool  // the limit was passed and the marker written
	err  error // what w answered, the first time it failed
}

func newStream(name string, w io.Writer, max int64) *stream {
	if max == 0 {
		max = DefaultMaxOutput
	}
	return &stream{name: name, w: w, max: max}
}

// Write takes all of p, always.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	if s.cut || s.err != nil {
		return n, nil
	}
	if over := s.seen + int64(n) - s.max; s.max >= 0 && over > 0 {
		p = p[:int64(n)-over]
		s.cut = true
	}
	s.seen += int64(len(p))
	if len(p) > 0 {
		_, s.err = s.w.Write(p)
	}
	if s.cut && s.err == nil {
		_, s.err = fmt.Fprintf(s.w, "\n%s\n", cutMarker(s.max))
	}
	return n, nil
}

// cutMarker is the line that stands for dropped output.
func cutMarker(max int64) string { return fmt.Sprintf("[output cut after %d bytes]", max) }

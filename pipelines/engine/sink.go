package engine

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/redact"
)

// A sink puts events in order, stamps, redacts and clips them; the lines of programs come clipped (stream.go).
type sink struct {
	to     Reporter
	redact *redact.Set
	mu     sync.Mutex // guards calls of to: a program's two streams arrive on goroutines of their own
}

func (s *sink) emit(ctx context.Context, ev Event) {
	if s.to == nil {
		return
	}
	ev.Time = time.Now().UTC()
	ev.Line = s.redact.String(ev.Line)
	if ev.Kind == Trace {
		ev.Line = sentence(ev.Line)
	}
	ev.Error = sentence(s.redact.String(ev.Error))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to.Report(ctx, ev)
}

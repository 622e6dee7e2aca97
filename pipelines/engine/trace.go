package engine

import (
	"context"
	"log/slog"
	"strings"
)

// traced returns a log whose lines are Trace events of the run.
func (r *runner) traced() *slog.Logger {
	lines := lineWriter(func(line string) { r.emit(context.Background(), Event{Kind: Trace, Task: -1, Line: line}) })
	log := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
	if id, ok := r.in.State.Get("job.id"); ok {
		log = log.With("job_id", id)
	}
	return log
}

// withoutTime leaves the time out: an event has its own.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A lineWriter is a writer of whole lines, as slog's handlers write them.
type lineWriter func(line string)

func (f lineWriter) Write(p []byte) (int, error) {
	f(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines/engine"
)

// traced returns a log whose lines are events of the run: a job that was sent with debug shows in its own log what the
// engine did.
func traced(rep engine.Reporter, secrets *redact.Set) *slog.Logger {
	lines := writerFunc(func(line string) {
		rep.Report(context.Background(), engine.Event{Kind: engine.Trace, Time: time.Now().UTC(), Task: -1, Line: secrets.String(line)})
	})
	return slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
}

// withoutTime leaves the time out: an event has its own.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A writerFunc is a writer of whole lines, as slog's handlers write them.
type writerFunc func(line string)

var _ io.Writer = writerFunc(nil)

func (f writerFunc) Write(p []byte) (int, error) {
	f(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

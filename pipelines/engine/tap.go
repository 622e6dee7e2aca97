package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
)

// tapped returns a log that tells its lines, redacted, to the document's onLog and onDebug too, whatever the level of
// log. Without such callbacks it is log.
func (r *runner) tapped(log *slog.Logger, tell func(level slog.Level, line string)) *slog.Logger {
	cbs := r.in.Pipeline.Callbacks
	if len(cbs[pipelines.OnLog])+len(cbs[pipelines.OnDebug]) == 0 {
		return log
	}
	return slog.New(&tap{
		log:   log.Handler(),
		hears: func(level slog.Level) bool { return len(cbs[lineEvent(level)]) > 0 },
		tell:  func(level slog.Level, line string) { tell(level, sentence(r.in.Redact.String(line))) },
	})
}

// lineEvent is the event of a line of that level.
func lineEvent(level slog.Level) pipelines.Event {
	if level < slog.LevelInfo {
		return pipelines.OnDebug
	}
	return pipelines.OnLog
}

// levelName is what callbacks see as `level`.
func levelName(level slog.Level) string { return strings.ToLower(level.String()) }

// A tap is a log that tells its lines: the message, and what stands in it as name=value.
type tap struct {
	log   slog.Handler
	hears func(level slog.Level) bool
	tell  func(level slog.Level, line string)
	attrs []slog.Attr // since the tap was set
	group string      // before names, with its dot
}

var _ slog.Handler = (*tap)(nil)

func (t *tap) Enabled(ctx context.Context, level slog.Level) bool {
	return t.hears(level) || t.log.Enabled(ctx, level)
}

func (t *tap) Handle(ctx context.Context, rec slog.Record) error {
	if t.hears(rec.Level) {
		t.tell(rec.Level, t.line(rec))
	}
	if !t.log.Enabled(ctx, rec.Level) {
		return nil
	}
	return t.log.Handle(ctx, rec)
}

func (t *tap) line(rec slog.Record) string {
	var b strings.Builder
	b.WriteString(rec.Message)
	write := func(name string, a slog.Attr) {
		v := a.Value.Resolve().String()
		if strings.ContainsAny(v, " \"=\n") {
			v = strconv.Quote(v)
		}
		fmt.Fprintf(&b, " %s%s=%s", name, a.Key, v)
	}
	for _, a := range t.attrs {
		write("", a)
	}
	rec.Attrs(func(a slog.Attr) bool {
		write(t.group, a)
		return true
	})
	return b.String()
}

func (t *tap) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *t
	next.log = t.log.WithAttrs(attrs)
	next.attrs = slices.Clone(t.attrs)
	for _, a := range attrs {
		next.attrs = append(next.attrs, slog.Attr{Key: t.group + a.Key, Value: a.Value})
	}
	return &next
}

func (t *tap) WithGroup(name string) slog.Handler {
	next := *t
	next.log = t.log.WithGroup(name)
	next.group = t.group + name + "."
	return &next
}

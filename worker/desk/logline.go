package desk

import (
	"fmt"

	"github.com/millrace/millrace/pipelines/engine"
)

// A LogLine is what people read of an event in a log.
type LogLine struct {
	Mark string // "↻", "!" or "✗" before what is ours to say; empty before what a task wrote, and of a Trace
	Text string
	Ours bool // the text is not just as a task wrote it
}

func (l LogLine) String() string {
	if l.Mark == "" {
		return l.Text
	}
	return l.Mark + " " + l.Text
}

// Seam stands between the logs of two attempts.
const Seam = "— another attempt —"

// Line returns what people read of an event; ok is false for nothing.
func Line(ev engine.Event) (l LogLine, ok bool) {
	switch ev.Kind {
	case engine.Trace:
		return LogLine{Text: ev.Line, Ours: true}, true
	case engine.TaskStdout, engine.TaskStderr:
		return LogLine{Text: ev.Line}, true
	case engine.TaskRetry:
		return LogLine{"↻", fmt.Sprintf("%s: try %d failed: %s", TaskName(ev), ev.Try, ev.Error), true}, true
	case engine.Warning, engine.CallbackFailed:
		return LogLine{"!", ev.Error, true}, true
	case engine.TaskEnded:
		if t := ev.TaskRun; t != nil && t.Status == engine.Failed && !t.Soft && t.Failure != nil {
			return LogLine{"✗", TaskName(ev) + ": " + t.Failure.Message, true}, true
		}
	}
	return LogLine{}, false
}

// TaskName is what people call the task of an event.
func TaskName(ev engine.Event) string {
	if ev.Name != "" {
		return ev.Name
	}
	return fmt.Sprintf("#%d %s", ev.Task, ev.Module)
}

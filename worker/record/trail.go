package record

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/pipelines/engine"
)

const (
	messageLines    = 20  // of the log in a failure's message
	messageChars    = 500 // of these lines
	diagnosticLines = 10
	// maxWarnings bounds what a hostile event stream can make us remember.
	maxWarnings = 100
)

// A trail is what the events of one attempt add up to.
type trail struct {
	total    int
	reached  engine.Reached
	warnings []string
	lines    []Diagnostic // the last messageLines
}

// see takes an event and says whether it changed more than the lines.
func (t *trail) see(ev engine.Event) bool {
	switch ev.Kind {
	case engine.RunStarted:
		t.total = ev.Total
	case engine.TaskStdout, engine.TaskStderr:
		t.line(Diagnostic{Time: ev.Time, Message: lastChars(ev.Line, messageChars)})
		return false
	case engine.Warning, engine.CallbackFailed:
		if len(t.warnings) < maxWarnings {
			t.warnings = append(t.warnings, ev.Error)
		}
	case engine.TaskEnded:
		return t.ended(ev)
	default:
		return t.reached.See(&ev)
	}
	return true
}

func (t *trail) line(d Diagnostic) {
	if len(t.lines) == messageLines {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:messageLines-1]
	}
	t.lines = append(t.lines, d)
}

// ended keeps a task without its output: that is in the run's result, and would be written anew with every progress.
func (t *trail) ended(ev engine.Event) bool {
	if ev.TaskRun == nil {
		return false
	}
	run := *ev.TaskRun
	run.Output = nil
	ev.TaskRun = &run
	return t.reached.See(&ev)
}

func (t *trail) reach(r *Record) {
	r.Total = t.total
	r.Tasks = slices.Clone(t.reached.Tasks)
	r.Warnings = slices.Clone(t.warnings)
}

func (t *trail) explain(failure string) (string, []Diagnostic) {
	if len(t.lines) == 0 {
		return failure, nil
	}
	lines := make([]string, len(t.lines))
	for i, d := range t.lines {
		lines[i] = d.Message
	}
	tail := lastChars(strings.Join(lines, "\n"), messageChars)
	return failure + "\n" + tail, slices.Clone(t.lines[max(0, len(t.lines)-diagnosticLines):])
}

// lastChars cuts s to its last n characters.
func lastChars(s string, n int) string {
	if len(s) <= n {
		return s
	}
	runes := []rune(s[max(0, len(s)-4*n):]) // a character has at most four bytes
	return string(runes[max(0, len(runes)-n):])
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
)

// A progress shows a run to a person: what programs print on stdout, how tasks stand on stderr; one live line of those
// that run on a terminal, plain lines elsewhere. With the json logger it writes the events themselves.
type progress struct {
	out, err io.Writer
	json     *json.Encoder
	live     bool // err is a terminal: the line of the running tasks is rewritten
	color    bool
	running  []engine.Event // how the tasks under way started, in that order
	open     bool           // a live line is being shown
}

// newProgress takes a logger that logConfig has checked.
func newProgress(logger string, out, err *os.File) *progress {
	p := &progress{out: out, err: err, live: isatty.IsTerminal(err.Fd())}
	if logger == "json" {
		p.json = json.NewEncoder(out)
	}
	p.color = logger == "color" || (p.live && os.Getenv("NO_COLOR") == "")
	return p
}

func (p *progress) Report(_ context.Context, ev engine.Event) {
	if p.json != nil {
		_ = p.json.Encode(ev) // a reader that went away does not stop the run
		return
	}
	switch ev.Kind {
	case engine.TaskStarted:
		p.running = append(p.running, ev)
	case engine.TaskProgress:
		for i := range p.running {
			if p.running[i].Task == ev.Task {
				p.running[i].Progress = ev.Progress
			}
		}
	case engine.TaskStdout:
		p.print(p.out, ev.Line)
	case engine.TaskStderr:
		p.print(p.err, ev.Line)
	case engine.TaskRetry:
		p.line("↻", desk.TaskName(ev), "try "+fmt.Sprint(ev.Try)+" failed: "+ev.Error)
	case engine.Warning:
		p.line("!", "", ev.Error)
	case engine.CallbackFailed:
		p.line("!", "", ev.Error)
	case engine.TaskEnded:
		p.ended(ev)
	}
	p.show()
}

func (p *progress) ended(ev engine.Event) {
	t := ev.TaskRun
	p.running = slices.DeleteFunc(p.running, func(began engine.Event) bool { return began.Task == ev.Task })
	took := t.Ended.Sub(t.Started).Round(time.Millisecond).String()
	switch t.Status {
	case engine.Succeeded:
		if t.Device != "" {
			took += " on " + t.Device
		}
		p.line("✓", desk.TaskName(ev), took)
	case engine.Skipped:
		p.line("–", desk.TaskName(ev), "skipped")
	default:
		p.line("✗", desk.TaskName(ev), took+"  "+t.Failure.Message)
	}
}

// end tells how the run ended; what a task said already is not said again.
func (p *progress) end(run *engine.Run) {
	if p.json != nil {
		_ = p.json.Encode(run)
		return
	}
	p.clear()
	if f := run.Failure; f != nil && (len(run.Tasks) == 0 || f.Task == "" || f.Reason.Interruption()) {
		p.line("✗", "", f.Message)
	}
}

// print writes a line of a program's above the live line.
func (p *progress) print(w io.Writer, line string) {
	p.clear()
	fmt.Fprintln(w, line)
}

// maxLive is how many running tasks the live line names.
const maxLive = 3

// show rewrites the live line: the tasks under way, and for how long the first of them has been.
func (p *progress) show() {
	if !p.live || len(p.running) == 0 {
		return
	}
	var labels []string
	for i, ev := range p.running {
		if i == maxLive {
			labels = append(labels, fmt.Sprintf("%d more", len(p.running)-i))
			break
		}
		label := shorten(plain(desk.TaskName(ev)), 28)
		if ev.Progress > 0 {
			label += fmt.Sprintf(" %.0f %%", 100*ev.Progress)
		}
		labels = append(labels, label)
	}
	p.clear()
	fmt.Fprintf(p.err, "%s %s", p.paint("…"), strings.Join(labels, ", "))
	if long := time.Since(p.running[0].Time).Round(time.Second); long > 0 {
		fmt.Fprintf(p.err, " %s", long)
	}
	p.open = true
}

func (p *progress) clear() {
	if p.open {
		fmt.Fprint(p.err, "\r\x1b[K")
		p.open = false
	}
}

func (p *progress) line(mark, label, note string) {
	p.clear()
	fmt.Fprintln(p.err, strings.TrimRight(strings.Join([]string{p.paint(mark), label, note}, " "), " "))
}

// paint colors a mark.
func (p *progress) paint(mark string) string {
	code, ok := map[string]string{"✓": "32", "✗": "31", "!": "33", "↻": "33", "…": "36", "–": "90"}[mark]
	if !p.color || !ok {
		return mark
	}
	return "\x1b[" + code + "m" + mark + "\x1b[0m"
}

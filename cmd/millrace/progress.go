package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/millrace/millrace/pipelines/engine"
)

// A progress shows a run to a person: what programs print on stdout, how tasks stand on stderr; one live line a task
// on a terminal, plain lines elsewhere. With the json logger it writes the events themselves.
type progress struct {
	out, err io.Writer
	json     *json.Encoder
	live     bool // err is a terminal: the running task's line is rewritten
	color    bool
	label    string
	began    time.Time
	open     bool // a live line is being shown
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
		p.label, p.began = name(ev), ev.Time
		p.show("…", "")
	case engine.TaskStdout:
		p.print(p.out, ev.Line)
	case engine.TaskStderr:
		p.print(p.err, ev.Line)
	case engine.TaskRetry:
		p.line("↻", name(ev), "try "+fmt.Sprint(ev.Try)+" failed: "+ev.Error)
	case engine.Warning:
		p.line("!", "", ev.Error)
	case engine.CallbackFailed:
		p.line("!", "", ev.Error)
	case engine.TaskEnded:
		p.ended(ev)
	}
}

func (p *progress) ended(ev engine.Event) {
	t := ev.TaskRun
	took := t.Ended.Sub(t.Started).Round(time.Millisecond).String()
	switch t.Status {
	case engine.Succeeded:
		p.line("✓", name(ev), took)
	case engine.Skipped:
		p.line("–", name(ev), "skipped")
	default:
		p.line("✗", name(ev), took+"  "+t.Failure.Message)
	}
}

func name(ev engine.Event) string {
	if ev.Name != "" {
		return ev.Name
	}
	return fmt.Sprintf("#%d %s", ev.Task, ev.Module)
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
	live := p.open
	p.clear()
	fmt.Fprintln(w, line)
	if live {
		p.show("…", time.Since(p.began).Round(time.Second).String())
	}
}

// show rewrites the live line.
func (p *progress) show(mark, note string) {
	if p.live {
		p.clear()
		fmt.Fprintf(p.err, "%s %s %s", p.paint(mark), p.label, note)
		p.open = true
	}
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

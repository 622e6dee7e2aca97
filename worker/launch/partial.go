package launch

import (
	"context"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines/engine"
)

// What is kept of what a child tells, which may be the job's own invention.
const (
	maxTasks    = 5000 // as pipelines.Parse allows
	maxWarnings = 1000
	maxSentence = 4<<10 + len("…") // bytes of an error; with all warnings it must fit into an epilogue's request
	// A line that proc.Lines has cut, with each of its bytes written as \xNN, and what it says of the cut.
	maxEventLine = len(`\xNN`)*proc.DefaultMaxLine + 100
)

// clip shortens the texts of an event to what an honest child sends at most.
func clip(ev *engine.Event) {
	ev.Line, ev.Error = clipped(ev.Line, maxEventLine), clipped(ev.Error, maxSentence)
}

func clipped(s string, maxBytes int) string {
	if len(s) <= maxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxBytes], "") + "…"
}

// A partial is a run as its events have told it so far: what is known when its process dies.
type partial struct{ run *engine.Run }

func startRun(req *Request) *partial {
	if req.Epilogue != nil {
		run := *req.Epilogue
		return &partial{&run}
	}
	return &partial{&engine.Run{
		Pipeline: req.Source, Digest: req.Digest, Status: engine.Running, Started: time.Now().UTC(),
		Tasks: []engine.TaskRun{}, Result: map[string]any{},
	}}
}

func (p *partial) add(ev *engine.Event) {
	switch ev.Kind {
	case engine.RunStarted:
		p.run.Total, p.run.Started = ev.Total, ev.Time
	case engine.TaskStarted:
		p.append(engine.TaskRun{Name: ev.Name, Module: ev.Module, Status: engine.Running, Started: ev.Time})
	case engine.TaskEnded:
		if ev.TaskRun == nil {
			return
		}
		if ev.TaskRun.Status != engine.Skipped && len(p.run.Tasks) > 0 {
			p.run.Tasks = p.run.Tasks[:len(p.run.Tasks)-1]
		}
		p.append(*ev.TaskRun)
	case engine.Warning:
		if len(p.run.Warnings) < maxWarnings {
			p.run.Warnings = append(p.run.Warnings, ev.Error)
		}
	}
}

func (p *partial) append(t engine.TaskRun) {
	if len(p.run.Tasks) < maxTasks {
		p.run.Tasks = append(p.run.Tasks, t)
	}
}

// end closes the run of a process that died. When it was stopped on purpose, the cause of ctx says so.
func (p *partial) end(ctx context.Context, f *engine.Failure) *engine.Run {
	if ctx.Err() != nil {
		f = engine.Fail(ctx, "", f)
	}
	p.run.Status, p.run.Ended, p.run.Failure = engine.Failed, time.Now().UTC(), f
	if f.Reason.Interruption() || f.Reason == engine.Cancel {
		p.run.Status = engine.Canceled
	}
	if n := len(p.run.Tasks); n > 0 && p.run.Tasks[n-1].Status == engine.Running {
		t := &p.run.Tasks[n-1]
		t.Status, t.Ended, t.Failure = p.run.Status, p.run.Ended, f
		f.Task = t.Name
	}
	return p.run
}

// believed is the run that a child tells, unless it says that somebody stopped it who did not: an interruption costs no
// attempt, so a job could be run for ever.
func believed(ctx context.Context, run *engine.Run) *engine.Run {
	f := run.Failure
	if f == nil || !(f.Reason.Interruption() || f.Reason == engine.Cancel) {
		return run
	}
	if ctx.Err() != nil && stopOf(context.Cause(ctx)).Reason == f.Reason {
		return run
	}
	told := *run
	told.Status = engine.Failed
	told.Failure = &engine.Failure{Reason: engine.Crash, Kind: fault.Unknown, Message: "the job's process lied about how it ended"}
	return &told
}

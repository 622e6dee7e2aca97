package launch

import (
	"context"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
)

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
		p.run.Tasks = append(p.run.Tasks, engine.TaskRun{Name: ev.Name, Module: ev.Module, Status: engine.Running, Started: ev.Time})
	case engine.TaskEnded:
		if ev.TaskRun == nil {
			return
		}
		if ev.TaskRun.Status != engine.Skipped && len(p.run.Tasks) > 0 {
			p.run.Tasks = p.run.Tasks[:len(p.run.Tasks)-1]
		}
		p.run.Tasks = append(p.run.Tasks, *ev.TaskRun)
	case engine.Warning:
		p.run.Warnings = append(p.run.Warnings, ev.Error)
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

package launch

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines/engine"
)

// What is kept of what a child tells, which may be the job's own invention.
const (
	maxWarnings = 1000
	maxNamed    = 10               // tasks that ran when a child died, in its failure
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
type partial struct {
	run     *engine.Run
	reached engine.Reached
}

func startRun(req *Request) *partial {
	if req.Epilogue != nil {
		run := *req.Epilogue
		return &partial{run: &run, reached: engine.Reached{Tasks: run.Tasks}}
	}
	return &partial{run: &engine.Run{
		Pipeline: req.Source, Digest: req.Digest, Status: engine.Running, Started: time.Now().UTC(), Result: map[string]any{},
	}, reached: engine.Reached{Tasks: []engine.TaskRun{}}}
}

func (p *partial) add(ev *engine.Event) {
	switch ev.Kind {
	case engine.RunStarted:
		p.run.Total, p.run.Started = ev.Total, ev.Time
	case engine.Warning:
		if len(p.run.Warnings) < maxWarnings {
			p.run.Warnings = append(p.run.Warnings, ev.Error)
		}
	default:
		p.reached.See(ev)
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
	p.run.Tasks = p.reached.Tasks
	p.endTasks(f)
	return p.run
}

// endTasks ends the tasks that were under way. Where it was one alone, f is about that one; of several nobody knows
// which it was.
func (p *partial) endTasks(f *engine.Failure) {
	var running []*engine.TaskRun
	for i := range p.run.Tasks {
		if t := &p.run.Tasks[i]; t.Status == engine.Running {
			running = append(running, t)
		}
	}
	var names []string
	for i, t := range running {
		own := *f
		own.Task = t.Label()
		t.Status, t.Ended, t.Failure = p.run.Status, p.run.Ended, &own
		if i < maxNamed {
			names = append(names, strconv.Quote(own.Task))
		}
	}
	if more := len(running) - maxNamed; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	switch {
	case len(running) == 1:
		f.Task = running[0].Label()
	case len(running) > 1 && f.Reason != engine.Cancel && !f.Reason.Interruption():
		f.Message = clipped(f.Message+" (while tasks "+strings.Join(names, ", ")+" ran)", maxSentence)
	}
}

// believed is the run that a child tells, unless it says that somebody stopped it who did not, or that the machine is unfit
// which never said so (refusal is what it said): an interruption costs no attempt, so a job could be run for ever. That it
// was killed for its memory it can't say either. A child that wants to hear a refusal gets one; what that may cost is bounded
// by who counts attempts, but where other jobs had what it asked for. Its words for it are kept, which show no secret. Once
// ctx has ended, what ended it is why the job is over. What fails when its GPU does has not failed.
func believed(ctx context.Context, run *engine.Run, refusal func(task string) *engine.Stop) *engine.Run {
	f := run.Failure
	if f == nil {
		return run
	}
	told := *run
	if ctx.Err() != nil {
		stop := stopOf(context.Cause(ctx))
		if stop.Reason == f.Reason {
			return run
		}
		if stop.Reason == engine.GPULost || f.Reason == engine.Unfit { // of a lost GPU the job tells what its program made of that
			told.Status, told.Failure = engine.Canceled, engine.Fail(ctx, f.Task, stop)
			if !stop.Reason.Interruption() && stop.Reason != engine.Cancel {
				told.Status = engine.Failed
			}
			return &told
		}
	}
	switch {
	case f.Reason == engine.OOM: // such a job gets the worker to itself: the watch says so, or nobody
		own := *f
		own.Reason, told.Failure = "", &own
	case !f.Reason.Interruption() && f.Reason != engine.Cancel:
		return run
	case f.Reason == engine.Unfit && refusal(f.Task) != nil:
		refused := refusal(f.Task)
		told.Status, told.Failure = engine.Canceled, &engine.Failure{
			Reason: engine.Unfit, Kind: fault.Canceled, Task: f.Task, Place: f.Place,
			Message: clipped(f.Message, maxSentence), Class: refused.Class, Busy: refused.Busy, Alone: refused.Alone,
		}
	default:
		told.Status = engine.Failed
		told.Failure = &engine.Failure{Reason: engine.Crash, Kind: fault.Unknown, Message: "the job's process lied about how it ended"}
	}
	return &told
}

package engine

import (
	"context"
	"time"
)

// An Event is one thing that happened in a run. Its JSON form is the protocol between a child and its worker
// and the line format of a job's log; everything in it is redacted already.
type Event struct {
	Kind   EventKind `json:"kind"`
	Time   time.Time `json:"time"`
	Task   int       `json:"task"` // index in the document; -1 where it is about the whole run
	Name   string    `json:"name,omitzero"`
	Module string    `json:"module,omitzero"`
	Try    int       `json:"try,omitzero"` // from 1, within one attempt of the job
	Line   string    `json:"line,omitzero"`
	// TaskRun is the task's whole record, with TaskEnded.
	TaskRun *TaskRun `json:"task_run,omitzero"`
	// Error is why, with Warning, TaskRetry and CallbackFailed.
	Error string `json:"error,omitzero"`
	Total int    `json:"total,omitzero"` // number of tasks, with RunStarted
	// Progress is how much of the task's work is done, 0 to 1, with TaskProgress.
	Progress float64 `json:"progress,omitzero"`
}

// EventKind is a closed list.
type EventKind string

const (
	RunStarted     EventKind = "run.started"
	TaskStarted    EventKind = "task.started"
	TaskStdout     EventKind = "task.stdout"
	TaskStderr     EventKind = "task.stderr"
	TaskRetry      EventKind = "task.retry"    // a try failed and another follows
	TaskProgress   EventKind = "task.progress" // at most once a hundredth, where the module can tell
	TaskEnded      EventKind = "task.ended"    // succeeded, failed or skipped: see TaskRun
	Warning        EventKind = "warning"
	CallbackFailed EventKind = "callback.failed"
	Trace          EventKind = "trace" // a line of the engine's own log, of a job that asked for it (debug)
	RunEnded       EventKind = "run.ended"
)

// A Reporter hears what happens, in order, one call at a time. It must not block for long and can't change the
// outcome; what goes wrong inside it is its own to log and count.
type Reporter interface {
	Report(ctx context.Context, ev Event)
}

// ReporterFunc is a Reporter that is one function.
type ReporterFunc func(ctx context.Context, ev Event)

func (f ReporterFunc) Report(ctx context.Context, ev Event) { f(ctx, ev) }

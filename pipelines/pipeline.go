// Package pipelines is the document: what a job is asked to do, before anything runs.
package pipelines

import (
	"fmt"
	"time"
)

// A Pipeline is one parsed document. It is plain data: safe to copy, nothing rendered.
type Pipeline struct {
	Name        string
	Description string
	State       map[string]any // values may be templates over other state, in any order
	Tasks       []Task
	Callbacks   map[Event][]Callback
	Plugins     []string
	Settings    Settings
	Digest      string // "sha256:…" of the source
	Source      string // name for messages: "hello.yaml"
	// Positions are of "name", "state.x", "settings.retry", "plugins[0]", … by the same rule as a task's.
	Positions map[string]Pos
}

// Settings are defaults for every task.
type Settings struct {
	Retry      int           // further tries after a failed one (global_retry); 0 is none
	RetrySleep time.Duration // between tries (global_retry_sleep)
	Timeout    time.Duration // of each task; 0 is none
	Deadline   time.Duration // of the whole run; 0 is the worker's
}

// A Task is one entry of tasks.
type Task struct {
	Name       string // may be empty: logs then show the index alone
	Module     string
	When       string // bare expression; empty is true
	Register   string
	Soft       bool           // throw: false; a failure becomes a warning and the run goes on
	Props      map[string]any // unrendered
	Callbacks  map[Event][]Callback
	Retry      *int           // nil: Settings.Retry
	RetrySleep *time.Duration // nil: Settings.RetrySleep
	Timeout    time.Duration  // 0: Settings.Timeout
	Pos        Pos
	// Positions are of the keys "module", "when", "register", "props", "props.src", "props.config.tris", "props.args[0]", …
	// With a colon after it ("props.src:") a path names where a scalar's text starts, where the source holds it unchanged.
	Positions map[string]Pos
}

// A Callback is a module that an event runs. It can't change the outcome.
type Callback struct {
	Module    string
	Props     map[string]any // unrendered
	Pos       Pos
	Positions map[string]Pos
}

// An Event is what a callback listens to.
type Event string

const (
	OnStart   Event = "onStart"
	OnSuccess Event = "onSuccess"
	OnError   Event = "onError"   // each failed attempt
	OnFailure Event = "onFailure" // once, when the job has failed for good
	OnEnd     Event = "onEnd"
	OnStdout  Event = "onStdout" // tasks only
	OnStderr  Event = "onStderr" // tasks only
	OnLog     Event = "onLog"
	OnDebug   Event = "onDebug"
)

// PipelineEvents and TaskEvents are the events each level may listen to.
var (
	PipelineEvents = []Event{OnStart, OnSuccess, OnError, OnFailure, OnEnd, OnLog, OnDebug}
	TaskEvents     = []Event{OnStart, OnStdout, OnStderr, OnSuccess, OnError, OnEnd}
)

// A Pos is a place in a source. The zero Pos is unknown.
type Pos struct {
	File         string
	Line, Column int // from 1
}

func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.File == "":
		return fmt.Sprintf("%d:%d", p.Line, p.Column)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

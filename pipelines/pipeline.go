// Package pipelines is the document: what a job is asked to do, before anything runs.
package pipelines

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// A Pipeline is one parsed document. It is plain data: safe to copy, nothing rendered.
type Pipeline struct {
	Name        string
	Description string
	State       map[string]any // values may be templates over other state, in any order
	StateOrder  *nunjucks.Order
	Tasks       []Task // of the document itself, or of the entry that was selected; nil where it has entries alone
	Entry       string // that was selected; empty for the document's own tasks
	Callbacks   map[Event][]Callback
	Plugins     []string
	Params      []Param // what a job may or must give, in the order of the text
	Entries     []Entry // other task lists that a job may select, in the order of the text
	Settings    Settings
	Requires    map[string]string // labels that a worker must have, by their names in lower case; a job's own go before
	Digest      string            // "sha256:…" of the source
	Source      string            // name for messages: "hello.yaml"
	Structural  bool              // it is YAML only after its {% %} blocks are expanded: what a job gives may change its tasks
	Positions   Positions         // of "name", "state.x", "settings.retry", "plugins[0]", …
}

// Settings are defaults for every task.
type Settings struct {
	Retry      int           // further tries after a failed one (global_retry); 0 is none
	RetrySleep time.Duration // between tries (global_retry_sleep)
	Timeout    time.Duration // of each task; 0 is none
	Deadline   time.Duration // of the whole run; 0 is the worker's
	Strict     bool          // a negative index is undefined, as in JavaScript, instead of counting from the end
	Parallel   int           // tasks that may run at once where their order leaves it open; 0 is DefaultParallel
}

// DefaultParallel is how many tasks of one run work at once where the document does not say.
const DefaultParallel = 4

// What a document may ask for.
const (
	MaxTasks    = 5000 // in one list: it bounds what a run tells of itself
	MaxRetry    = 1000 // of a task: more is a loop, not a retry
	MaxParallel = 64
)

// A Param is one value that a job gives in its state, declared so that it is checked before any work.
type Param struct {
	Name        string
	Type        ParamType
	Description string
	Required    bool
	Unless      []string        // other params: with Required, one that the job gives stands in
	Default     any             // nil is none; a template like any state value
	order       *nunjucks.Order // of Default
	Enum        []any           // allowed values; nil is any
	Pos         Pos
}

// A ParamType is what a param's value must be.
type ParamType string

const (
	ParamAny     ParamType = "any"
	ParamString  ParamType = "string"
	ParamNumber  ParamType = "number"
	ParamInteger ParamType = "integer"
	ParamBoolean ParamType = "boolean"
	ParamList    ParamType = "list"
	ParamMap     ParamType = "map"
)

// An Entry is one of several pipelines in a document, which share its state, settings, callbacks and plugins.
type Entry struct {
	Name        string
	Description string
	Params      []Param
	Tasks       []Task
	Pos         Pos
}

// A Task is one entry of tasks.
type Task struct {
	ID         string // what after calls it; empty: its name
	Name       string // may be empty: logs then show the index alone; may be a template
	After      []int  // indexes of the tasks that must have ended before, ascending; the one before it where the document says nothing
	Module     string
	When       string // bare expression; empty is true
	Register   string
	Soft       bool           // throw: false; a failure becomes a warning and the run goes on
	Props      map[string]any // unrendered
	Callbacks  map[Event][]Callback
	Retry      *int           // nil: Settings.Retry
	RetrySleep *time.Duration // nil: Settings.RetrySleep
	Timeout    time.Duration  // 0: Settings.Timeout
	GPU        *gpu.Need      // nil: as its module says
	Vars       map[string]any // loop variables around it, from blocks that were expanded; nil is none
	Pos        Pos
	Positions  Positions // of "module", "when", "register", "props", "props.src", …
}

// A Callback is a module that an event runs. It can't change the outcome.
type Callback struct {
	Module    string
	Props     map[string]any // unrendered
	Brought   bool           // by the job's message: it is not the document's own
	Pos       Pos
	Positions Positions
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

// Names are the variables that a callback of e sees besides the state; one of a task sees task too.
func (e Event) Names() []string {
	names := []string{"event", "status", "current_task", "error_message", "processed_count", "execution_time", "callback_id"}
	switch e {
	case OnStdout, OnStderr, OnLog, OnDebug:
		names = append(names, "line", "level")
	}
	return names
}

// Events are those that callbacks listen to, in the order in which they happen.
func Events(of map[Event][]Callback) []Event {
	var events []Event
	for _, ev := range [...]Event{OnStart, OnStdout, OnStderr, OnLog, OnDebug, OnSuccess, OnError, OnFailure, OnEnd} {
		if len(of[ev]) > 0 {
			events = append(events, ev)
		}
	}
	return events
}

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

package engine

import (
	"maps"
	"strconv"
	"time"

	"github.com/millrace/millrace/pipelines"
)

// A firing is one event, as its callbacks see it.
type firing struct {
	on   pipelines.Event
	cbs  []pipelines.Callback
	task int            // index; -1 is the run
	id   string         // of whom it is about, nobody else's, the same on every attempt
	line int            // number of the line that it is about, from 1; 0 is none
	vars map[string]any // besides the state
}

// event is an event of the run as it stands now.
func (r *runner) event(on pipelines.Event) firing {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := firing{on: on, cbs: r.listeners(r.in.Pipeline.Callbacks, on), task: -1, vars: r.scope(on)}
	if n := len(r.reached); n > 0 {
		f.vars["current_task"] = r.reached[n-1].Label()
	}
	f.id = "run"
	if r.run.Failure != nil {
		f.id += "-" + r.run.Failure.Task
		if len(r.reached) == 0 {
			f.vars["current_task"] = r.run.Failure.Task
		}
		f.vars["error_message"] = r.run.Failure.Message
	}
	return f
}

// event is an event of the task as it stands now.
func (s *taskScope) event(on pipelines.Event) firing {
	s.mu.Lock()
	defer s.mu.Unlock()
	vars := maps.Clone(s.task.Vars)
	if vars == nil {
		vars = map[string]any{}
	}
	maps.Copy(vars, s.scope(on))
	vars["current_task"] = s.label()
	vars["task"] = s.shape()
	return firing{on: on, cbs: s.listeners(s.task.Callbacks, on), task: s.index, id: s.id(), vars: vars}
}

// id is the task's, which its name is not: a loop makes as many tasks of one name as it likes.
func (s *taskScope) id() string {
	id := strconv.Itoa(s.index)
	if s.run.Name != "" {
		id += "-" + s.run.Name
	}
	return id
}

// shape is what templates see as `task`. The caller holds mu.
func (s *taskScope) shape() map[string]any {
	return map[string]any{
		"name": s.run.Name, "module": s.run.Module, "index": s.index, "status": string(s.run.Status), "tries": s.run.Tries,
		"output": s.run.Output,
	}
}

// scope is what every callback's templates see besides the state. The caller holds mu.
func (r *runner) scope(on pipelines.Event) map[string]any {
	done := 0
	for _, t := range r.reached {
		if t.Status == Succeeded {
			done++
		}
	}
	vars := map[string]any{
		"event":           string(on),
		"execution_time":  time.Since(r.run.Started).Seconds(),
		"processed_count": done,
		"status":          string(r.run.Status),
		"error_message":   "",
		"current_task":    "",
	}
	if _, ok := r.in.State.Get("name"); !ok {
		vars["name"] = r.in.Pipeline.Name
	}
	return vars
}

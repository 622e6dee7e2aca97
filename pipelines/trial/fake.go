package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
)

// work is what a fake does in place of its module's work. refused is why the module would not have begun.
type work func(spec modules.Spec, c *modules.Call, props map[string]any, refused error) (map[string]any, error)

// A fake has a module's spec and its rules for props.
type fake struct {
	spec  modules.Spec
	check func(props map[string]any) error
	work  work
}

func (f *fake) Spec() modules.Spec { return f.spec }

// Run checks the props as the module would, and does the fake's work.
func (f *fake) Run(_ context.Context, c *modules.Call, props map[string]any) (map[string]any, error) {
	return f.work(f.spec, c, props, fault.As(fault.Permanent, f.check(props)))
}

// A recording is all that happened in one run. Its mutex guards what modules and callbacks write; it is read when the
// run is over.
type recording struct {
	pipeline  *pipelines.Pipeline
	outputs   map[int][]output // by task
	later     []string         // modules whose own rules don't count
	unchecked []string
	run       *engine.Run

	mu      sync.Mutex
	tasks   map[int]*taskRecord // those whose module was run
	told    []told
	refused []string // callbacks that failed, why
}

// A taskRecord is one task as its module saw it.
type taskRecord struct {
	tries  int
	props  map[string]any // of the last try
	output map[string]any // what it returned
}

// told is one callback that was run.
type told struct {
	on, module, task string
	props            map[string]any
}

func (rec *recording) report(_ context.Context, ev engine.Event) {
	if ev.Kind == engine.CallbackFailed {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.refused = append(rec.refused, ev.Error)
	}
}

// task is the work of a task's module: it prints, fails and returns what the test gives.
func (rec *recording) task(spec modules.Spec, c *modules.Call, props map[string]any, refused error) (map[string]any, error) {
	index, _, ok := taskOf(c.State)
	if !ok {
		return nil, errors.New("the engine did not say which task this is")
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	t := rec.tasks[index]
	if t == nil {
		t = new(taskRecord)
		rec.tasks[index] = t
	}
	t.tries++
	t.props = props
	if refused != nil {
		return nil, refused
	}
	given := output{}
	if tries := rec.outputs[index]; len(tries) > 0 {
		given = tries[min(t.tries, len(tries))-1]
	}
	for _, line := range given.prints {
		if _, err := io.WriteString(c.Stdout, line+"\n"); err != nil {
			return nil, fmt.Errorf("print: %w", err)
		}
	}
	if given.fails != "" {
		return nil, fault.As(given.kind, errors.New(given.fails))
	}
	t.output = echo(spec, props)
	maps.Copy(t.output, given.values)
	sets(spec, c.State, props, t.output)
	return t.output, nil
}

// callback is the work of a callback's module.
func (rec *recording) callback(spec modules.Spec, c *modules.Call, props map[string]any, refused error) (map[string]any, error) {
	if refused != nil {
		return nil, refused
	}
	out := echo(spec, props)
	t := told{on: event(c.State), module: spec.Name, props: props}
	if index, name, ok := taskOf(c.State); ok {
		t.task = label(name, index)
	}
	rec.mu.Lock()
	rec.told = append(rec.told, t)
	rec.mu.Unlock()
	sets(spec, c.State, props, out)
	return out, nil
}

// sets does what a module does to the state besides its output: a tool's resultKey, and the time that Now notes.
func sets(spec modules.Spec, s modules.State, props, out map[string]any) {
	if key, ok := props["resultKey"].(string); ok && key != "" {
		s.Set(key, out)
	}
	if key, ok := props["key"].(string); ok && spec.Name == "Now" {
		s.Set(key, clock().Format(time.RFC3339Nano))
	}
}

// echo returns the outputs that repeat props, as src, dest and config do.
func echo(spec modules.Spec, props map[string]any) map[string]any {
	out := map[string]any{}
	outputs := spec.Outputs
	if len(spec.Props) == 0 {
		outputs = []modules.Field{{Name: "src"}, {Name: "dest"}, {Name: "config"}} // of a later version: what all tools return
	}
	for _, o := range outputs {
		spellings := []string{o.Name}
		if i := slices.IndexFunc(spec.Props, func(p modules.Field) bool { return p.Name == o.Name }); i >= 0 {
			spellings = append(spellings, spec.Props[i].Aliases...)
		}
		for _, name := range spellings {
			if v, ok := props[name]; ok {
				out[o.Name] = v
			}
		}
	}
	return out
}

// taskOf is the task that a module is run for, or that a callback is of; ok is false for the run's own callbacks.
func taskOf(s modules.State) (index int, name string, ok bool) {
	v, _ := s.Get("task")
	task, _ := v.(map[string]any)
	index, ok = task["index"].(int)
	name, _ = task["name"].(string)
	return index, name, ok
}

// event is what a callback listened to.
func event(s modules.State) string {
	v, _ := s.Get("event")
	name, _ := v.(string)
	return name
}

// seen is what -v shows.
func (rec *recording) seen() []Seen {
	out := []Seen{}
	for _, t := range rec.run.Tasks {
		s := Seen{Name: label(t.Name, t.Index), Module: t.Module, Status: t.Status}
		if r := rec.tasks[t.Index]; r != nil {
			s.Props = r.props
		}
		out = append(out, s)
	}
	return out
}

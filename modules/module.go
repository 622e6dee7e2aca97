// Package modules defines what a task can do.
package modules

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/workspace"
)

// A Module is one kind of work that a task or a callback can name.
type Module interface {
	Spec() Spec
	// Run does the work. props are rendered and not yet checked: Run checks them against the spec first
	// and returns a permanent *PropError naming the prop and the remedy. It must end soon after ctx does.
	// The returned map is what `register` stores; it is nil when err is not.
	Run(ctx context.Context, c *Call, props map[string]any) (map[string]any, error)
}

// A Spec describes a module. Everything that lists, lints, completes or documents modules reads it.
type Spec struct {
	Name     string   // as pipelines write it
	Aliases  []string // older spellings, still accepted
	Summary  string   // one sentence with a full stop
	Example  string   // one task as YAML
	Props    []Field  // filled in by Define
	Outputs  []Field  // filled in by Define
	Programs []string // external programs it runs, looked up in PATH
	Shell    bool     // runs commands of the pipeline author's choice: operators may forbid it
	// Plugin is the props, unrendered, that a callback module gets as a plugin, for each event. nil: it can't be one.
	Plugin map[string]any
}

// CallbackProps is what a callback's props, unrendered, stand for. One that could be a plugin, and says at most how to
// do its work (a prop with a default) and not on what, does it on the event, as a plugin does.
func (s Spec) CallbackProps(props map[string]any) map[string]any {
	if s.Plugin == nil {
		return props
	}
	for _, f := range s.Props {
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			if _, given := props[name]; given && f.Default == "" {
				return props
			}
		}
	}
	all := maps.Clone(s.Plugin)
	maps.Copy(all, props)
	return all
}

// A Field is one prop or output.
type Field struct {
	Name     string
	Aliases  []string // older spellings, still accepted
	Peers    bool     // the aliases are no older spellings: they are as good as the name
	Type     Type
	Doc      string
	Required bool
	Default  string   // as written in YAML; empty when there is none
	Enum     []string // allowed values; nil is any
	Secret   bool     // never shown: its value goes to the redactor, and it is left out of outputs
	Elem     *Field   // of a list or map: its elements, when they have one type
	Fields   []Field  // of a map with fixed keys: those keys
	// Unit is what a bare number counts, of a Duration; milliseconds unless its tag says unit:"s".
	Unit time.Duration
}

// Type is the JSON type of a field, plus the two that are written as text.
type Type string

const (
	Any      Type = "any"
	String   Type = "string"
	Bool     Type = "boolean"
	Integer  Type = "integer"
	Number   Type = "number"
	Duration Type = "duration" // "10m", or a number of Field.Unit
	List     Type = "list"
	Map      Type = "map"
)

// A Call is everything a module may use. There are no globals to reach for.
type Call struct {
	Log            *slog.Logger   // carries job, task, module
	Workspace      *workspace.Dir // the only files it may touch
	Exec           proc.Runner    // external programs
	Env            []string       // the environment external programs get
	HTTP           *http.Client   // refuses private addresses unless the operator allows them; has no timeout of its own
	Stdout, Stderr io.Writer      // what a person watching the task should see; redacted downstream
	Secret         func(string)   // keep this value out of every log, event and record from now on
	State          State
}

// State is the pipeline's state as a module sees it.
type State interface {
	// Get returns the value at a dotted path. "state" is all of it without reserved keys (a leading "__"),
	// "task" the current task. ok is false where there is nothing.
	Get(path string) (value any, ok bool)
	// Set stores a top-level value.
	Set(name string, value any)
}

// A Validator is implemented by *Props where tags can't say what must hold.
type Validator interface{ Validate() error }

// Package modules defines what a task can do.
package modules

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/chromium"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
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
	Name    string      // as pipelines write it
	Aliases []string    // older spellings, still accepted
	Summary string      // one sentence with a full stop
	Example string      // one task as YAML
	Props   []Field     // filled in by Define
	Outputs []Field     // filled in by Define
	Tools   []tool.Tool // external programs it runs; a worker that lacks one takes no job that names the module
	Extras  []tool.Tool // external programs it runs where there are any: without one it does less, or worse, and says so
	GPU     gpu.Need    // what its work needs, where its task does not say
	Shell   bool        // runs commands of the pipeline author's choice: operators may forbid it
	// Plugin is the props, unrendered, that a callback module gets as a plugin, for each event. nil: it can't be one.
	Plugin map[string]any
}

// Needs is a sentence on what the module needs of a machine; empty is nothing.
func (s Spec) Needs() string {
	var all []string
	for _, t := range s.Tools {
		all = append(all, t.Name)
	}
	switch s.GPU.Use {
	case gpu.Required:
		all = append(all, s.GPU.String())
	case gpu.Preferred:
		all = append(all, "(where there is one) "+s.GPU.String())
	}
	var sentences []string
	if all != nil {
		sentences = append(sentences, "Needs "+strings.Join(all, ", ")+".")
	}
	all = nil
	for _, t := range s.Extras {
		all = append(all, t.Name)
	}
	if all != nil {
		sentences = append(sentences, "Uses, where the machine has it, "+strings.Join(all, ", ")+".")
	}
	return strings.Join(sentences, " ")
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
	Filled   bool     // optional, but an error where it is given and null or empty
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
	Dial           egress.Dialer  // connects where HTTP would: for what speaks something else
	Stdout, Stderr io.Writer      // what a person watching the task should see; redacted downstream
	Secret         func(string)   // keep this value out of every log, event and record from now on
	State          State
	Tools          *tool.Set      // external programs of this machine, by what Spec.Tools says
	Devices        []gpu.Device   // leased for the task, and visible to its programs by Env; none where it needs none, or runs on the CPU
	GPU            gpu.Need       // what the task asked for, by itself or by its module's Spec
	Clouds         cloud.Access   // how to reach the operator's clouds
	Blender        *blender.Warm  // keeps one running for the job's next task; nil: each task starts its own
	Chromium       *chromium.Warm // likewise
	ONNX           *onnx.Warm     // likewise, with the model that it ran last
	// Bucket opens a bucket, if the operator allows jobs to touch it (fault.Permanent where not).
	Bucket func(ctx context.Context, r BucketRef) (Bucket, error)
	// Models opens a file of the operator's models by its name, fs.ErrNotExist where there is none; nil: he has none.
	Models func(ctx context.Context, file string) (io.ReadCloser, error)
	// Progress takes how much of the work is done, 0 to 1, however often it is told; nil: nobody asks.
	Progress func(done float64)
	// Moved counts bytes that came from a bucket, and that went to one; nil: nobody counts.
	Moved func(in, out int64)
	// Facts takes what the task read and made; Define calls it. nil: nobody asks.
	Facts func(Facts)
	// MaySend says whether a message may go, with the operator's keys or to his servers, to a queue or a topic:
	// "sqs://host/account/name", "kafka://topic" (fault.Permanent where not, and a sentence that names it).
	MaySend func(to string) error
}

// A Bucket holds objects of any size. Keys are those of the bucket itself. A key that the operator does not allow is a
// permanent error of each method.
type Bucket interface {
	blob.Store
	blob.Mover
}

// A BucketRef says which bucket, and how to get there.
type BucketRef struct {
	Service  cloud.Service
	Name     string
	Region   string      // empty: the operator's
	Endpoint string      // empty: the operator's; another one is reached only where egress allows it, and never with his keys
	Keys     *cloud.Keys // nil: the operator's
	Create   bool        // make it where there is none
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

// A Prober is implemented by *Props where a look at the input tells what the work will take. The engine calls it with props
// that hold every rule, before Run: what is too large is refused before it has cost anything. What it finds it may keep in
// fields of *Props that are not exported: Run gets the same props.
type Prober interface {
	Probe(ctx context.Context, c *Call) (Demand, error)
}

// A Demand is what a task's work takes, as far as its input tells. 0 is unknown.
type Demand struct {
	Input  int64 // bytes that are read
	Disk   int64 // bytes that are written to the workspace, at most
	Memory int64 // resident bytes, of a program or in this process
}

// Package launch runs one attempt at a job somewhere else than in the worker's own goroutines: in a child process
// (Pool, the default) or, where nothing needs isolating, right here (Inline).
package launch

import (
	"context"
	"time"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
)

// A Request is one attempt at a job.
type Request struct {
	Job      *job.Job    `json:"job"`
	Document []byte      `json:"document"` // the pipeline, YAML or JSON
	Source   string      `json:"source"`   // its name in messages: "hello.yaml"
	Digest   string      `json:"digest"`
	Trusted  bool        `json:"trusted"` // it comes from the operator's catalogue
	Attempt  int         `json:"attempt"` // ours, from 1
	Last     bool        `json:"last"`    // a failure of this attempt is final
	Alone    bool        `json:"alone"`   // no other job runs in this worker
	Epilogue *engine.Run `json:"epilogue,omitzero"`

	// Blame, when set, is called before the job's process is killed for the memory it uses, and when it has died of
	// itself, so that the culprit is known if the worker goes too. The kill waits for it, so it must be quick.
	Blame func(ctx context.Context, f engine.Failure) `json:"-"`

	// Place, when set, is called with the job's workspace before anything of the job runs there; Launch returns its error.
	Place Placer `json:"-"`

	// Host and Keys are the machine as the job may use it, and the operator's keys for its data. Whoever runs the request
	// where it is to run sets them.
	Host engine.Host                                                    `json:"-"`
	Keys func(ctx context.Context, s cloud.Service) (cloud.Keys, error) `json:"-"`
}

// An Outcome is an attempt that is over. Its workspace stands until Close.
type Outcome struct {
	Run       *engine.Run
	Workspace string // the job's folder on this machine; hostile: open it through os.Root
	close     func()
}

// Close removes the workspace and gives the place where the job ran to the next one.
func (o *Outcome) Close() { o.close() }

// A Launcher runs attempts, several at once. A job that failed is an Outcome; an error means that it could not be
// started. When ctx ends the job is stopped, and its run is canceled or failed as the cause says (*engine.Stop).
// Everything the job started is gone when Launch returns.
type Launcher interface {
	Launch(ctx context.Context, req *Request, rep engine.Reporter) (*Outcome, error)
}

// A Runner does a request's work in the folder dir, in this process.
type Runner func(ctx context.Context, dir Dir, req *Request, rep engine.Reporter) *engine.Run

// A Service is what a child does.
type Service struct {
	Run Runner
	// Idle is called, and must return at once, when the child waits for a request that may take its time; there is none then. What
	// it starts must be gone when the next one is over. nil does nothing.
	Idle func()
}

// A Setup is what a child is told before it confines itself and looks at a job.
type Setup struct {
	Dir     Dir               `json:"dir"`
	Read    []string          `json:"read,omitzero"`    // paths it may read besides the system's
	Devices []string          `json:"devices,omitzero"` // device files it may use, by their ioctls too
	Confine bool              `json:"confine"`          // by Landlock, as far as the kernel has it
	Memory  int64             `json:"memory,omitzero"`  // soft limit of its own heap, bytes
	Env     map[string]string `json:"env,omitzero"`     // what templates may read
	Policy  Policy            `json:"policy"`
	Tools   Tools             `json:"tools,omitzero"`
	Warm    []string          `json:"warm,omitzero"` // programs that it starts while it waits for a job; nil: it is not told to
}

// Tools are what a child is told of the machine's external programs.
type Tools struct {
	Found  []tool.Found `json:"found,omitzero"` // the child does not look for them again
	Folder string       `json:"folder,omitzero"`
	// Compiled is the folder of WebAssembly that the worker compiled; Setup.Read must have it.
	Compiled string                 `json:"compiled,omitzero"`
	Limits   map[string]proc.Limits `json:"limits,omitzero"` // the operator's, by the tool's name
}

// A Policy is what the operator allows jobs.
type Policy struct {
	AllowHosts   []string      `json:"allow_hosts,omitzero"` // private hosts that may be reached
	AllowPrivate bool          `json:"allow_private,omitzero"`
	Limits       engine.Limits `json:"limits,omitzero"`    // of what a task may take
	Shell        string        `json:"shell,omitzero"`     // ShellCatalogue (the default), ShellAll, ShellNone
	Report       string        `json:"report,omitzero"`    // which runs get a report: a report.When
	Documents    string        `json:"documents,omitzero"` // folder of the operator's documents; empty is none
	Models       string        `json:"models,omitzero"`    // folder of the operator's models; empty is none
	// Clouds is how the operator's data is reached. In a child its Keys are asked for when they are needed.
	Clouds    cloud.Access `json:"clouds,omitzero"`
	AnyBucket bool         `json:"any_bucket,omitzero"` // pipelines of messages, too, may touch any bucket where none are listed
}

// Who may run programs of a pipeline's own choice.
const (
	ShellCatalogue = "catalogue" // pipelines of the operator's catalogue
	ShellAll       = "all"       // inline ones too
	ShellNone      = "none"
)

// A toChild is one line on a child's stdin; one field is set.
type toChild struct {
	Setup   *Setup       `json:"setup,omitzero"`
	Request *Request     `json:"request,omitzero"`
	Stop    *engine.Stop `json:"stop,omitzero"`
	Answer  *answer      `json:"answer,omitzero"`
	Idle    bool         `json:"idle,omitzero"` // no request is there that it would run
}

// A fromChild is one line of a child's events; one field is set.
type fromChild struct {
	Ready *Ready        `json:"ready,omitzero"`
	Event *engine.Event `json:"event,omitzero"`
	Ask   *ask          `json:"ask,omitzero"`
	Done  *engine.Run   `json:"done,omitzero"`
}

// Confined begins the word of a child that is confined.
const Confined = "Landlock"

// Ready is a child's word that it waits for a job.
type Ready struct {
	Confined string        `json:"confined"` // what confines it, or why nothing does
	Took     time.Duration `json:"took"`     // from its main to here
}

// The longest lines that either side takes, in bytes.
const (
	maxRequest = 128 << 20 // a message of at most payload.Most and its pipeline; JSON writes a character with up to six
	maxEvent   = 8 << 20   // an output that the engine has clipped
)

package engine

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// Status is how a run or a task stands.
type Status string

const (
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Skipped   Status = "skipped"  // tasks only: `when` was false
	Canceled  Status = "canceled" // stopped from outside: shutdown, lost lease, cancel
)

// A Run is one execution of a pipeline.
type Run struct {
	Pipeline string         `json:"pipeline"`
	Digest   string         `json:"digest,omitzero"`
	Status   Status         `json:"status"`
	Started  time.Time      `json:"started"`
	Ended    time.Time      `json:"ended,omitzero"`
	Entry    string         `json:"entry,omitzero"` // of the document, where it has several
	Tasks    []TaskRun      `json:"tasks"`          // those that were reached, in the order they started
	Total    int            `json:"total"`          // tasks in the document
	Warnings []string       `json:"warnings,omitzero"`
	Failure  *Failure       `json:"failure,omitzero"` // why Status is failed or canceled
	Result   map[string]any `json:"result,omitzero"`  // what tasks registered, by key
	Report   string         `json:"report,omitzero"`  // name of our page about the run in the outputs folder, if it has one
	// GPUSeconds is how long its tasks have had GPUs, times how many they had.
	GPUSeconds float64 `json:"gpuSeconds,omitzero"`
}

// UnmarshalJSON reads a Run back, with its numbers as they were.
func (r *Run) UnmarshalJSON(b []byte) error {
	type plain Run // without this method
	return modules.UnmarshalJSON(b, (*plain)(r))
}

// A TaskRun is one task of a run.
type TaskRun struct {
	Index   int            `json:"index"`         // in the document, from 0
	Name    string         `json:"name,omitzero"` // or id
	Module  string         `json:"module"`
	Status  Status         `json:"status"`
	Soft    bool           `json:"soft,omitzero"` // throw: false
	Tries   int            `json:"tries,omitzero"`
	Started time.Time      `json:"started,omitzero"`
	Ended   time.Time      `json:"ended,omitzero"`
	Output  map[string]any `json:"output,omitzero"` // redacted and clipped: for people, and for an epilogue
	Set     map[string]any `json:"set,omitzero"`    // what else it changed in the state (Now, resultKey), likewise
	Failure *Failure       `json:"failure,omitzero"`
	// Device is what it ran on, where it had a use for a GPU: the name of one, or "cpu". GPUSeconds is how long it had GPUs,
	// times how many.
	Device     string  `json:"device,omitzero"`
	GPUSeconds float64 `json:"gpuSeconds,omitzero"`
	// Progress is how much of its work is done, 0 to 1, while it runs, where its module can tell.
	Progress float64 `json:"progress,omitzero"`
	// BytesIn and BytesOut are what it has fetched from buckets and sent to them, all tries together.
	BytesIn  int64 `json:"bytesIn,omitzero"`
	BytesOut int64 `json:"bytesOut,omitzero"`
	// Read and Made are the files that it read and made in its workspace, where its module says so.
	Read []modules.File `json:"read,omitzero"`
	Made []modules.File `json:"made,omitzero"`
}

// UnmarshalJSON reads a TaskRun back, with its numbers as they were.
func (t *TaskRun) UnmarshalJSON(b []byte) error {
	type plain TaskRun // without this method
	return modules.UnmarshalJSON(b, (*plain)(t))
}

// Label is what messages call the task: its name or id, or "#2".
func (t *TaskRun) Label() string { return taskLabel(t.Index, t.Name) }

// A Failure is an error that can cross a process: its text and what may be done about it.
type Failure struct {
	Kind    fault.Kind    `json:"kind,omitzero"`
	Reason  Reason        `json:"reason,omitzero"`
	Task    string        `json:"task,omitzero"`
	Place   string        `json:"place,omitzero"` // of the task in its document: "hello.yaml:12:3"
	Message string        `json:"message"`
	After   time.Duration `json:"after,omitzero"` // do not retry sooner, with Kind transient
	Class   string        `json:"class,omitzero"` // with Reason unfit: of workers that could run the job; empty is not known
	Busy    bool          `json:"busy,omitzero"`  // with Reason unfit: this one could, but other jobs have what it needs
	Alone   bool          `json:"alone,omitzero"` // with Reason unfit: this one could, with nothing else to do
}

func (f *Failure) Error() string { return f.Message }

// Reason names the outcomes that are not simply "a task failed".
type Reason string

const (
	Timeout   Reason = "timeout"    // a task ran past its own timeout
	Deadline  Reason = "deadline"   // the job ran past its deadline
	Crash     Reason = "crash"      // the process that ran the job died
	Bug       Reason = "bug"        // the worker failed at the job: our doing
	OOM       Reason = "oom"        // the job used more memory than it may, or than there is
	Shutdown  Reason = "shutdown"   // the worker is going away: an interruption
	LeaseLost Reason = "lease_lost" // the message is somebody else's now: an interruption
	Killed    Reason = "killed"     // somebody else killed a program that a task ran
	Cancel    Reason = "cancel"     // somebody asked for it
	Unfit     Reason = "unfit"      // this worker can't run the job, another may: an interruption
	GPULost   Reason = "gpu_lost"   // a GPU failed under a task: an interruption
	DiskFull  Reason = "disk_full"  // nothing more could be written
	TooLarge  Reason = "too_large"  // the work needs more than the operator admits
)

// Interruption says whether r is none of the job's doing, so that it must not count against its attempts.
func (r Reason) Interruption() bool {
	return r == Shutdown || r == LeaseLost || r == Unfit || r == GPULost
}

// A Stop is the cause of a context that was ended from outside.
type Stop struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
	Class   string `json:"class,omitzero"` // with Reason unfit: see Failure
	Busy    bool   `json:"busy,omitzero"`  // the same
	Alone   bool   `json:"alone,omitzero"` // the same
	Now     bool   `json:"-"`              // no grace: a process that runs the job is killed, and not asked to end it
}

func (s *Stop) Error() string { return s.Message }

// Fail turns what a task or a run ended with into a Failure. The cause of ctx, when it is a Stop, names the reason, else err
// does, when it is one.
func Fail(ctx context.Context, task string, err error) *Failure {
	f := &Failure{Kind: fault.Of(err), Task: task, Message: err.Error(), After: fault.Delay(err)}
	stop, ok := errors.AsType[*Stop](context.Cause(ctx))
	if own, is := errors.AsType[*Stop](err); !ok && is && own.Reason.Interruption() {
		stop, ok = own, true
	}
	if !ok {
		var kind fault.Kind
		f.Reason, kind = named(err)
		f.Kind = cmp.Or(f.Kind, kind)
		return f
	}
	f.Reason, f.Message, f.Class, f.Busy, f.Alone = stop.Reason, stop.Message, stop.Class, stop.Busy, stop.Alone
	switch {
	case stop.Reason.Interruption():
		f.Kind = fault.Canceled
	case stop.Reason == Cancel:
		f.Kind = fault.Permanent
	default:
		f.Kind = fault.Unknown
	}
	return f
}

// Final says that no further attempt can change the outcome.
func Final(f *Failure) bool { return f != nil && f.Kind == fault.Permanent }

// Package record is a job's life, written down in the store: readable while the job runs, and after every worker is
// gone.
//
// # The objects
//
// Nothing is overwritten, but the callback of a job that was given up and got through in the end. Each object is created
// once, by one writer, and what a crash leaves is always a prefix of the sequence below. Those of the outbox are removed
// when they are dealt with.
//
//	jobs/<hash2>/<job id>/attempt-<n>          claims attempt n; whoever creates it runs the job
//	jobs/<hash2>/<job id>/progress-<n>-<seq>   how attempt n stands, now and then while it runs
//	jobs/<hash2>/<job id>/log-<n>-<seq>        what attempt n printed: engine.Event, one JSON object a line
//	jobs/<hash2>/<job id>/attempt-<n>.end      attempt n is over and another may follow
//	jobs/<hash2>/<job id>/wait-<n>-<delivery>  why the job waits, after attempt n; 0 is before the first
//	jobs/<hash2>/<job id>/final                the job is over: the commit
//	jobs/<hash2>/<job id>/callback             nothing more is owed to the callback's receiver
//	jobs/<hash2>/<job id>/owed-<n>             the completion callback did not get through for the nth time; its next try
//	jobs/<hash2>/<job id>/cancel               somebody wants the job stopped
//	jobs/<hash2>/<job id>/sent                 it came with others in one message, and has one of its own by now: Sent
//	jobs/<hash2>/<job id>/crumb-<n>            attempt n took its process down, or is about to; counts where n has no end
//	jobs/<hash2>/<job id>/quarantine           a Quarantine: why no worker runs the job any more
//	index/<UTC date>/<inverted time>-<job id>  empty; a listing of a day is newest first
//	artifacts/<job id>/<n>/<path>              what attempt n published; artifacts-<d>d/ where the job says for how long, up to d days
//	outbox/due/<UTC time>-<job id>             a callback that is owed, and when it is due: Entry
//	outbox/claims/<UTC time>-<job id>.<n>      who delivers it in the nth five minutes since then
//	outbox/exhausted/<job id>                  a callback that was given up: Entry
//	outbox/gone/<SHA-256 of a URL>             a receiver that wants no more callbacks
//	pipelines/<name>/<SHA-256>                 a document of the catalogue that jobs ran; kept before the first of them is claimed
//
// hash2 is the first two hex digits of the job id's SHA-256. The objects of a job's folder that carry a state, attempt,
// progress, end, wait and final, are all a Record as it stood at that moment; record.schema.json describes it. So
// reading a job is finding the newest one.
//
// # What holds
//
// One final stands for a job, whoever else ran it: the loser of that create is superseded. One attempt number has one
// owner. A write whose fate is unknown is read back and known by its owner's token. A job that is short and has no
// callback costs four writes: claim, index, log, final; the claim and the final are durable when they return.
package record

import (
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines/engine"
)

// Status is how a job stands.
type Status string

const (
	Queued    Status = "QUEUED"    // known, not begun
	Running   Status = "RUNNING"   // an attempt is claimed and has not ended
	Retrying  Status = "RETRYING"  // an attempt ended, another will follow
	Succeeded Status = "SUCCEEDED" // every task that had to pass passed
	Failed    Status = "FAILED"    // it can never pass
	Dead      Status = "DEAD"      // its attempts are used up, or it was quarantined
	Cancelled Status = "CANCELLED" // somebody stopped it
)

// Final says whether nothing follows.
func (s Status) Final() bool {
	return s == Succeeded || s == Failed || s == Dead || s == Cancelled
}

// Phase is the coarse form of a status: Pending is QUEUED and RETRYING, Failed is FAILED, DEAD and CANCELLED.
type Phase string

const (
	PhasePending   Phase = "Pending"
	PhaseRunning   Phase = "Running"
	PhaseSucceeded Phase = "Succeeded"
	PhaseFailed    Phase = "Failed"
)

// ProcessingState is the phase in the words of progress reports.
type ProcessingState string

const (
	Waiting   ProcessingState = "WAITING"   // message: pending
	Executing ProcessingState = "EXECUTING" // no message
	Complete  ProcessingState = "COMPLETE"  // message: succeeded or failed
)

// AttemptStatus is how one attempt stands.
type AttemptStatus string

const (
	AttemptRunning     AttemptStatus = "running"
	AttemptSucceeded   AttemptStatus = "succeeded"
	AttemptFailed      AttemptStatus = "failed"      // counts against the job's attempts
	AttemptInterrupted AttemptStatus = "interrupted" // drain, lost lease, lost GPU: does not count
	AttemptDied        AttemptStatus = "died"        // a later attempt found it claimed, without an end and without a crumb
	AttemptCanceled    AttemptStatus = "canceled"
)

// A Record is all that is known of a job at one moment. Its JSON form is published (record.schema.json): fields may be
// added, none is renamed or removed. Everything in it is redacted already.
type Record struct {
	ID         string `json:"id"`
	Name       string `json:"name,omitzero"`
	Title      string `json:"title,omitzero"`
	CID        string `json:"cid,omitzero"`
	LinkID     string `json:"linkId,omitzero"`
	CustomerID string `json:"customerId,omitzero"`
	ExternalID string `json:"externalId,omitzero"`

	Pipeline string `json:"pipeline,omitzero"` // as the job names it
	Digest   string `json:"digest,omitzero"`   // of the document that ran
	Entry    string `json:"entry,omitzero"`    // of the document, where it has several

	Status Status `json:"status"`
	Phase  Phase  `json:"phase"`
	// Reason names an outcome that is not simply "a task failed".
	Reason engine.Reason `json:"reason,omitzero"`
	// Message is, after a failure, the error and the end of the log: its last 20 lines, of these the last 500 characters.
	Message string `json:"message,omitzero"`

	Enqueued time.Time `json:"enqueued,omitzero"`
	Started  time.Time `json:"startedAt,omitzero"`  // of the first attempt
	Finished time.Time `json:"finishedAt,omitzero"` // of the job; not set while more may follow
	Updated  time.Time `json:"updatedAt"`           // when this was written
	PodName  string    `json:"podName,omitzero"`    // pod or host of the newest attempt
	// LatencyMs is from Enqueued to Finished, in milliseconds.
	LatencyMs int64 `json:"latencyMs,omitzero"`
	// GPUSeconds is how long the job has had GPUs, times how many, in all its attempts that have ended.
	GPUSeconds float64 `json:"gpuSeconds,omitzero"`

	ArtifactPath string     `json:"artifactPath,omitzero"` // the keys of Artifacts begin with it
	Artifacts    []Artifact `json:"artifacts,omitzero"`
	// Expire is when Artifacts have had the time that the job gave them; not set where it gave none, and while it is not over.
	Expire     time.Time `json:"artifactsExpireAt,omitzero"`
	Report     string    `json:"report,omitzero"`     // key of the page about the job, which is one of Artifacts
	Quarantine string    `json:"quarantine,omitzero"` // key of what was kept of a job that no worker runs any more

	Attempts    []AttemptRecord  `json:"attempts,omitzero"` // but those of Folded
	Folded      *Folded          `json:"foldedAttempts,omitzero"`
	MaxAttempts int              `json:"maximumAttempts,omitzero"`
	Total       int              `json:"total,omitzero"` // tasks in the pipeline
	Tasks       []engine.TaskRun `json:"tasks,omitzero"` // of the newest attempt, those that were reached; without output while it runs
	Result      map[string]any   `json:"result,omitzero"`
	Warnings    []string         `json:"warnings,omitzero"`
	// Diagnostics are, after a failure, the last 10 lines of the log.
	Diagnostics []Diagnostic `json:"diagnosticEvents,omitzero"`

	// PercentComplete is completed tasks, and what is done of those that run, × 100 / Total; 100 when the job has succeeded.
	PercentComplete        int             `json:"percentComplete"`
	ProcessingState        ProcessingState `json:"processingState"`
	ProcessingStateMessage string          `json:"processingStateMessage,omitzero"`

	CancelRequested *Cancellation `json:"cancelRequested,omitzero"` // not yet obeyed
	Callback        *Delivery     `json:"callback,omitzero"`        // nil until nothing more is owed to the callback's receiver
	Owed            *Owed         `json:"callbackOwed,omitzero"`    // a callback that was tried and is owed

	Owner string `json:"owner,omitzero"` // random; the attempt that wrote this
}

// UnmarshalJSON reads a Record back, with its numbers as they were: written again it is the same text.
func (r *Record) UnmarshalJSON(b []byte) error {
	type plain Record // without this method
	return modules.UnmarshalJSON(b, (*plain)(r))
}

// An AttemptRecord is one attempt at a job.
type AttemptRecord struct {
	N       int             `json:"n"` // from 1
	Status  AttemptStatus   `json:"status"`
	Reason  engine.Reason   `json:"reason,omitzero"`
	Failure *engine.Failure `json:"failure,omitzero"`
	Started time.Time       `json:"started"`
	Ended   time.Time       `json:"ended,omitzero"`
	// GPUSeconds is how long it has had GPUs, times how many.
	GPUSeconds float64 `json:"gpuSeconds,omitzero"`
	Begun      bool    `json:"begun,omitzero"` // with reason unfit: it had run a task, or taken more than a minute
	Alone      bool    `json:"alone,omitzero"` // it had its worker to itself: earlier ones took theirs down, or their process
	Worker     string  `json:"worker,omitzero"`
	Host       string  `json:"host,omitzero"`
}

// An Artifact is one object that a job published.
type Artifact struct {
	Path   string `json:"path"` // as the job named it
	Key    string `json:"key"`  // in the store
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// A Diagnostic is one line of the log.
type Diagnostic struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// A Cancellation is the wish that a job stop.
type Cancellation struct {
	Time time.Time `json:"time"`
	Why  string    `json:"why,omitzero"`
}

// Owed is a completion callback that was tried and is not yet done with.
type Owed struct {
	Round int       `json:"round"` // rounds of tries that have failed, from 1; the first round has up to three tries
	Time  time.Time `json:"time"`  // of the last try
	Tries int       `json:"tries"` // so far
	Error string    `json:"error"` // of the last one
	Next  time.Time `json:"next"`  // when it is due again
}

// A Delivery is a completion callback that is done with.
type Delivery struct {
	Time   time.Time `json:"time"`
	Tries  int       `json:"tries"`
	Status int       `json:"status"`         // HTTP status of the last answer; 0 is none
	Error  string    `json:"error,omitzero"` // why it was given up; empty when it was delivered
}

// set gives r a status and what follows from it.
func (r *Record) set(s Status) {
	r.Status = s
	switch s {
	case Succeeded:
		r.Phase, r.ProcessingState, r.ProcessingStateMessage = PhaseSucceeded, Complete, "succeeded"
	case Failed, Dead, Cancelled:
		r.Phase, r.ProcessingState, r.ProcessingStateMessage = PhaseFailed, Complete, "failed"
	case Running:
		r.Phase, r.ProcessingState, r.ProcessingStateMessage = PhaseRunning, Executing, ""
	default:
		r.Phase, r.ProcessingState, r.ProcessingStateMessage = PhasePending, Waiting, "pending"
	}
	r.PercentComplete = percent(s, r.Total, r.Tasks)
}

// percent counts a task as complete when it has succeeded, was skipped, or failed softly. A task that runs counts
// nothing: tasks don't report how far they are.
func percent(s Status, total int, tasks []engine.TaskRun) int {
	if s == Succeeded {
		return 100
	}
	total = max(total, len(tasks))
	if total == 0 {
		return 0
	}
	done := 0.0
	for _, t := range tasks {
		if s == Running && t.Status == engine.Running {
			done += t.Progress
		}
		if t.Status == engine.Succeeded || t.Status == engine.Skipped || (t.Status == engine.Failed && t.Soft) {
			done++
		}
	}
	return int(done * 100 / float64(total))
}

package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines/engine"
)

// An Outcome is how an attempt went.
type Outcome struct {
	// Status is the job's: for Commit one that is final, for End it is not looked at.
	Status Status
	// Attempt is the attempt's own. For End it is AttemptFailed or AttemptInterrupted; for Commit it may be empty and
	// follows from Status.
	Attempt AttemptStatus
	// Reason names the outcome where the failure does not.
	Reason engine.Reason
	// Run is what the engine tells; nil when the run died or never began: the record then has what the log saw.
	Run *engine.Run
	// Failure is why; nil takes the run's.
	Failure *engine.Failure
	// Quarantine, for Commit, is kept beside the final record. Commit fills in what the record knows.
	Quarantine *Quarantine
}

// End writes that this attempt is over and that another may follow. Doing so again changes nothing.
func (a *Attempt) End(ctx context.Context, o Outcome) error {
	r := a.record(ctx, o)
	r.last().Status = o.Attempt
	r.set(Retrying)
	if _, err := a.book.create(ctx, endKey(r.ID, a.N), r); err != nil {
		return fmt.Errorf("end attempt %d of job %s: %w", a.N, r.ID, err)
	}
	return nil
}

// Commit ends the job, once and for all: when it returns nil the final record is this attempt's, and durable. It
// returns the record that stands, and with it ErrSuperseded when that is another attempt's. After any other error the
// job may be over or not; Commit again, or let the message be delivered again.
func (a *Attempt) Commit(ctx context.Context, o Outcome) (*Record, error) {
	if !o.Status.Final() {
		return nil, fmt.Errorf("commit job %s: %s is no final status", a.claimed.ID, o.Status)
	}
	r := a.record(ctx, o)
	r.Finished = r.Updated
	if a.keep != nil {
		r.Expire = r.Finished.Add(*a.keep)
	}
	r.LatencyMs = max(0, r.Finished.Sub(r.Enqueued).Milliseconds())
	r.last().Status = cmp.Or(o.Attempt, attemptOf(o.Status))
	r.set(o.Status)
	if a.Unlisted != nil {
		a.Unlisted = a.book.list(ctx, a.claimed)
	}
	if err := a.quarantine(ctx, r, o); err != nil {
		return nil, err
	}
	standing, err := a.book.create(ctx, finalKey(r.ID), r)
	if errors.Is(err, blob.ErrExists) {
		return standing, ErrSuperseded
	}
	if err != nil {
		return nil, fmt.Errorf("commit job %s: %w", r.ID, err)
	}
	return standing, nil
}

func attemptOf(s Status) AttemptStatus {
	switch s {
	case Succeeded:
		return AttemptSucceeded
	case Cancelled:
		return AttemptCanceled
	default:
		return AttemptFailed
	}
}

// record is the claim's record with all that is known since.
func (a *Attempt) record(ctx context.Context, o Outcome) *Record {
	if a.log != nil {
		a.log.settle(ctx)
	}
	r := a.snapshot()
	last := r.last()
	last.Ended = r.Updated
	failure := o.Failure
	if o.Run != nil {
		r.Total, r.Tasks = o.Run.Total, o.Run.Tasks
		r.Result, r.Warnings = o.Run.Result, o.Run.Warnings
		r.Digest = cmp.Or(r.Digest, o.Run.Digest)
		r.Entry = o.Run.Entry
		r.Report = reportOf(o.Run, r.Artifacts)
		last.GPUSeconds = o.Run.GPUSeconds
		failure = cmp.Or(failure, o.Run.Failure)
	}
	if r.Folded != nil {
		r.GPUSeconds = r.Folded.GPUSeconds
	}
	for _, a := range r.Attempts {
		r.GPUSeconds += a.GPUSeconds
	}
	r.GPUSeconds = math.Round(r.GPUSeconds*1000) / 1000
	last.Reason = o.Reason
	last.Failure = failure
	if failure != nil {
		last.Reason = cmp.Or(o.Reason, failure.Reason)
		r.Message = failure.Message
		if a.log != nil {
			r.Message, r.Diagnostics = a.log.explain(failure.Message)
		}
	}
	r.Reason = last.Reason
	last.Begun = last.Reason == engine.Unfit && r.begun()
	return r
}

// reportOf is the key of the page that the run says is ours. A file of such a name alone is the job's own.
func reportOf(run *engine.Run, artifacts []Artifact) string {
	if run.Report == "" {
		return ""
	}
	for _, a := range artifacts {
		if a.Path == run.Report {
			return a.Key
		}
	}
	return ""
}

// snapshot is the claim's record with what was published, and reached as far as the log saw.
func (a *Attempt) snapshot() *Record {
	r := *a.claimed
	r.Updated = a.book.now()
	r.Attempts = slices.Clone(r.Attempts)
	a.mu.Lock()
	r.Artifacts = slices.Clone(a.artifacts)
	a.mu.Unlock()
	if len(r.Artifacts) > 0 {
		r.ArtifactPath = a.dir()
	}
	if a.log != nil {
		a.log.reached(&r)
	}
	return &r
}

package worker

import (
	"cmp"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// A Settlement is what became of an attempt, in numbers.
type Settlement struct {
	Pipeline string // its name in the catalogue; "inline" where the message brought it, "none" where it named none that is there
	Outcome  string // Succeeded and so on
	// Reason says why an attempt was interrupted, or a job quarantined: an engine.Reason, else "worker" (it could not be run, or
	// what it did not be kept), "unsettled" (the store or the broker did not take its outcome), "history" (its earlier attempts).
	Reason      string
	Quarantined bool
	Duration    time.Duration
	Waited      time.Duration // from the sending of the message to the start of the job's first attempt; 0 for any other
	Latency     time.Duration // from the sending of the message to the end of the job; 0 where that is not over
	GPUSeconds  float64
	Published   int64            // bytes of outputs that were stored
	Tasks       []engine.TaskRun // those that were reached
}

// What becomes of an attempt. Of the first four its job is over.
const (
	Succeeded   = "succeeded"
	Failed      = "failed"      // for good
	Dead        = "dead"        // its attempts are used up, or it is quarantined
	Cancelled   = "cancelled"   // somebody asked for it
	Retried     = "retried"     // it failed, and another attempt follows
	Interrupted = "interrupted" // none of its doing: another attempt follows, at no cost
	Released    = "released"    // this worker can't run the job
	Lost        = "lost"        // the message is another's, or comes again unanswered
)

// Outcomes are all of them.
func Outcomes() []string {
	return []string{Succeeded, Failed, Dead, Cancelled, Retried, Interrupted, Released, Lost}
}

// tell tells in numbers what has become of the attempt, and its message (v). run is nil where nothing ran, final where the job
// is not over.
func (a *attempt) tell(v verdict, run *engine.Run, final *record.Record) {
	s := Settlement{
		Pipeline: a.pipelineLabel(), Outcome: a.outcome(v, final), Duration: time.Since(a.started), Published: a.published,
	}
	switch s.Outcome {
	case Interrupted:
		s.Reason = a.interruption()
	case Dead:
		if s.Quarantined = a.judged.keep; s.Quarantined {
			s.Reason = string(cmp.Or(a.failure.Reason, "history"))
		}
	}
	if run != nil {
		s.GPUSeconds, s.Tasks = run.GPUSeconds, run.Tasks
	}
	if sent := a.job.Enqueued; a.record != nil && a.record.N == 1 && !sent.IsZero() {
		s.Waited = max(0, a.started.Sub(sent))
	}
	if final != nil && (v == ack || v == bury) && !a.job.Enqueued.IsZero() {
		s.Latency = max(0, final.Finished.Sub(final.Enqueued))
	}
	a.worker.cfg.Settled(s)
}

func (a *attempt) outcome(v verdict, final *record.Record) string {
	switch {
	case v == drop:
		return Lost
	case v == released:
		return Released
	case v == nack && (a.judged.free || a.judged.verdict != nack && a.judged.verdict != ""):
		return Interrupted
	case v == nack:
		return Retried
	case final == nil: // its records are damaged
		return Failed
	}
	return strings.ToLower(string(final.Status))
}

// interruption is why the attempt was.
func (a *attempt) interruption() string {
	if a.judged.verdict != nack {
		return "unsettled"
	}
	return string(cmp.Or(a.failure.Reason, "worker"))
}

// pipelineLabel is a name of the catalogue, or a word for what is none.
func (a *attempt) pipelineLabel() string {
	switch {
	case a.job.Inline != nil:
		return "inline"
	case a.req == nil:
		return "none"
	}
	return nameOf(a.req.Source)
}

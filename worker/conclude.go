package worker

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/record"
)

const (
	lateTimeout = 20 * time.Second // for recording an outcome once the worker is going: with the answer it fits into 30 s
	tryTimeout  = 30 * time.Second // for one try of it: a connection that hangs is given up
	firstRetry  = 250 * time.Millisecond
	lastRetry   = 10 * time.Second
)

// conclude publishes what the attempt left, records how it ended and answers the broker. out is nil when nothing ran;
// err then says why. Nothing is published or committed once the lease is known to be lost.
func (a *attempt) conclude(job context.Context, out *launch.Outcome, err error) {
	var run *engine.Run
	if out != nil {
		run = out.Run
	}
	j := judge(run, err, a.standing)
	if j.status == record.Succeeded && a.lease.Lost() == nil {
		err = a.publish(job, out.Workspace)
		switch {
		case err == nil:
		case fault.Of(err) == fault.Transient: // the store's doing, not the job's
			j = judge(run, err, a.standing)
		default: // what it did can't be had: it has failed
			run.Status, run.Failure = engine.Failed, &engine.Failure{Kind: fault.Of(err), Message: err.Error()}
			err = nil
			j = judge(run, nil, a.standing)
		}
	}
	if a.lease.Lost() != nil {
		j = judgement{verdict: drop} // whatever the job made of it
	}
	failure := failureOf(run, err)
	switch j.verdict {
	case drop:
		// The message is somebody else's, but this attempt is ours: without its end it would count as a death.
		if lost := a.lease.Lost(); lost != nil {
			failure = &engine.Failure{Reason: engine.LeaseLost, Message: lost.Error()}
		}
		a.end(job, record.Outcome{Attempt: record.AttemptInterrupted, Run: run, Failure: failure})
		a.log.WarnContext(job, "job dropped", "verdict", drop, "attempt", a.record.N, "duration", time.Since(a.started), "err", failure)
	case nack:
		o := record.Outcome{Attempt: record.AttemptFailed, Run: run, Failure: failure}
		if j.free {
			o.Attempt = record.AttemptInterrupted
		}
		a.end(job, o)
		j.reason, j.status = failure.Message, record.Retrying
		a.settle(job, j, nil)
	default:
		a.commit(job, run, failure, j)
	}
}

// end records how an attempt ended that does not decide its job. Where the store takes no more than a word, that has
// to do: a claim without an end counts as a dead worker.
func (a *attempt) end(job context.Context, o record.Outcome) {
	ctx, cancel := a.lingering(job)
	defer cancel()
	err := a.persist(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		err := a.record.End(ctx, o)
		if err != nil && o.Run != nil {
			o.Run = nil
			err = a.record.End(ctx, o)
		}
		return err
	})
	if err != nil {
		a.log.ErrorContext(ctx, "attempt not recorded", "err", err)
	}
}

// commit writes the job's final record and answers the broker. The work is done by then, and expensive: a store that
// fails is asked again for as long as the lease is held, within the worker's patience.
func (a *attempt) commit(job context.Context, run *engine.Run, failure *engine.Failure, j judgement) {
	o := record.Outcome{Status: j.status, Run: run}
	if j.status != record.Succeeded {
		o.Failure = failure
	}
	if j.keep {
		f := *failure
		f.Message = j.reason
		o.Failure, o.Quarantine = &f, a.quarantine()
	}
	ctx, cancel := a.lingering(job)
	defer cancel()
	var final *record.Record
	err := a.persist(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		final, err = a.record.Commit(ctx, o)
		return err
	})
	switch {
	case errors.Is(err, record.ErrSuperseded):
		a.yield(job, final)
	case err == nil:
		a.settle(job, j, final)
	default: // not recorded, so not answered
		a.log.ErrorContext(ctx, "outcome not recorded", "err", err)
		stop := &engine.Failure{Message: "the store did not take the outcome: " + err.Error()}
		a.end(job, record.Outcome{Attempt: record.AttemptInterrupted, Failure: stop})
		a.handBack(job, a.bounced(), stop.Message)
	}
}

// yield answers the broker for an attempt that another one was faster than. The callback is the other's to send; where
// there is one, the message comes again in a while, in case the other died before it did.
func (a *attempt) yield(ctx context.Context, final *record.Record) {
	a.log.InfoContext(ctx, "attempt superseded", "status", final.Status)
	if a.callbackURL() == "" {
		a.settle(ctx, judgeFinal(final), nil)
		return
	}
	a.handBack(ctx, jitter(firstBackoff), record.ErrSuperseded.Error())
}

// callbackURL is where the job's outcome is posted to; empty is nowhere.
func (a *attempt) callbackURL() string {
	if a.job.Callback != nil {
		return a.job.Callback.URL
	}
	return a.worker.cfg.CallbackURL
}

// persist calls f until it passes, with longer and longer waits. It returns f's last error when that is permanent or says
// that another attempt was faster, when the lease is lost, when f has failed for as long as the worker is patient, or when ctx ends.
func (a *attempt) persist(ctx context.Context, f func() error) error {
	var since time.Time // of the first failure
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := f()
		switch {
		case err == nil, errors.Is(err, record.ErrSuperseded), fault.Of(err) == fault.Permanent, a.lease.Lost() != nil:
			return err
		case since.IsZero():
			since = time.Now()
			a.log.WarnContext(ctx, "store write failed", "err", err)
		case time.Since(since) > a.worker.cfg.Patience:
			return err
		}
		if !pause(ctx, jitter(wait)) {
			return err
		}
	}
}

// lingering returns a context for recording what a job did: it lasts as long as the worker is patient, and no longer than
// lateTimeout after job has ended.
func (a *attempt) lingering(job context.Context) (context.Context, context.CancelFunc) {
	patience := a.worker.cfg.Patience
	ctx, cancel := context.WithTimeout(context.WithoutCancel(job), patience)
	late := time.AfterFunc(patience, cancel)
	unhook := context.AfterFunc(job, func() { late.Reset(lateTimeout) })
	return ctx, func() {
		unhook()
		late.Stop()
		cancel()
	}
}

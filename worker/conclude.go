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
	tryTimeout = 30 * time.Second // for one try of recording an outcome: a connection that hangs is given up
	firstRetry = 250 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// conclude publishes what the attempt left, records how it ended and answers the broker. out is nil when nothing ran;
// err then says why. Nothing is published or committed once the lease is known to be lost.
func (a *attempt) conclude(held context.Context, out *launch.Outcome, err error) {
	var run *engine.Run
	if out != nil {
		run = out.Run
	}
	j := judge(run, err, a.standing)
	if j.status == record.Succeeded && a.lease.Lost() == nil {
		err = a.publish(held, out.Workspace)
		if _, wrong := errors.AsType[*outputsError](err); wrong { // what it did can't be had: it has failed
			run.Status, run.Failure = engine.Failed, &engine.Failure{Kind: fault.Permanent, Message: err.Error()}
			err = nil
		}
		err = passing(err)
		j = judge(run, err, a.standing)
	}
	if a.lease.Lost() != nil {
		j = judgement{verdict: drop} // whatever the job made of it
	}
	a.judged, a.failure = j, failureOf(run, err)
	v, final := a.answer(held, run, a.failure, j)
	a.tell(v, run, final)
}

// answer records how the attempt ended and answers the broker as j says. It returns what has become of the message, and where the
// job is over how it ended.
func (a *attempt) answer(held context.Context, run *engine.Run, failure *engine.Failure, j judgement) (verdict, *record.Record) {
	switch j.verdict {
	case drop:
		// The message is somebody else's, but this attempt is ours: without its end it would count as a death.
		if lost := a.lease.Lost(); lost != nil {
			failure = &engine.Failure{Reason: engine.LeaseLost, Message: lost.Error()}
		}
		a.end(held, record.Outcome{Attempt: record.AttemptInterrupted, Run: run, Failure: failure})
		a.log.WarnContext(held, "job dropped", "verdict", drop, "attempt", a.record.N, "duration", time.Since(a.started), "err", failure)
		return drop, nil
	case nack:
		o := record.Outcome{Attempt: record.AttemptFailed, Run: run, Failure: failure}
		if j.free {
			o.Attempt = record.AttemptInterrupted
		}
		a.end(held, o)
		if j.unfit {
			return a.release(held, a.fitClass(j.class), j.delay, failure.Message), nil
		}
		j.reason, j.status = failure.Message, record.Retrying
		return a.settle(held, j, nil), nil
	}
	return a.commit(held, run, failure, j)
}

// end records how an attempt ended that does not decide its job. Where the store takes no more than a word, that has
// to do: a claim without an end counts as a dead worker.
func (a *attempt) end(held context.Context, o record.Outcome) {
	ctx, cancel := lingering(held)
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
func (a *attempt) commit(held context.Context, run *engine.Run, failure *engine.Failure, j judgement) (verdict, *record.Record) {
	o := record.Outcome{Status: j.status, Run: run}
	if j.status != record.Succeeded {
		o.Failure = failure
	}
	if j.keep {
		f := *failure
		f.Message = j.reason
		o.Failure, o.Quarantine = &f, a.quarantine()
	}
	var final *record.Record
	err := a.persist(held, func() (err error) {
		ctx, cancel := context.WithTimeout(held, tryTimeout)
		defer cancel()
		final, err = a.record.Commit(ctx, o)
		return err
	})
	switch {
	case errors.Is(err, record.ErrSuperseded):
		return a.yield(held, final), final
	case err == nil:
		return a.settle(held, j, final), final
	}
	a.log.ErrorContext(held, "outcome not recorded", "err", err) // so not answered
	stop := &engine.Failure{Message: "the store did not take the outcome: " + err.Error()}
	a.end(held, record.Outcome{Attempt: record.AttemptInterrupted, Failure: stop})
	return a.handBack(held, a.bounced(), stop.Message), nil
}

// yield answers the broker for an attempt that another one was faster than. The callback is the other's to send; where
// there is one, the message comes again in a while, in case the other died before it did.
func (a *attempt) yield(ctx context.Context, final *record.Record) verdict {
	a.worker.duplicates.Add(1)
	a.log.InfoContext(ctx, "attempt superseded", "status", final.Status)
	if a.callbackURL() == "" {
		return a.settle(ctx, judgeFinal(final), nil)
	}
	return a.handBack(ctx, jitter(firstBackoff), record.ErrSuperseded.Error())
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

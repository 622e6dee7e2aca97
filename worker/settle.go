package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// settleTimeout is for recording, calling back and answering the broker.
const settleTimeout = 2 * time.Minute

// conclude publishes what the attempt left, records how it ended and answers the broker. out is nil when nothing ran;
// err then says why. Nothing is published or committed once the lease is known to be lost.
func (a *attempt) conclude(job context.Context, out *launch.Outcome, err error) {
	var run *engine.Run
	if out != nil {
		run = out.Run
	}
	j := judge(run, err, a.number, a.last)
	if j.status == record.Succeeded && a.lease.Lost() == nil {
		if perr := a.publish(job, out.Workspace); perr != nil { // what it did can't be had: it has failed
			run.Status, run.Failure = engine.Failed, &engine.Failure{Kind: fault.Of(perr), Message: perr.Error()}
			j = judge(run, nil, a.number, a.last)
		}
	}
	if a.lease.Lost() != nil {
		j = judgement{verdict: drop} // whatever the job made of it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(job), settleTimeout)
	defer cancel()
	failure := failureOf(run, err)
	switch j.verdict {
	case drop:
		// The message is somebody else's, but this attempt is ours: without its end it would count as a death.
		if lost := a.lease.Lost(); lost != nil {
			failure = &engine.Failure{Reason: engine.LeaseLost, Message: lost.Error()}
		}
		a.end(ctx, record.Outcome{Attempt: record.AttemptInterrupted, Run: run, Failure: failure})
		a.log.WarnContext(ctx, "job dropped", "verdict", drop, "attempt", a.record.N, "duration", time.Since(a.started), "err", failure)
	case nack:
		o := record.Outcome{Attempt: record.AttemptFailed, Run: run, Failure: failure}
		if j.free {
			o.Attempt = record.AttemptInterrupted
		}
		a.end(ctx, o)
		j.reason, j.status = failure.Message, record.Retrying
		a.settle(ctx, j, nil)
	default:
		a.commit(ctx, run, failure, j)
	}
}

// end records how an attempt ended that does not decide its job. Where the store takes no more than a word, that has
// to do: a claim without an end counts as a dead worker.
func (a *attempt) end(ctx context.Context, o record.Outcome) {
	err := a.record.End(ctx, o)
	if err != nil && o.Run != nil {
		o.Run = nil
		err = a.record.End(ctx, o)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "attempt not recorded", "err", err)
	}
}

// commit writes the job's final record and answers the broker.
func (a *attempt) commit(ctx context.Context, run *engine.Run, failure *engine.Failure, j judgement) {
	o := record.Outcome{Status: j.status, Run: run}
	if j.status != record.Succeeded {
		o.Failure = failure
	}
	final, err := a.record.Commit(ctx, o)
	switch {
	case errors.Is(err, record.ErrSuperseded):
		a.log.InfoContext(ctx, "attempt superseded", "status", final.Status)
		j = judgeFinal(final)
	case err != nil: // not recorded, so not answered
		a.log.ErrorContext(ctx, "outcome not recorded", "err", err)
		stop := &engine.Failure{Message: "the store did not take the outcome: " + err.Error()}
		a.end(ctx, record.Outcome{Attempt: record.AttemptInterrupted, Failure: stop})
		a.handBack(ctx, jitter(backoff(a.record.N)), stop.Message)
		return
	}
	a.settle(ctx, j, final)
}

// settle answers the broker. With a final record the completion callback comes first: it is delivered, or in the outbox.
func (a *attempt) settle(ctx context.Context, j judgement, final *record.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var err error
	if final != nil {
		if err := a.callBack(ctx, final); err != nil {
			a.handBack(ctx, jitter(firstBackoff), err.Error())
			return
		}
	}
	switch j.verdict {
	case ack:
		err = a.lease.Ack(ctx)
	case bury:
		err = a.lease.Bury(ctx, j.reason)
	case nack:
		err = a.lease.Nack(ctx, j.delay)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "message not settled", "verdict", j.verdict, "err", err)
		return
	}
	log := a.log
	if a.record != nil {
		log = log.With("attempt", a.record.N)
	}
	if j.reason != "" {
		log = log.With("err", j.reason)
	}
	log.InfoContext(ctx, "job settled", "verdict", j.verdict, "status", j.status, "duration", time.Since(a.started))
}

// handBack gives the message back; the attempt costs the job nothing.
func (a *attempt) handBack(ctx context.Context, after time.Duration, why string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	a.log.WarnContext(ctx, "message handed back", "delay", after, "err", why)
	if err := a.lease.Nack(ctx, after); err != nil && !errors.Is(err, queue.ErrLeaseLost) {
		a.log.ErrorContext(ctx, "message not settled", "verdict", nack, "err", err)
	}
}

// callBack sends the completion callback, or has it sent later: then it is in the outbox, and the message is not needed
// for it. An error means: hand the message back; the job is not run again.
func (a *attempt) callBack(ctx context.Context, final *record.Record) error {
	url := a.worker.cfg.CallbackURL
	if a.job.Callback != nil {
		url = a.job.Callback.URL
	}
	if url == "" {
		return nil
	}
	if err := a.worker.outbox.CallBack(ctx, final, url); err != nil {
		return fmt.Errorf("completion callback: %w", err)
	}
	return nil
}

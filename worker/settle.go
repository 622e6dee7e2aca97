package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const (
	settleTimeout  = 2 * time.Minute // for recording, calling back and answering the broker
	callbackGiveUp = 76 * time.Hour  // after a job ended: as long as the example schedule of Standard Webhooks goes on
)

// conclude publishes what the attempt left, records how it ended and answers the broker. out is nil when nothing ran;
// err then says why. job ends when the lease is lost: nothing is published or committed once that is known.
func (a *attempt) conclude(job context.Context, out *launch.Outcome, err error, j judgement) {
	var run *engine.Run
	if out != nil {
		run = out.Run
	}
	if j.status == record.Succeeded && !leaseLost(job) {
		if err = a.publish(job, out.Workspace); err != nil {
			j = judge(nil, err, 0, 1)
		}
	}
	if leaseLost(job) {
		j = judgement{verdict: drop} // whatever the job made of it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(job), settleTimeout)
	defer cancel()
	failure := failureOf(run, err)
	switch j.verdict {
	case drop:
		// The message is somebody else's, but this attempt is ours: without its end it would count as a death.
		stop := engine.Fail(job, "", failure)
		a.end(ctx, record.Outcome{Attempt: record.AttemptInterrupted, Run: run, Failure: stop})
		a.log.WarnContext(ctx, "job dropped", "verdict", drop, "attempt", a.record.N, "duration", time.Since(a.started), "err", stop)
	case nack:
		o := record.Outcome{Attempt: record.AttemptFailed, Run: run, Failure: failure}
		if j.free {
			o.Attempt = record.AttemptInterrupted
		}
		a.end(ctx, o)
		j.reason = failure.Message
		a.settle(ctx, j, nil)
	default:
		a.commit(ctx, run, failure, j)
	}
}

func (a *attempt) end(ctx context.Context, o record.Outcome) {
	if err := a.record.End(ctx, o); err != nil {
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
	case err != nil: // not recorded, so not answered: the message comes back when its lease ends
		a.log.ErrorContext(ctx, "outcome not recorded", "err", err)
		return
	}
	a.settle(ctx, j, final)
}

func leaseLost(job context.Context) bool {
	stop, ok := errors.AsType[*engine.Stop](context.Cause(job))
	return ok && stop.Reason == engine.LeaseLost
}

// settle answers the broker. With a final record the completion callback comes first.
func (a *attempt) settle(ctx context.Context, j judgement, final *record.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var err error
	if final != nil {
		if err := a.callBack(ctx, final); err != nil {
			a.handBack(ctx, jitter(callbackDelay(final.Finished)), err.Error())
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

// callBack sends the completion callback unless none is owed. An error means: hand the message back, so that it is
// sent again later; the job is not run again.
func (a *attempt) callBack(ctx context.Context, final *record.Record) error {
	w := a.worker
	url := w.cfg.CallbackURL
	if a.job.Callback != nil {
		url = a.job.Callback.URL
	}
	if url == "" {
		return nil
	}
	if final.Callback != nil {
		return nil
	}
	done := record.Delivery{Time: time.Now().UTC()}
	if w.cfg.Callbacks == nil {
		done.Error = "not sent: no signing secret is configured (MILLRACE_CALLBACK_SECRET)"
		a.log.ErrorContext(ctx, "callback not sent", "err", done.Error)
		return w.cfg.Records.CallbackDone(ctx, a.job.ID, done)
	}
	receipt, err := w.cfg.Callbacks.Send(ctx, callback.Delivery{ID: callback.ID(a.job.ID), URL: url, Body: callback.Body(final)})
	done.Tries, done.Status = receipt.Tries, receipt.Status
	switch {
	case err == nil:
	case errors.Is(err, callback.ErrGone), time.Since(final.Finished) > callbackGiveUp:
		done.Error = err.Error()
		a.log.ErrorContext(ctx, "callback given up", "err", err)
	default:
		return fmt.Errorf("completion callback: %w", err)
	}
	return w.cfg.Records.CallbackDone(ctx, a.job.ID, done)
}

// callbackDelay is how long to wait before the next delivery of a callback, by how long it has been owed: 5 s at
// first, a tenth of its age later, at most 15 minutes.
func callbackDelay(since time.Time) time.Duration {
	return min(max(5*time.Second, time.Since(since)/10), maxBackoff)
}

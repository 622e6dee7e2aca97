package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// settleTimeout is for calling back, and for answering the broker.
const settleTimeout = 2 * time.Minute

// settle answers the broker, and returns what has become of the message: drop where the broker did not take the answer. With a
// final record the completion callback comes first: it is delivered, or in the outbox.
func (a *attempt) settle(held context.Context, j judgement, final *record.Record) verdict {
	if final != nil {
		if err := a.callBack(held, final); err != nil {
			return a.handBack(held, a.bounced(), err.Error())
		}
	}
	ctx, cancel := answering(held)
	defer cancel()
	switch err := a.reply(ctx, j); {
	case errors.Is(err, queue.ErrLeaseLost): // what is recorded stands; whoever gets the message next does what is owed
		a.log.WarnContext(ctx, "lease lost before the answer", "verdict", j.verdict, "err", err)
		return drop
	case err != nil:
		a.log.ErrorContext(ctx, "message not settled", "verdict", j.verdict, "err", err)
		return drop
	}
	log := a.log
	if a.record != nil {
		log = log.With("attempt", a.record.N)
	}
	if j.reason != "" {
		log = log.With("err", j.reason)
	}
	log.InfoContext(ctx, "job settled", "verdict", j.verdict, "status", j.status, "duration", time.Since(a.started))
	return j.verdict
}

// handBack gives the message back; the attempt costs the job nothing.
func (a *attempt) handBack(ctx context.Context, after time.Duration, why string) verdict {
	ctx, cancel := answering(ctx)
	defer cancel()
	a.log.WarnContext(ctx, "message handed back", "delay", after, "err", why)
	return a.nack(ctx, after, nack)
}

// nack has the message come again after a while, and returns what has become of it: v, or drop.
func (a *attempt) nack(ctx context.Context, after time.Duration, v verdict) verdict {
	err := a.reply(ctx, judgement{verdict: nack, delay: after})
	if err == nil {
		return v
	}
	if !errors.Is(err, queue.ErrLeaseLost) {
		a.log.ErrorContext(ctx, "message not settled", "verdict", nack, "err", err)
	}
	return drop
}

// skip answers for a job of which nothing is left to do, and says whether it did.
func (a *attempt) skip(ctx context.Context) bool {
	why, err := a.dealtWith(ctx)
	switch {
	case err != nil:
		a.handBack(ctx, a.bounced(), err.Error())
	case why != "":
		a.worker.duplicates.Add(1)
		a.log.InfoContext(ctx, "job skipped", "cause", why)
		a.settle(ctx, judgement{verdict: ack}, nil)
	default:
		return false
	}
	return true
}

// callBack sends the completion callback, or has it sent later: then it is in the outbox, and the message is not needed
// for it. An error means: hand the message back; the job is not run again.
func (a *attempt) callBack(ctx context.Context, final *record.Record) error {
	url := a.callbackURL()
	if url == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := a.worker.outbox.CallBack(ctx, final, url); err != nil {
		return fmt.Errorf("completion callback: %w", err)
	}
	return nil
}

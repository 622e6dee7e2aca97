package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const (
	settleTimeout      = 2 * time.Minute // for calling back and answering the broker
	firstCallbackDelay = 5 * time.Second
	callbackGiveUp     = 76 * time.Hour // after a job ended: as long as the example schedule of Standard Webhooks goes on
)

// settle answers the broker. With a final record the completion callback comes first.
func (a *attempt) settle(ctx context.Context, j judgement, final *record.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var err error
	if final != nil {
		if err := a.callBack(ctx, final); err != nil {
			a.handBack(ctx, max(firstCallbackDelay, fault.Delay(err)), err.Error())
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
	switch {
	case errors.Is(err, queue.ErrLeaseLost): // what is recorded stands; whoever gets the message next does what is owed
		a.log.WarnContext(ctx, "lease lost before the answer", "verdict", j.verdict, "err", err)
		return
	case err != nil:
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
	done := record.Delivery{}
	if w.cfg.Callbacks == nil {
		done.Time, done.Error = time.Now().UTC(), "not sent: no signing secret is configured (MILLRACE_CALLBACK_SECRET)"
		a.log.ErrorContext(ctx, "callback not sent", "err", done.Error)
		return w.cfg.Records.CallbackDone(ctx, a.job.ID, done)
	}
	body, mediaType := w.cfg.Callbacks.Body(ctx, final)
	receipt, err := w.cfg.Callbacks.Send(ctx, callback.Delivery{ID: callback.ID(a.job.ID), URL: url, Body: body, Type: mediaType})
	done.Time, done.Tries, done.Status = time.Now().UTC(), receipt.Tries, receipt.Status
	if final.Owed != nil {
		done.Tries += final.Owed.Tries
	}
	switch {
	case err == nil:
	case fault.Of(err) == fault.Permanent, time.Since(final.Finished) > callbackGiveUp:
		done.Error = err.Error()
		a.log.ErrorContext(ctx, "callback given up", "err", err)
	default:
		return a.oweCallback(ctx, final, done, err)
	}
	return w.cfg.Records.CallbackDone(ctx, a.job.ID, done)
}

// oweCallback records that a callback did not get through. The error it returns says when to try again.
func (a *attempt) oweCallback(ctx context.Context, final *record.Record, d record.Delivery, err error) error {
	delay := max(jitter(callbackDelay(final.Finished)), fault.Delay(err))
	err = fault.After(delay, fmt.Errorf("completion callback: %w", err))
	o := record.Owed{Time: d.Time, Tries: d.Tries, Error: err.Error(), Next: d.Time.Add(delay)}
	// Its own number is a time: tries by several workers never meet, and the newest is the highest.
	if rerr := a.worker.cfg.Records.CallbackOwed(ctx, a.job.ID, int(d.Time.UnixMilli()), o); rerr != nil {
		a.log.WarnContext(ctx, "owed callback not recorded", "err", rerr)
	}
	return err
}

// callbackDelay is how long to wait before the next delivery of a callback, by how long it has been owed: 5 s at
// first, a tenth of its age later, at most 15 minutes.
func callbackDelay(since time.Time) time.Duration {
	return min(max(firstCallbackDelay, time.Since(since)/10), maxBackoff)
}

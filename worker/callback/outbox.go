package callback

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/record"
)

// schedule is how long after a round of tries that failed the next one is due. With the first round's three tries, at
// once, after a second and after five, it is the example schedule of Standard Webhooks: 75 h 35 min in all.
func schedule() []time.Duration {
	const h = time.Hour
	return []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h}
}

const (
	// maxAsked is the longest Retry-After that is honoured: a receiver can't put its callbacks off for ever.
	maxAsked = 24 * time.Hour
	// maxReason bounds what is kept of an error, in characters; parts of it are the receiver's.
	maxReason = 1000
)

var (
	errDisabled = errors.New("not sent: the receiver answered 410 Gone to an earlier callback; `millrace callbacks replay` sends it and enables the receiver again")
	errNoSecret = errors.New("not sent: no signing secret is configured (MILLRACE_CALLBACK_SECRET)")
)

// An Outbox sees to it that the receiver of every job that is over gets its callback: at once, or later from the store,
// where it survives the message and the worker. Its fields are not changed once it is used, and any number of Outboxes
// in any number of processes may share a store. What holds: a callback is sent at least once, with one ID and one body
// however often, or it was given up after the schedule and is listed. It never changes a job's outcome.
type Outbox struct {
	Records *record.Book
	Sender  *Sender // nil: callbacks are not sent but listed as given up, and records say so
	Log     *slog.Logger
}

// CallBack is for the worker whose message is still there: final is the job's record, target the URL. When it returns
// nil the callback was delivered, is in the outbox, or was given up, and the message may go; doing it again, as a
// redelivery does, finishes what a crash left and sends nothing twice that is known to be done or owed. After an error
// hand the message back.
func (o *Outbox) CallBack(ctx context.Context, final *record.Record, target string) error {
	e := record.Entry{Job: final.ID, URL: target, First: final.Finished}
	switch done := final.Callback; {
	case done != nil && done.Error == "":
		return nil
	case done != nil: // a crash may have come before it was listed
		e.Tries, e.Error = done.Tries, done.Error
		return o.exhaust(ctx, e)
	case final.Owed != nil:
		return o.Records.Owe(ctx, e, *final.Owed)
	}
	receipt, sendErr := o.send(ctx, final, e, maxTries)
	return o.settle(ctx, final, e, receipt, sendErr)
}

// send sends e's callback unless its receiver wants none.
func (o *Outbox) send(ctx context.Context, final *record.Record, e record.Entry, most int) (Receipt, error) {
	if o.Sender == nil {
		return Receipt{}, fault.As(fault.Permanent, errNoSecret)
	}
	disabled, err := o.Records.Disabled(ctx, e.URL)
	if err != nil {
		return Receipt{}, &storeError{err}
	}
	if disabled {
		return Receipt{}, fault.As(fault.Permanent, errDisabled)
	}
	body, mediaType := o.Sender.Body(ctx, final)
	return o.Sender.Send(ctx, Delivery{ID: ID(final.ID), URL: e.URL, Body: body, Type: mediaType, Most: most})
}

// A storeError is the store's doing: it says nothing about the receiver.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// settle writes what became of a round of tries. An error means that it is not written.
func (o *Outbox) settle(ctx context.Context, final *record.Record, e record.Entry, r Receipt, sendErr error) error {
	if se, ok := errors.AsType[*storeError](sendErr); ok {
		return se.err
	}
	log := o.logOf(final)
	e.Tries += r.Tries
	d := record.Delivery{Time: time.Now().UTC(), Tries: e.Tries, Status: r.Status}
	if sendErr == nil {
		log.InfoContext(ctx, "callback delivered", "tries", d.Tries, "status", d.Status)
		if o.Sender.Delivered != nil {
			o.Sender.Delivered(time.Since(final.Finished))
		}
		if err := o.Records.CallbackDone(ctx, e.Job, d); err != nil || !e.Replay {
			return err
		}
		return o.Records.Revived(ctx, e.Job) // a redelivery may have listed it again
	}
	e.Error = clip(sendErr.Error(), maxReason)
	if errors.Is(sendErr, ErrGone) {
		if err := o.Records.Disable(ctx, e.URL, e.Job); err != nil {
			return err
		}
	}
	if e.Replay || e.Round >= len(schedule()) || hopeless(e, sendErr) {
		d.Error = e.Error
		log.ErrorContext(ctx, "callback exhausted", "tries", d.Tries, "err", d.Error)
		if o.Sender != nil && o.Sender.GivenUp != nil {
			o.Sender.GivenUp()
		}
		if err := o.Records.CallbackDone(ctx, e.Job, d); err != nil {
			return err
		}
		return o.exhaust(ctx, e)
	}
	owed := record.Owed{Round: e.Round + 1, Time: d.Time, Tries: d.Tries, Error: e.Error}
	owed.Next = next(e.Job, owed.Round, d.Time, fault.Delay(sendErr))
	log.WarnContext(ctx, "callback owed", "due", owed.Next, "tries", owed.Tries, "err", owed.Error)
	return o.Records.Owe(ctx, e, owed)
}

// hopeless says whether nobody can do better. A host that an earlier round reached, and that this process may not reach,
// is the fault of this process's settings: another will do better.
func hopeless(e record.Entry, sendErr error) bool {
	_, blocked := errors.AsType[*egress.BlockedError](sendErr)
	return fault.Of(sendErr) == fault.Permanent && !(blocked && e.Round > 0)
}

// exhaust lists a callback as given up. A URL that is too long to send to is too long to keep.
func (o *Outbox) exhaust(ctx context.Context, e record.Entry) error {
	if len(e.URL) > maxURL {
		e.URL = ""
	}
	return o.Records.Exhaust(ctx, e)
}

// next is when the round after the given one is due: after the schedule's delay, spread by up to a tenth, or after what the
// receiver asked for where that is longer.
func next(job string, round int, last time.Time, asked time.Duration) time.Time {
	d := schedule()[round-1]
	// Always the same for the same job and round, so that it does not matter who computes it.
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", job, round))
	d += d / 10 * time.Duration(binary.BigEndian.Uint16(sum[:])) / (1 << 16)
	return last.Add(max(d, min(asked, maxAsked))).Truncate(time.Second).Add(time.Second)
}

func (o *Outbox) logOf(final *record.Record) *slog.Logger {
	log := o.Log.With("job_id", final.ID)
	if final.CID != "" {
		log = log.With("correlation_id", final.CID)
	}
	return log
}

// hostOf is what people may see of a URL.
func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return "(no usable URL)"
	}
	return u.Scheme + "://" + u.Host
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// A delivery is one message being worked on. A message that asks for one job is that job's: the broker is answered for it at
// once. One that asks for several is settled when each of them had its turn: deleted, or buried, when all are over, else
// handed back, and those that are over are skipped when it comes again.
//
// They have their turns one after the other. The message was taken for one slot, whose share of the memory, the GPUs and the
// disk one job gets; who wants them at once sends a message for each.
type delivery struct {
	worker   *Worker
	lease    *queue.Lease
	log      *slog.Logger
	attempts []*attempt              // at its jobs, in its order
	first    *attempt                // that had its turn
	current  atomic.Pointer[attempt] // whose turn it is
	nothing  string                  // why it asks for nothing
	routes   []string                // of the routing table, by each upload that it tells of; empty is none
}

// shared says whether several jobs share the message, or none has it.
func (d *delivery) shared() bool { return len(d.attempts) != 1 }

// beat is called on every heartbeat of the lease.
func (d *delivery) beat(ctx context.Context) {
	if a := d.current.Load(); a != nil {
		a.lookForCancel(ctx)
	}
}

// add has a job take its turn; unfit is why there is nothing to run of it. A job that the message asks for twice is one.
func (d *delivery) add(j *job.Job, unfit error) *attempt {
	for _, a := range d.attempts {
		if a.job.ID == j.ID {
			d.log.Warn("job asked for twice", "job_id", j.ID)
			return a
		}
	}
	a := &attempt{delivery: d, worker: d.worker, lease: d.lease, job: j, unfit: unfit, log: logOf(d.log, j)}
	d.attempts = append(d.attempts, a)
	return a
}

// turns are the attempts in the order in which they have their turns. In each delivery of the message another one is the first:
// a job that takes all the time that a message can be held, time and again, leaves some to the others.
func (d *delivery) turns() []*attempt {
	if !d.shared() || len(d.attempts) == 0 {
		return d.attempts
	}
	n := max(d.lease.Delivery-1, 0) % len(d.attempts)
	return slices.Concat(d.attempts[n:], d.attempts[:n])
}

// adjourned is why a job does not have its turn in this delivery of its message, though others had: it has a better one in
// the next.
func (a *attempt) adjourned(taking context.Context) error {
	switch {
	case a.delivery.first == a:
		return nil
	case taking.Err() != nil:
		return errDraining
	case a.worker.outage.on():
		return errors.New("the store took no claim of another job of this message")
	}
	if a.lease.Limit.IsZero() {
		return nil
	}
	full := a.lease.Limit.Sub(a.delivery.first.started) - settleMargin // what the first job had
	const little = 16                                                  // a part of it, that it costs to see that others are over
	if time.Until(a.lease.Limit)-settleMargin >= min(a.deadline(), full-full/little) {
		return nil
	}
	if _, err := a.worker.cfg.Records.Final(taking, a.job.ID); err == nil { // then it takes no time
		return nil
	}
	return errors.New("its queue lets no message be held for as long as this job may take after the others of its message")
}

// dealtWith says why nothing is left to do for a job of this message, though it may have no final record; empty where that is
// not so: the message was sent again out of the dead-letter queue for others of its jobs, or the job has one of its own.
func (a *attempt) dealtWith(ctx context.Context) (string, error) {
	for _, id := range a.job.Before {
		final, err := a.worker.cfg.Records.Final(ctx, id)
		switch {
		case errors.Is(err, record.ErrNotFound):
		case err != nil:
			return "", err
		case final.Status != record.Failed && final.Status != record.Dead:
			return fmt.Sprintf("the job was over before its message was sent again: %s is %s", id, final.Status), nil
		}
		if why, err := a.sentOn(ctx, id); why != "" || err != nil {
			return why, err
		}
	}
	if !a.delivery.shared() || a.lease.Delivery < 2 {
		return "", nil
	}
	return a.sentOn(ctx, a.job.ID)
}

// sentOn says that a job, by an ID that it has or had, got a message of its own, which settles what becomes of it.
func (a *attempt) sentOn(ctx context.Context, id string) (string, error) {
	sent, err := a.worker.cfg.Records.SentOn(ctx, id)
	if sent == nil {
		return "", err
	}
	return fmt.Sprintf("the job was sent on to class %s, as %s", sent.Class, id), nil
}

// reply answers the broker as the job's verdict says. Where the message has other jobs it keeps the answer until each of them has
// one.
func (a *attempt) reply(ctx context.Context, j judgement) error {
	if !a.delivery.shared() {
		return a.delivery.reply(ctx, j)
	}
	if err := a.lease.Lost(); err != nil {
		return err
	}
	if a.said != nil {
		return queue.ErrSettled
	}
	a.said = &j
	return nil
}

func (d *delivery) reply(ctx context.Context, j judgement) (err error) {
	switch j.verdict {
	case ack:
		err = d.lease.Ack(ctx)
	case bury:
		err = d.lease.Bury(ctx, j.reason)
	case nack:
		return d.lease.Nack(ctx, j.delay)
	}
	if err == nil { // it is not told again of these uploads
		for _, route := range d.routes {
			d.worker.cfg.Routed(route)
		}
	}
	return err
}

// settle answers the broker for all jobs of a message, unless its only one has done so.
func (d *delivery) settle(held context.Context) {
	if !d.shared() {
		return
	}
	ctx, cancel := answering(held)
	defer cancel()
	j := d.together()
	log := d.log.With("verdict", j.verdict, "jobs", len(d.attempts))
	if d.nothing != "" {
		log = log.With("cause", d.nothing)
	}
	switch err := d.reply(ctx, j); {
	case errors.Is(err, queue.ErrLeaseLost): // what is recorded stands; whoever gets the message next does what is owed
		log.WarnContext(ctx, "lease lost before the answer", "err", err)
	case err != nil:
		log.ErrorContext(ctx, "message not settled", "err", err)
	default:
		log.InfoContext(ctx, "message settled", "delay", j.delay)
	}
}

// together is what becomes of a message with several jobs. Where some need it again it waits for the last of them: one that
// comes before its time pays with an attempt.
func (d *delivery) together() judgement {
	const named = 10 // of the jobs that failed
	all := judgement{verdict: ack}
	var buried []string
	for _, a := range d.attempts {
		switch {
		case a.said == nil: // the lease is lost
			all.verdict = nack
		case a.said.verdict == nack:
			all.verdict, all.delay = nack, max(all.delay, a.said.delay)
		case a.said.verdict == bury:
			buried = append(buried, fmt.Sprintf("%s: %s", a.job.ID, a.said.reason))
		}
	}
	if len(buried) > 0 && all.verdict == ack {
		all.verdict, all.reason = bury, fmt.Sprintf("%d of its %d jobs failed: %s", len(buried), len(d.attempts), strings.Join(buried[:min(len(buried), named)], "; "))
		if more := len(buried) - named; more > 0 {
			all.reason += fmt.Sprintf("; and %d more", more)
		}
	}
	return all
}

// owes says whether the job, which is over, has still to tell its receiver.
func (a *attempt) owes(final *record.Record) bool {
	return a.callbackURL() != "" && final.Callback == nil
}

// read finds out what the message asks for. A bug of ours is kept to the message that met it.
func (d *delivery) read(taking, held context.Context) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("worker panicked", "err", p, "stack", string(debug.Stack()))
			d.attempts, d.routes, d.nothing = nil, nil, ""
			d.addUnfit(fmt.Errorf("message %s: the worker failed at reading it (a bug; the stack is in its log): %v", d.lease.ID, p))
		}
	}()
	m, err := d.worker.decode(taking, held, d.lease)
	switch {
	case err != nil && fault.Of(err) == fault.Permanent:
		d.addUnfit(fmt.Errorf("message %s: %w", d.lease.ID, err))
		return
	case err != nil:
		d.add(d.anonymous(), err)
		return
	}
	d.nothing = m.Nothing
	for _, j := range m.Jobs {
		d.add(j, nil)
	}
	for _, u := range m.Uploads {
		d.route(u)
	}
}

// anonymous is the job of a message that does not say one.
func (d *delivery) anonymous() *job.Job {
	return &job.Job{ID: job.SafeID(d.lease.ID), Enqueued: d.lease.Enqueued}
}

// addUnfit has the message recorded and buried for what makes no job. The first reason stands, the others are logged.
func (d *delivery) addUnfit(why error) {
	for _, a := range d.attempts {
		if a.unfit != nil {
			d.log.Warn("upload makes no job", "err", why)
			return
		}
	}
	d.add(d.anonymous(), fault.As(fault.Permanent, why))
}

// route adds the job that the routing table makes of an upload.
func (d *delivery) route(u job.Upload) {
	if d.worker.cfg.Route == nil {
		d.addUnfit(fmt.Errorf("the message tells of an upload to the bucket %s, and this worker has no routing table to make a job of it: give it one (MILLRACE_ROUTES)", u.Bucket))
		return
	}
	j, why, err := d.worker.cfg.Route(u)
	if err != nil {
		d.addUnfit(err)
		return
	}
	if j == nil {
		d.routes = append(d.routes, "")
		d.log.Info("upload ignored", "cause", why)
		return
	}
	j.Enqueued = d.lease.Enqueued
	j.Renew(d.lease.Attributes)
	d.routes = append(d.routes, j.Name)
	d.add(j, nil).routed = true
}

package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// handle takes one message from bytes to a settled result. taking ends when no job is begun any more, jobs when the
// drain's grace is over, and late when there is no time left for what follows a job.
func (w *Worker) handle(taking, jobs, late context.Context, l *queue.Lease) {
	d := &delivery{worker: w, lease: l, log: w.cfg.Log.With("message_id", l.ID, "delivery", l.Delivery)}
	l.Beat = d.beat
	held, release := l.Hold(late)
	defer release() // last: the lease is held until the message is settled
	d.read(taking, held)
	for _, a := range d.turns() {
		d.first = cmp.Or(d.first, a)
		if err := l.Lost(); err != nil {
			d.log.WarnContext(held, "message dropped", "verdict", drop, "err", err)
			return
		}
		a.take(taking, jobs, held)
	}
	d.settle(held)
}

// take begins the attempt, unless something is against it, and answers for its job. taking and jobs are handle's; held is for
// what the job did: it lasts until the lease is lost, or no time is left.
func (a *attempt) take(taking, jobs, held context.Context) {
	w := a.worker
	a.started, a.over = time.Now(), make(chan struct{})
	ctx, stop := context.WithCancelCause(jobs)
	defer stop(nil)
	begin, cancel := context.WithCancelCause(ctx) // what waits to be begun waits for as long as this
	defer cancel(nil)
	defer context.AfterFunc(taking, func() { cancel(errDraining) })()
	defer context.AfterFunc(held, func() { stop(whyStopped(held)) })()
	a.stop = stop
	a.delivery.current.Store(a)

	if a.unfit != nil && fault.Of(a.unfit) != fault.Permanent {
		a.handBack(ctx, a.again(begin, maxTrouble), a.unfit.Error())
		return
	}
	if why := a.adjourned(taking); why != nil {
		a.handBack(ctx, jitter(time.Second), why.Error())
		return
	}
	if !w.enter(begin, a) {
		w.duplicates.Add(1)
		a.handBack(ctx, a.again(begin, maxTrouble), "this job is running here already")
		return
	}
	defer w.leave(a)
	if a.skip(ctx) || a.leaveMisfit(ctx) {
		return
	}
	a.handle(begin, ctx, held)
}

// An attempt is one delivery of a job being worked on.
type attempt struct {
	delivery *delivery
	worker   *Worker
	lease    *queue.Lease
	job      *job.Job
	unfit    error      // why there is nothing to run, or not now; nil is a job
	said     *judgement // what its job wants of the message; nil where that is said to the broker at once, or not yet
	routed   bool       // it was made of an upload, by the routing table
	stop     context.CancelCauseFunc
	record   *record.Attempt
	req      *launch.Request // nil when there is none
	past     *record.Past    // nil but where it was asked for before a claim
	standing
	log     *slog.Logger
	started time.Time
	over    chan struct{} // closed when it runs here no more

	judged    judgement       // once it is
	failure   *engine.Failure // the same; it means nothing where the job succeeded
	published int64           // bytes of outputs that were stored
}

// handle claims the attempt, runs it and settles. After begin the job is not begun. ctx is the job's: it ends when that has
// to stop. held is for what the job did: it lasts until the lease is lost, or no time is left.
func (a *attempt) handle(begin, ctx, held context.Context) {
	var req *launch.Request
	why := a.unfit // there is no request
	if why == nil {
		req, why = a.request(ctx)
	}
	a.req = req
	if begin.Err() != nil {
		a.handBack(ctx, a.again(begin, maxTrouble), context.Cause(begin).Error())
		return
	}
	if a.leave(begin, ctx, req) {
		return
	}
	release, err := a.claim(begin, ctx, req)
	defer release()
	a.worker.outage.see(err)
	switch final, done := errors.AsType[*record.FinalError](err); {
	case done: // an earlier delivery got this far: only what is owed is done
		a.worker.duplicates.Add(1)
		a.log.InfoContext(ctx, "job already final", "status", final.Final.Status)
		told := a.delivery.shared() && !a.owes(final.Final) // when it was over: its message was not
		if v := a.settle(held, judgeFinal(final.Final), final.Final); !told {
			a.tell(v, nil, final.Final)
		}
	case damaged(err):
		a.tell(a.settle(held, judgement{verdict: bury, status: record.Failed, reason: err.Error()}, nil), nil, nil)
	case err != nil: // nothing was done, so nothing is lost
		a.handBack(ctx, a.again(begin, maxTrouble), err.Error())
	default:
		if past := a.record.Earlier(); len(past) > 0 && past[len(past)-1].Status == record.AttemptDied {
			a.worker.cfg.Bereft()
		}
		if a.unfit == nil && a.record.N > 1 {
			req, why = a.asBegun(ctx, edition{a.record.Pipeline, a.record.Digest}, req, why)
		}
		a.run(ctx, held, req, why)
	}
}

// claim claims the job's next attempt. A job that workers have died of, or that needs more than a slot has, first gets the
// worker to itself, until release; it waits for that until begin ends.
func (a *attempt) claim(begin, ctx context.Context, req *launch.Request) (release func(), err error) {
	w := a.worker
	release = func() {}
	alone := false
	c := record.Claim{Worker: w.cfg.Name, Host: w.cfg.Name, Pipeline: a.job.Pipeline}
	if req != nil {
		c.Pipeline, c.Digest = req.Source, req.Digest
		c.Chosen = a.job.Inline != nil || a.job.Version != ""
	}
	c.Alone = func(h record.History) (bool, error) {
		if alone || !suspect(h) || poisoned(h) != nil {
			return alone, nil
		}
		free, err := w.takeAlone(begin)
		if err != nil {
			return false, err
		}
		alone, release = true, free
		return true, nil
	}
	a.record, err = w.cfg.Records.Claim(ctx, a.job, c)
	a.past = nil // the attempt's end says more
	return release, err
}

// run launches the attempt, unless unfit says why not, and settles by how it ended.
func (a *attempt) run(ctx, held context.Context, req *launch.Request, unfit error) {
	a.stand()
	a.req = req
	defer a.recover(held)
	a.worker.cfg.Begun(a.pipelineLabel())
	if why := a.refused(); why != nil {
		unfit = why
	}
	if stop := a.canceled(ctx); stop != nil {
		unfit = stop
	}
	if unfit == nil {
		unfit = a.misfit() // it was claimed to end, and what was to end it can't be read
	}
	if unfit != nil {
		a.conclude(held, nil, unfit)
		return
	}
	req.Attempt, req.Last, req.Alone, req.Blame = a.attempt, a.last, a.alone, a.blame
	req.Place = Inputs(a.job, a.worker.cfg.Uploads, a.worker.cfg.MaxInput)
	late, cancel := lingering(held)
	defer cancel()
	events := a.record.NewLog(late)
	out, err := a.launch(ctx, req, events)
	events.Finish()
	defer func() { // the log is for people: it is written while the broker is answered
		if err := events.Close(); err != nil {
			a.log.WarnContext(ctx, "log not recorded", "err", err)
		}
	}()
	if err == nil {
		defer out.Close()
	}
	a.conclude(held, out, err)
}

// recover keeps a bug of ours to the job that it met: the attempt ends as a failed one, the worker goes on.
func (a *attempt) recover(ctx context.Context) {
	p := recover()
	if p == nil {
		return
	}
	a.log.ErrorContext(ctx, "worker panicked", "err", p, "stack", string(debug.Stack()))
	f := &engine.Failure{Reason: engine.Bug, Message: fmt.Sprintf("the worker failed at this job (a bug; the stack is in its log): %v", p)}
	a.end(ctx, record.Outcome{Attempt: record.AttemptFailed, Failure: f})
	a.tell(a.handBack(ctx, jitter(backoff(a.attempt)), f.Message), nil, nil)
}

// launch runs the request until it ends or its deadline passes.
func (a *attempt) launch(ctx context.Context, req *launch.Request, events engine.Reporter) (*launch.Outcome, error) {
	longest, past := a.longest()
	ctx, cancel := context.WithTimeoutCause(ctx, longest, &engine.Stop{Reason: engine.Deadline, Message: past})
	defer cancel()
	return a.worker.cfg.Launcher.Launch(ctx, req, events)
}

// settleMargin is what is left of the time that a queue lets a message be held when its job is stopped: enough to end the
// job, publish what it left, record it and answer.
const settleMargin = 5 * time.Minute

// longest is how long the attempt may run, and what to say when it has.
func (a *attempt) longest() (d time.Duration, past string) {
	d = a.deadline()
	if limit := a.lease.Limit; !limit.IsZero() {
		if left := time.Until(limit) - settleMargin; left < d {
			return left, fmt.Sprintf("the job ran for as long as its queue lets a message be held (%s, less %s to settle it): split it, or use a queue without such a limit",
				limit.Sub(a.started).Round(time.Minute), settleMargin)
		}
	}
	return d, fmt.Sprintf("the job ran past its deadline of %s", d)
}

func (a *attempt) deadline() time.Duration { return cmp.Or(a.job.Deadline, a.worker.cfg.Deadline) }

// lookForCancel stops the job when somebody asked for it. It is called on every heartbeat of the lease.
func (a *attempt) lookForCancel(ctx context.Context) {
	if stop := a.canceled(ctx); stop != nil {
		a.stop(stop)
	}
}

// canceled returns a Stop when somebody asked for the job to be stopped. A store that does not answer is asked again
// on the next heartbeat.
func (a *attempt) canceled(ctx context.Context) *engine.Stop {
	c, err := a.worker.cfg.Records.Canceled(ctx, a.job.ID)
	if err != nil || c == nil {
		return nil
	}
	return &engine.Stop{Reason: engine.Cancel, Message: cmp.Or(c.Why, "canceled")}
}

// whyStopped makes a Stop of what ended a held context.
func whyStopped(held context.Context) error {
	cause := context.Cause(held)
	if errors.Is(cause, queue.ErrLeaseLost) {
		return &engine.Stop{Reason: engine.LeaseLost, Message: cause.Error()}
	}
	return cause
}

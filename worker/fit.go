package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// release gives a message up whose job this worker can't run: to the queue of the class of workers that can, where there is
// one, else back to where it came from, hidden for a while. The job pays nothing.
func (a *attempt) release(ctx context.Context, class string, delay time.Duration, why string) verdict {
	ctx, cancel := answering(ctx)
	defer cancel()
	if q := a.classQueue(class); q != nil {
		if err := a.sendOn(ctx, q, class); err != nil {
			a.log.WarnContext(ctx, "message not sent on", "class", class, "err", err)
			why += "; the queue of class " + class + " does not take it: " + err.Error()
		} else {
			a.log.InfoContext(ctx, "message released", "class", class, "err", why)
			return released
		}
	}
	a.wait(ctx, engine.Unfit, why)
	a.log.InfoContext(ctx, "message released", "delay", delay, "err", why)
	return a.nack(ctx, delay, released)
}

// leave gives a job up before it is claimed that this worker can't run, or not now, and says whether it did. Where it is not sent
// on, the job's record says why it waits, and nothing else becomes of that, however often it happens.
func (a *attempt) leave(begin, ctx context.Context, req *launch.Request) bool {
	if req == nil {
		return false
	}
	why := a.worker.cfg.Fit(begin, req)
	if why == nil || a.decided(ctx) {
		return false
	}
	if why = a.misfitAsBegun(begin, ctx, req, why); why == nil {
		return false
	}
	stop, ok := errors.AsType[*engine.Stop](why)
	if !ok || stop.Reason != engine.Unfit {
		if begin.Err() == nil { // else it is us who go
			a.wait(ctx, "", why.Error())
		}
		a.handBack(ctx, a.again(begin, maxTrouble), why.Error())
		return true
	}
	a.tell(a.release(ctx, a.fitClass(stop.Class), a.again(ctx, maxBackoff), stop.Message), nil, nil)
	return true
}

// leaveMisfit gives a job up that requires labels which this worker has not, and says whether it did.
func (a *attempt) leaveMisfit(ctx context.Context) bool {
	why := a.misfit()
	if why == nil || a.decided(ctx) {
		return false
	}
	a.tell(a.release(ctx, a.requiredClass(), a.again(ctx, maxBackoff), why.Error()), nil, nil)
	return true
}

// misfit is a *engine.Stop that names a label which the job requires and this worker has not, or nil.
func (a *attempt) misfit() error {
	if why := job.Misfit(a.job.Requires, a.worker.cfg.Labels); why != "" {
		return &engine.Stop{Reason: engine.Unfit, Message: why}
	}
	return nil
}

// decided says whether it is known that the job is not run any more: it has ended, or its next attempt will say how. That can be
// done here as well as anywhere.
func (a *attempt) decided(ctx context.Context) bool {
	p, err := a.worker.cfg.Records.Past(ctx, a.job.ID)
	if err != nil {
		a.log.WarnContext(ctx, "earlier attempts not read", "err", err)
		return false
	}
	a.past = p
	return p.Final || p.Canceled || poisoned(p.History) != nil || p.Failed >= a.maxAttempts()
}

// misfitAsBegun is why this worker can't run the document that the job began with. req is for the one that it would begin with
// now, and why what is against that.
func (a *attempt) misfitAsBegun(begin, ctx context.Context, req *launch.Request, why error) error {
	if a.past == nil {
		return why
	}
	begun, err := a.asBegun(ctx, edition{a.past.Pipeline, a.past.Digest}, req, nil)
	switch {
	case fault.Of(err) == fault.Permanent: // it can't be run anywhere
		return nil
	case err != nil || begun == req:
		return why
	}
	return a.worker.cfg.Fit(begin, begun)
}

// wait has the job's record say why it waits that was not claimed here.
func (a *attempt) wait(ctx context.Context, r engine.Reason, why string) {
	if a.past == nil { // it was claimed, and its end says why, or the store says nothing
		return
	}
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	w := record.Wait{Host: a.worker.cfg.Name, Delivery: a.lease.Delivery, Reason: r, Message: why}
	if err := a.worker.cfg.Records.Wait(ctx, a.job, a.past, w); err != nil {
		a.log.WarnContext(ctx, "wait not recorded", "err", err)
	}
}

// waitTimeout is for two small writes.
const waitTimeout = 5 * time.Second

// again is how long to hide a message that goes back untouched: longer each time that it comes, up to most.
func (a *attempt) again(ctx context.Context, most time.Duration) time.Duration {
	if ctx.Err() != nil { // it is us who go
		return jitter(time.Second)
	}
	return jitter(min(backoff(a.bounces()), most))
}

// requiredClass is the class of workers that the job asks for, empty where it names none.
func (a *attempt) requiredClass() string { return strings.ToLower(a.job.Requires[job.ClassLabel]) }

// fitClass is the class of workers to send a job to that this one turned out unable to run. One that asks for a class, and
// has found it here, is not sent anywhere else: it would come back.
func (a *attempt) fitClass(class string) string {
	if a.requiredClass() != "" {
		return ""
	}
	return class
}

// classQueue is the queue of a class of workers, where it is another class than this one's and the message was not sent there
// before: no job goes in circles.
func (a *attempt) classQueue(class string) *queue.Queue {
	if class == "" || slices.Contains(a.job.Forwarded, class) || job.Matches(a.worker.cfg.Labels[job.ClassLabel], class) {
		return nil
	}
	return a.worker.cfg.Classes[class]
}

// sendOn puts the job's message into another queue and deletes it here. A crash between the two leaves both, of one job ID: what
// comes after the job's end runs nothing; where two workers have them at once both run it, and the first to end counts.
func (a *attempt) sendOn(ctx context.Context, q *queue.Queue, class string) error {
	d, err := a.forward(class)
	if err != nil {
		return err
	}
	if err := a.lease.Lost(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if _, err := q.Send(ctx, d); err != nil {
		return err
	}
	if a.delivery.shared() { // its message may come again for others
		if err := a.worker.cfg.Records.SendOn(ctx, a.job.ID, class); err != nil {
			a.log.WarnContext(ctx, "sending on not recorded", "err", err)
		}
	}
	if err := a.reply(ctx, judgement{verdict: ack}); err != nil {
		a.log.ErrorContext(ctx, "message not settled", "verdict", ack, "err", err)
	}
	return nil
}

// forward makes the message by which the job is sent on to a class of workers: the one that asked for it. Where that asks for
// other jobs too, or leaves it to a routing table what it asks for, the job gets a message of its own.
func (a *attempt) forward(class string) (queue.Draft, error) {
	m := a.lease.Message
	if a.delivery.shared() || a.routed {
		body, err := job.Encode(a.job)
		if err != nil {
			return queue.Draft{}, err
		}
		m = queue.Message{Body: body, Group: m.Group}
	}
	d, ok := a.job.Forward(m, class)
	if !ok {
		return d, errors.New("the message has no room for one more attribute")
	}
	return d, nil
}

// sendTimeout bounds how long a message takes to send on.
const sendTimeout = 30 * time.Second

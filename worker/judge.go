package worker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// A verdict is what becomes of a message once an attempt at its job is over.
type verdict string

const (
	ack  verdict = "ack"  // its outcome is recorded: delete it
	nack verdict = "nack" // hand it back
	bury verdict = "bury" // its outcome is recorded, and a person should look: to the dead-letter queue
	drop verdict = "drop" // the lease is gone, it is somebody else's message now: touch nothing

	released verdict = "release" // nobody's judgement: this worker can't run it, and has passed it on or handed it back
)

// A judgement is a verdict with what follows from it.
type judgement struct {
	verdict verdict
	status  record.Status // of the job, with ack and bury
	free    bool          // with nack: the attempt does not count against the job
	delay   time.Duration // with nack
	unfit   bool          // with nack: this worker can't run the job, one of class may
	class   string        // empty is not known
	reason  string        // with bury: for people
	keep    bool          // with bury: the job is quarantined
}

// A standing is what a judgement needs to know of a job besides how the attempt ended.
type standing struct {
	attempt int  // our own count, from 1, of attempts that are the job's doing, this one included
	last    bool // no attempt follows this one
	alone   bool // this one had its worker to itself
	crashed int  // earlier attempts that took down the process that ran them
	begun   int  // earlier attempts that had begun when their machine could not go on with them
	broken  int  // other machines whose GPUs failed under earlier attempts
	bounce  int  // how often the message has come, from 1, less the attempts that counted
}

const (
	firstBackoff = 30 * time.Second
	maxBackoff   = 15 * time.Minute
	maxTrouble   = 2 * time.Minute // for a message that goes back for our sake, as when the store is down
	crashesAlone = 2               // attempts that took down their process, before a job runs alone in its worker
	maxCrashes   = 3               // such attempts, before it is quarantined
	hoardsAlone  = 1               // of these, attempts that used too much memory
	aloneAfter   = 5               // claims whose worker died, and nobody knows of what, before a job runs alone in its worker
	maxDiedAlone = 3               // such claims of a job that ran alone, before it is quarantined
	freeBounces  = 20              // attempts that their machine could not go on with, before such an attempt counts
	maxGPUsLost  = 3               // machines whose GPUs failed under a job, before it is quarantined: it may be what breaks them
	attemptsCap  = 20
)

var (
	// errQuarantined is why a job is not run any more that takes down what runs it.
	errQuarantined = errors.New("quarantined")
	// errSpent is why a job is not run any more whose last attempt could not say so.
	errSpent = errors.New("its attempts are used up")
)

// suspect says whether a job must have its worker to itself.
func suspect(h record.History) bool {
	return h.Crowded > 0 || h.Crashed >= crashesAlone || h.Hoarded >= hoardsAlone || h.Died >= aloneAfter
}

// poisoned returns why a job must not be run again, or nil.
func poisoned(h record.History) error {
	switch {
	case h.Crashed >= maxCrashes:
		return fmt.Errorf("%w: it took down the process that ran it %d times", errQuarantined, h.Crashed)
	case h.HoardedAlone > 0: // and its worker died too, or it would be judged already
		return fmt.Errorf("%w: it used too much memory with its worker to itself, and took that down", errQuarantined)
	case h.DiedAlone >= maxDiedAlone:
		return fmt.Errorf("%w: %d workers died while they ran it, %d of them with nothing else to do", errQuarantined, h.Died, h.DiedAlone)
	case len(h.GPUsLost) >= maxGPUsLost:
		return fmt.Errorf("%w: GPUs of %d machines failed under it", errQuarantined, len(h.GPUsLost))
	}
	return nil
}

// judge decides from what happened alone: how the run ended, or why it could not be run or kept (err). It does no I/O.
func judge(run *engine.Run, err error, s standing) judgement {
	if err == nil && run.Status == engine.Succeeded {
		return judgement{verdict: ack, status: record.Succeeded}
	}
	f := failureOf(run, err)
	switch {
	case f.Reason == engine.LeaseLost:
		return judgement{verdict: drop}
	case f.Reason == engine.Shutdown:
		return judgement{verdict: nack, free: true, delay: jitter(time.Second)}
	case f.Reason == engine.GPULost && s.broken+1 >= maxGPUsLost:
		why := fmt.Sprintf("%v: GPUs of %d machines failed under it, at last: %s", errQuarantined, s.broken+1, f.Message)
		return judgement{verdict: bury, status: record.Dead, reason: why, keep: true}
	case f.Reason == engine.GPULost: // another worker can have it at once; a job that breaks GPU after GPU can not
		return judgement{verdict: nack, free: true, delay: jitter(soon(s.bounce))}
	case f.Reason == engine.Unfit && f.Alone: // the next attempt has the worker to itself
		return judgement{verdict: nack, free: true, delay: jitter(soon(s.bounce))}
	case f.Reason == engine.Unfit && (f.Busy || s.begun < freeBounces):
		return judgement{verdict: nack, free: true, delay: jitter(backoff(s.bounce)), unfit: true, class: f.Class}
	case f.Reason == engine.Cancel:
		return judgement{verdict: ack, status: record.Cancelled}
	case errors.Is(err, errQuarantined):
		return judgement{verdict: bury, status: record.Dead, reason: f.Message, keep: true}
	case errors.Is(err, errSpent):
		return judgement{verdict: bury, status: record.Dead, reason: f.Message}
	case f.Kind == fault.Permanent:
		return judgement{verdict: bury, status: record.Failed, reason: f.Message}
	case err != nil: // none of the job's doing
		return judgement{verdict: nack, free: true, delay: jitter(max(min(backoff(s.bounce), maxTrouble), f.After))}
	case f.Reason == engine.OOM && s.alone:
		return judgement{verdict: bury, status: record.Dead, reason: f.Message}
	case record.Crashed(f.Reason) && s.crashed+1 >= maxCrashes:
		why := fmt.Sprintf("%v: it took down the process that ran it %d times, at last: %s", errQuarantined, s.crashed+1, f.Message)
		return judgement{verdict: bury, status: record.Dead, reason: why, keep: true}
	case s.last:
		return judgement{verdict: bury, status: record.Dead, reason: f.Message}
	}
	return judgement{verdict: nack, delay: jitter(max(backoff(s.attempt), f.After))}
}

// judgeFinal is the judgement of a job whose outcome stands already.
func judgeFinal(r *record.Record) judgement {
	if r.Status == record.Failed || r.Status == record.Dead {
		return judgement{verdict: bury, status: r.Status, reason: r.Message}
	}
	return judgement{verdict: ack, status: r.Status}
}

// failureOf makes one kind of thing of the two ways an attempt can fail.
func failureOf(run *engine.Run, err error) *engine.Failure {
	switch {
	case err != nil:
		if stop, ok := errors.AsType[*engine.Stop](err); ok {
			return &engine.Failure{Reason: stop.Reason, Message: stop.Message, Class: stop.Class, Busy: stop.Busy, Alone: stop.Alone}
		}
		return &engine.Failure{Kind: fault.Of(err), Message: err.Error(), After: fault.Delay(err)}
	case run.Failure != nil && (run.Failure.Task == "" || strings.Contains(run.Failure.Message, strconv.Quote(run.Failure.Task))):
		return run.Failure
	case run.Failure != nil: // whoever reads this has no document at hand
		f := *run.Failure
		f.Message = fmt.Sprintf("task %q: %s", f.Task, f.Message)
		if f.Place != "" {
			f.Message = f.Place + ": " + f.Message
		}
		return &f
	}
	return &engine.Failure{Reason: engine.Crash, Message: "the run ended without an outcome"}
}

// backoff is how long to wait after a job's nth failed attempt, and before a message that bounces for the nth time comes
// again: 30 s, doubled each time, at most 15 min.
func backoff(n int) time.Duration {
	d := firstBackoff
	for range n - 1 {
		if d *= 2; d >= maxBackoff {
			return maxBackoff
		}
	}
	return d
}

// soon is a second, before a message comes again for the first time, and from then on backoff.
func soon(n int) time.Duration {
	if n <= 1 {
		return time.Second
	}
	return backoff(n - 1)
}

// jitter spreads a delay over ±10 %, so that what failed together does not come back together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

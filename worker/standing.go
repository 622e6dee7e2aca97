package worker

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/worker/record"
)

// stand works out what a judgement needs to know of the job.
func (a *attempt) stand() {
	a.standing = standing{attempt: a.record.Failed + 1, alone: a.record.Alone(), crashed: a.record.Crashed, bounce: a.bounces()}
	a.begun = a.record.Bounced
	for _, host := range a.record.GPUsLost {
		if host != a.worker.cfg.Name {
			a.broken++
		}
	}
	a.last = a.attempt >= a.maxAttempts()
}

// maxAttempts is how many attempts that are its doing the job has.
func (a *attempt) maxAttempts() int {
	if n := a.job.MaxAttempts; n > 0 {
		return min(n, attemptsCap)
	}
	return a.worker.cfg.MaxAttempts
}

// refused returns why the job is not run any more, where its earlier attempts say so.
func (a *attempt) refused() error {
	if why := poisoned(a.record.History); why != nil {
		return why
	}
	if a.record.Failed < a.maxAttempts() {
		return nil
	}
	err := fmt.Errorf("%w: %d failed, of %d", errSpent, a.record.Failed, a.maxAttempts())
	for _, e := range slices.Backward(a.record.Earlier()) {
		if e.Status == record.AttemptFailed && e.Failure != nil {
			return fmt.Errorf("%w; the last: %s", err, e.Failure.Message)
		}
	}
	return err
}

// bounced is how long to hide a message that goes back unanswered: longer each time it comes. Deliveries whose workers died
// count here too, so it ends much sooner than what a job pays for.
func (a *attempt) bounced() time.Duration { return jitter(min(backoff(a.bounces()), maxTrouble)) }

// bounces is how often the message has come, from 1, less the attempts that counted.
func (a *attempt) bounces() int {
	if a.record == nil {
		return a.lease.Delivery
	}
	return a.lease.Delivery - a.record.Failed
}

package worker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/record"
)

const (
	firstOutage = 2 * time.Second // after a claim that the store did not take; doubled with each message after it
	maxOutage   = time.Minute
)

// An outage is a store that takes no claims. While it lasts no messages are taken but one at a time, to see whether it is
// over: each that is taken counts as a delivery, and no worker can do anything with it. The zero value is none.
type outage struct {
	mu    sync.Mutex
	err   error         // guarded by mu: the last claim's
	wait  time.Duration // guarded by mu
	until time.Time     // guarded by mu
}

// see learns how a claim went.
func (o *outage) see(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, final := errors.AsType[*record.FinalError](err)
	switch {
	case err == nil, final:
		o.err, o.wait = nil, 0
	case damaged(err), fault.Of(err) == fault.Canceled, errors.Is(err, errNotAlone): // not the store's doing
	case time.Now().Before(o.until): // it failed with others, which are waited for already
	default:
		o.err, o.wait = err, max(firstOutage, o.wait)
		o.until = time.Now().Add(o.wait)
	}
}

// probe learns that a message was taken. While the outage lasts the next one waits until this one's claim is known to have
// passed, or for twice as long as this one did.
func (o *outage) probe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		o.wait = min(2*o.wait, maxOutage)
		o.until = time.Now().Add(o.wait)
	}
}

// on says whether the last claim was not taken.
func (o *outage) on() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil
}

// damaged says whether a job's records are, so that no worker can run it.
func damaged(err error) bool {
	_, ok := errors.AsType[*record.DamagedError](err)
	return ok
}

// ready returns why no message may be taken now, or nil.
func (w *Worker) ready() error {
	if err := w.cfg.Ready(); err != nil {
		return err
	}
	o := &w.outage
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil && time.Now().Before(o.until) {
		return fmt.Errorf("the store takes no claims, next try within %s: %w", o.wait, o.err)
	}
	return nil
}

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
	firstOutage = 2 * time.Second // after a claim that the store did not take; doubled each time
	maxOutage   = time.Minute
)

// An outage is a store that takes no claims. While it lasts no messages are taken but a few to see whether it is over:
// each that is taken counts as a delivery, and no worker can do anything with it. The zero value is none.
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
	case fault.Of(err) == fault.Permanent, fault.Of(err) == fault.Canceled, errors.Is(err, errNotAlone): // not the store's doing
	case time.Now().Before(o.until): // it failed with others, which are waited for already
	default:
		o.err, o.wait = err, min(max(firstOutage, 2*o.wait), maxOutage)
		o.until = time.Now().Add(o.wait)
	}
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

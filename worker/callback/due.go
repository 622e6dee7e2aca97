package callback

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/record"
)

const (
	concurrency = 8
	scanEvery   = 30 * time.Second // and a bit, at random
	maxScanWait = 5 * time.Minute  // while the store does not answer
	sayEvery    = time.Minute      // that the store does not answer
	sayDamaged  = time.Hour        // that an entry can't be read
	// stopGrace is how long a try in flight may go on when its context ends. The next claimer repeats one that did not.
	stopGrace = 2 * time.Second
	// writeTimeout bounds writing down what became of a try. What comes before has the rest of record.ClaimedFor.
	writeTimeout = 15 * time.Second
	// maxErrors is how many errors of a pass are told.
	maxErrors = 10
)

var (
	errStopping = errors.New("the worker is stopping")
	errTooLate  = errors.New("the store took so long that the callback may be another's now")
)

// Run delivers what is due until ctx ends, looking into the store every 30 s or so. After ctx a try in flight has two
// seconds more, and writing down what became of it has 15, unless late ends before. While the store does not answer Run
// looks less often, and says so once a minute; that an entry can't be read it says once an hour. Without a Sender it
// returns at once.
func (o *Outbox) Run(ctx, late context.Context) {
	if o.Sender == nil {
		return
	}
	wait := scanEvery
	var said, saidDamaged time.Time
	for {
		_, err := o.deliverDue(ctx, late)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait = scanEvery
		case fault.Of(err) == fault.Permanent:
			wait = scanEvery
			if time.Since(saidDamaged) >= sayDamaged {
				saidDamaged = time.Now()
				o.Log.ErrorContext(ctx, "outbox entries unreadable", "err", err)
			}
		default:
			if time.Since(said) >= sayEvery {
				said = time.Now()
				o.Log.WarnContext(ctx, "outbox not delivered", "delay", wait, "err", err)
			}
			wait = min(2*wait, maxScanWait)
		}
		if pause(ctx, wait+rand.N(wait/5)) != nil {
			return
		}
	}
}

// DeliverDue tries every callback that is due, once each, eight at a time, and returns how many got through. A receiver
// that does not take its callback is no error, but logged and written down; those of one that lets us wait for its
// answers are left for later. An error is the store's, and ends the pass, or a permanent one of an entry that can't be
// read, and does not.
func (o *Outbox) DeliverDue(ctx context.Context) (int, error) {
	return o.deliverDue(ctx, context.WithoutCancel(ctx))
}

// deliverDue is DeliverDue; nothing is written after late.
func (o *Outbox) deliverDue(ctx, late context.Context) (int, error) {
	if o.Sender == nil {
		return 0, fault.As(fault.Permanent, errNoSecret)
	}
	feed, stop := context.WithCancel(ctx)
	defer stop()
	p := &pass{outbox: o, stop: stop, brake: brake{slow: map[string]int{}, sites: map[string]bool{}}}
	var wg sync.WaitGroup
	names := make(chan string)
	for range concurrency {
		wg.Go(func() {
			for name := range names {
				p.note(p.deliver(ctx, late, name))
			}
		})
	}
	for name, err := range o.Records.Due(feed, time.Time{}) {
		if err != nil {
			if feed.Err() == nil {
				p.note(false, err)
			}
			break
		}
		select {
		case names <- name:
			continue
		case <-feed.Done():
		}
		break
	}
	close(names)
	wg.Wait()
	return p.delivered, errors.Join(p.errs...)
}

// A pass is one look at all that is due.
type pass struct {
	outbox *Outbox
	stop   context.CancelFunc // ends it
	brake  brake

	mu        sync.Mutex
	delivered int     // guarded by mu
	errs      []error // what ended the pass before what did not, guarded by mu
}

func (p *pass) note(delivered bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if delivered {
		p.delivered++
	}
	switch {
	case err == nil:
	case fault.Of(err) != fault.Permanent:
		p.errs = slices.Insert(p.errs, 0, err)
		p.stop()
	case len(p.errs) < maxErrors:
		p.errs = append(p.errs, err)
	}
}

// deliver tries one callback that is due, if nobody else does. true means that it got through.
func (p *pass) deliver(ctx, late context.Context, name string) (bool, error) {
	if ctx.Err() != nil {
		return false, nil
	}
	ctx, cancel := outlive(ctx, stopGrace)
	defer cancel()
	ctx, cancel = context.WithTimeoutCause(ctx, record.ClaimedFor-writeTimeout, errTooLate)
	defer cancel()
	o := p.outbox
	e, err := o.Records.ReadDue(ctx, name) // what can't be read, or is put off, is not claimed
	if err != nil || e == nil {
		return false, err
	}
	leave, ok := p.brake.enter(e.URL)
	if !ok {
		return false, nil
	}
	defer leave()
	e, err = o.Records.ClaimDue(ctx, name)
	if err != nil || e == nil {
		return false, err
	}
	final, err := o.Records.Final(ctx, e.Job)
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		return false, err
	}
	switch stands, err := o.standing(ctx, *e, final); {
	case err != nil:
		return false, err
	case stands:
		return false, o.Records.RemoveDue(ctx, name)
	}
	began := time.Now()
	receipt, sendErr := o.send(ctx, final, *e, 1)
	if sendErr != nil && ctx.Err() != nil { // it was cut off: that says nothing of the receiver
		if cause := context.Cause(ctx); errors.Is(cause, errTooLate) {
			return false, cause
		}
		return false, nil
	}
	p.brake.took(e.URL, time.Since(began))
	writing, cancel := context.WithTimeout(late, writeTimeout)
	defer cancel()
	if err := o.settle(writing, final, *e, receipt, sendErr); err != nil {
		return false, err
	}
	return sendErr == nil, o.Records.RemoveDue(writing, name)
}

// standing says whether what becomes of an entry is decided already, as after a crash or a redelivery, and finishes
// what follows from it but the entry's removal. final is nil when the job's record is gone.
func (o *Outbox) standing(ctx context.Context, e record.Entry, final *record.Record) (bool, error) {
	switch {
	case final == nil:
		e.Error = "not sent: the job's record is no longer in the store, so the callback can't be made again"
		o.Log.ErrorContext(ctx, "callback exhausted", "job_id", e.Job, "tries", e.Tries, "err", e.Error)
		return true, o.Records.Exhaust(ctx, e)
	case final.Callback != nil && final.Callback.Error == "":
		return true, o.Records.Revived(ctx, e.Job)
	case final.Callback != nil && !e.Replay:
		e.Tries, e.Error = final.Callback.Tries, final.Callback.Error
		return true, o.Records.Exhaust(ctx, e)
	case final.Owed != nil && final.Owed.Round > e.Round && !e.Replay:
		return true, o.Records.Owe(ctx, e, *final.Owed)
	}
	return false, nil
}

// outlive returns a context that ends d after ctx does.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = pause(late, d)
		cancel(errStopping)
	})
	return late, func() { stop(); cancel(nil) }
}

// A Waiting is a callback in the outbox, as people may see it.
type Waiting struct {
	Job   string    `json:"job"`
	Host  string    `json:"host"` // scheme and host of the URL: the rest may be a secret
	Tries int       `json:"tries"`
	First time.Time `json:"first"`        // when it was due first
	Due   time.Time `json:"due,omitzero"` // when it is due next; not set when it was given up
	Error string    `json:"error"`        // of the last try
}

// List yields the callbacks that are owed, the one due first before the others. One that can't be read is yielded as
// its job and the error, and the listing goes on; an error without a job ends it.
func (o *Outbox) List(ctx context.Context) iter.Seq2[Waiting, error] {
	return waiting(o.Records.Outbox(ctx))
}

// Exhausted yields the callbacks that were given up, as List does; Replay sends them again.
func (o *Outbox) Exhausted(ctx context.Context) iter.Seq2[Waiting, error] {
	return waiting(o.Records.Exhausted(ctx))
}

func waiting(entries iter.Seq2[record.Entry, error]) iter.Seq2[Waiting, error] {
	return func(yield func(Waiting, error) bool) {
		for e, err := range entries {
			w := Waiting{Job: e.Job, Tries: e.Tries, First: e.First, Due: e.Due, Error: e.Error}
			if err == nil {
				w.Host = hostOf(e.URL)
			}
			if !yield(w, err) {
				return
			}
		}
	}
}

// Replay makes a callback that was given up due at once, for one try by whoever looks into the outbox next, and enables its
// receiver if that had answered 410 Gone. It returns record.ErrNotExhausted when none was given up.
func (o *Outbox) Replay(ctx context.Context, job string) error {
	if err := o.Records.Replay(ctx, job); err != nil {
		if errors.Is(err, record.ErrNotExhausted) {
			return fmt.Errorf("%w; `millrace callbacks list` shows those that were", err)
		}
		return err
	}
	return nil
}

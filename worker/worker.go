// Package worker takes jobs off a queue, has them run, and answers the queue.
//
// The life of a message:
//
//	message ─lease→ job ─launch→ run ─judge→ verdict
//	   │                                      ├─ ack   final record, callback or outbox, then the message is deleted
//	   │                                      ├─ bury  final record, callback or outbox, then to the dead-letter queue
//	   │                                      ├─ nack  the attempt's end is recorded, then the message is handed back
//	   └── redelivered with a final record    └─ drop  the lease is lost: nothing is touched
//	       standing: only what is still owed
//	       (callback, ack) is done
//
// receive.go receives, delivery.go keeps the jobs of one message together, handle.go follows one of them, fit.go gives up those that this worker can't run, judge.go decides,
// settle.go answers, late.go says how long all that may take at the end; settlement.go tells in numbers what became of an
// attempt, status.go where the worker stands.
//
// Log lines use these keys, and durations are slog durations: message_id, job_id, correlation_id, customer_id, pipeline,
// task, module, delivery (the broker's count), attempt (ours), verdict, status, delay, class, duration, cause, grace, slots,
// tries, due, queue, requests, messages, jobs, per_message, tool, modules, extra_of, err.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/payload"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// Config is a Worker's. Zero values are the documented defaults.
type Config struct {
	Feed      *queue.Feed
	Launcher  launch.Launcher
	Records   *record.Book
	Pipelines Catalogue
	Callbacks *callback.Sender // nil: completion callbacks are not sent but listed as given up, and records say so
	Log       *slog.Logger
	Payloads  payload.Resolver        // unpacks messages; the zero value follows no pointers
	Uploads   blob.Store              // that jobs' inputs lie in; nil: a job that has some can't be run
	Labels    map[string]string       // of this worker; a job that requires others is given up, see fit.go
	Classes   map[string]*queue.Queue // where jobs that require another class of worker are sent on; by class

	Name         string        // of this worker, in records; the pod's or host's
	Slots        int           // jobs at once; 1
	MaxAttempts  int           // of a job that does not say; 3, at most 20
	Deadline     time.Duration // of a job that does not say; 4 h
	CallbackURL  string        // of a job that does not say; empty is none
	Inline       bool          // messages may bring their own pipeline
	Grace        time.Duration // running jobs may go on for so long after ctx ends; 20 s
	Patience     time.Duration // what a job has done is offered for so long to a store that fails; 2 min
	MaxOutput    int64         // bytes a job may publish; 20 GiB
	MaxInput     int64         // bytes of a job's inputs; 0 is no limit
	ExitWhenIdle time.Duration // end after so long without a message; 0 is never
	Ready        func() error  // nil, or why no message may be taken now (disk full), ever where it wraps ErrOver; asked before each receive

	// Fit returns nil, or why this worker can't run what is asked for, a *engine.Stop with reason Unfit, or not now. It is asked
	// before a job is claimed: of the document that the catalogue has, and of that with which the job began where this would not do.
	Fit func(ctx context.Context, req *launch.Request) error

	// Begun hears of every attempt that was claimed, before it is run, by its pipeline as a Settlement has it; nil: nobody does.
	Begun func(pipeline string)

	// Route makes a job of an upload that a message tells of, with the name of the route that it did so by, or returns nil and
	// why no job follows from it; its error says why the one that should can't be made. The same upload gives the same job each
	// time. nil: such messages are buried, as those with an error are.
	Route  func(u job.Upload) (j *job.Job, why string, err error)
	Routed func(route string) // hears of every such upload, once its message was settled; empty is one that was ignored; nil: nobody does

	Settled func(Settlement)      // hears of every attempt that is over, once the broker was answered; nil: nobody does
	Bereft  func()                // hears of every job that a worker died of, or with, once the job's next attempt is this worker's; nil: nobody does
	Machine func() record.Machine // what is kept of this machine with a quarantined job; nil is nothing
}

// A Catalogue knows the operator's pipelines by name.
type Catalogue interface {
	// Document returns a pipeline's source, its name in messages and its digest. The error is a sentence.
	Document(name string) (doc []byte, source, digest string, err error)
}

// A Worker runs jobs until it is told to stop.
type Worker struct {
	cfg    Config
	outbox *callback.Outbox
	slots  chan struct{} // one token a free slot
	alone  chan struct{} // one token, for the job that has the worker to itself

	outage outage // of the store
	loop   loop   // what the goroutine that receives does

	duplicates atomic.Int64 // deliveries of jobs that had ended or ran already

	mu      sync.Mutex
	running map[string]*attempt        // by job ID, guarded by mu
	begun   map[*queue.Lease]time.Time // messages being handled, and since when, guarded by mu
	busy    time.Time                  // when one of them last began or ended, guarded by mu
}

// New returns a Worker. Its errors are all that is wrong with cfg.
func New(cfg Config) (*Worker, error) {
	var errs []error
	if cfg.Feed == nil || cfg.Launcher == nil || cfg.Records == nil || cfg.Pipelines == nil || cfg.Log == nil {
		errs = append(errs, errors.New("worker: feed, launcher, records, pipelines and log must be given"))
	}
	if cfg.MaxAttempts < 0 || cfg.MaxAttempts > attemptsCap {
		errs = append(errs, fmt.Errorf("worker: max attempts must be 1 to %d, got %d", attemptsCap, cfg.MaxAttempts))
	}
	if cfg.Slots < 0 {
		errs = append(errs, fmt.Errorf("worker: slots must be at least 1, got %d", cfg.Slots))
	}
	for name := range cfg.Labels {
		if !pipelines.IsLabel(name) {
			errs = append(errs, fmt.Errorf("worker: %q is no name of a label: it has letters, digits, \".\", \"_\", \"-\" and \"/\"", name))
		}
	}
	cfg.Labels, cfg.Classes = lowerKeys(cfg.Labels), lowerKeys(cfg.Classes)
	setDefault(&cfg.Slots, 1)
	setDefault(&cfg.MaxAttempts, 3)
	setDefault(&cfg.Deadline, 4*time.Hour)
	setDefault(&cfg.Grace, 20*time.Second)
	setDefault(&cfg.Patience, 2*time.Minute)
	setDefault(&cfg.MaxOutput, 20<<30)
	if cfg.Ready == nil {
		cfg.Ready = func() error { return nil }
	}
	if cfg.Fit == nil {
		cfg.Fit = func(context.Context, *launch.Request) error { return nil }
	}
	if cfg.Begun == nil {
		cfg.Begun = func(string) {}
	}
	if cfg.Routed == nil {
		cfg.Routed = func(string) {}
	}
	if cfg.Settled == nil {
		cfg.Settled = func(Settlement) {}
	}
	if cfg.Bereft == nil {
		cfg.Bereft = func() {}
	}
	if cfg.Machine == nil {
		cfg.Machine = func() record.Machine { return record.Machine{Host: cfg.Name} }
	}
	outbox := &callback.Outbox{Records: cfg.Records, Sender: cfg.Callbacks, Log: cfg.Log}
	w := &Worker{
		cfg: cfg, outbox: outbox, slots: make(chan struct{}, cfg.Slots), alone: make(chan struct{}, 1),
		running: map[string]*attempt{}, begun: map[*queue.Lease]time.Time{},
	}
	w.alone <- struct{}{}
	for range cfg.Slots {
		w.slots <- struct{}{}
	}
	return w, errors.Join(errs...)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// lowerKeys returns m with its keys in lower case, as jobs have them.
func lowerKeys[V any](m map[string]V) map[string]V {
	lower := map[string]V{}
	for k, v := range m {
		lower[strings.ToLower(k)] = v
	}
	return lower
}

// ErrOver is that of a worker that will take no message any more: it drains, and Run returns what wraps it.
var ErrOver = errors.New("this worker is of no use any more")

var (
	errNotBegun  = errors.New("the worker has not begun yet")
	errDraining  = errors.New("the worker is shutting down and begins no more jobs")
	errGraceOver = &engine.Stop{Reason: engine.Shutdown, Message: "the worker is shutting down and its grace period is over"}
	errAtOnce    = &engine.Stop{Reason: engine.Shutdown, Message: "the worker was told to stop at once", Now: true}
)

// Run takes and runs jobs until ctx ends, or no message came for ExitWhenIdle, or a queue or the worker is found to be of no use. Then
// it drains: nothing new is received, running jobs may end, once ctx has ended within the grace, and what has not is
// stopped and handed back at no cost. The end of hard cuts the grace short. late.go says what may follow the jobs.
func (w *Worker) Run(ctx, hard context.Context) error {
	jobs, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	late, expire := context.WithCancelCause(context.WithoutCancel(ctx))
	defer expire(nil)
	defer after(ctx, w.cfg.Grace, func() { abort(errGraceOver) })()
	defer after(jobs, lateTimeout, func() { expire(errGraceOver) })()
	defer context.AfterFunc(hard, func() { abort(errAtOnce) })()
	defer after(hard, hardTimeout, func() { expire(errAtOnce) })()
	var wg sync.WaitGroup
	delivering, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, w.loop.ends)()
	wg.Go(func() { w.outbox.Run(delivering, late) })
	err := w.receive(ctx, func(l *queue.Lease) {
		w.begins(l)
		wg.Go(func() {
			defer w.giveSlots(1)
			defer w.ends(l)
			defer l.Done()
			w.handle(ctx, jobs, late, l)
		})
	})
	w.loop.ends()
	stop()
	if cause := cmp.Or(context.Cause(ctx), err); cause != nil {
		w.cfg.Log.InfoContext(ctx, "draining", "cause", cause, "grace", w.cfg.Grace)
	}
	wg.Wait()
	return err
}

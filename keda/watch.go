package keda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/keda/pods"
)

const (
	// interest is how long a queue is looked at after somebody asked: longer than KEDA's polling interval by default (30 s).
	interest = 90 * time.Second
	// countFor is how long the broker may take to count.
	countFor = 10 * time.Second
	// slowest is how rarely a broker that fails is asked.
	slowest = 8 * time.Second
	// turn is how often run comes round at least.
	turn = 30 * time.Second
	// waitFor is how long who asks waits for a look, where there is none that is fresh.
	waitFor = 3 * time.Second
)

// errNoAnswer is for a broker that takes its time.
var errNoAnswer = errors.New("there is no answer yet")

// A watch is what is known of one queue. It looks while somebody wants to know, and not otherwise.
type watch struct {
	queue Queue
	every time.Duration
	pods  *pods.Watch // nil: nothing is known of pods
	log   *slog.Logger
	wake  chan struct{} // holds a token when somebody has begun to ask
	met   bool          // a pod of the queue's class was seen, or it was said that none is; run's own

	mu       sync.Mutex
	streams  int           // guarded by mu: who is to be told of changes
	asked    time.Time     // guarded by mu: when somebody asked last
	known    reading       // guarded by mu
	looked   time.Time     // guarded by mu: when the last look ended
	spacing  time.Duration // guarded by mu: from look to look
	failure  error         // guarded by mu: why the last look was in vain
	news     chan struct{} // guarded by mu: closed, and replaced, after each look
	errors   int64         // guarded by mu
	requests int64         // guarded by mu
	turned   time.Time     // guarded by mu: when run was last seen alive
}

func newWatch(q Queue, c Config) *watch {
	return &watch{
		queue: q, every: c.Every, pods: c.Pods, log: c.Log, wake: make(chan struct{}, 1), news: make(chan struct{}),
		spacing: c.Every, turned: time.Now(),
	}
}

// run looks until ctx ends. A look that takes n requests is followed by n times Every without one, so that the broker is never
// asked more often than that, and a broker that fails is asked more and more slowly.
func (w *watch) run(ctx context.Context) {
	w.awaitPods(ctx)
	var next time.Time
	for vain := 0; ctx.Err() == nil; {
		if !w.watched() {
			if w.pods != nil { // nodes would be kept for as long as nobody asks
				w.pods.Unmark(ctx, w.queue.Name)
			}
			w.rest(ctx, turn)
			continue
		}
		if pause := time.Until(next); pause > 0 {
			sleep(ctx, min(pause, turn))
			continue
		}
		began := time.Now()
		requests, err := w.look(ctx)
		pause := w.every * time.Duration(max(requests, 1))
		if vain++; err == nil {
			vain = 0
		} else {
			pause = max(pause, min(w.every<<min(vain, 16), slowest))
		}
		next = began.Add(pause)
		w.mu.Lock()
		w.spacing = pause
		w.mu.Unlock()
	}
}

// awaitPods gives the API server a moment to say which pods there are: until then all that is in flight counts as running, and
// KEDA would start pods for what is only hidden.
func (w *watch) awaitPods(ctx context.Context) {
	if w.pods == nil {
		return
	}
	t := time.NewTimer(waitFor)
	defer t.Stop()
	select {
	case <-w.pods.Known():
	case <-t.C:
	case <-ctx.Done():
	}
}

// watched says whether somebody wants to know.
func (w *watch) watched() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turned = time.Now()
	return w.wanted()
}

// wanted is watched's answer; mu is held.
func (w *watch) wanted() bool { return w.streams > 0 || time.Since(w.asked) < interest }

// interested is 1 while somebody wants to know, else 0.
func (w *watch) interested() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wanted() {
		return 1
	}
	return 0
}

// stuck says whether run has not come round for longer than any look lasts.
func (w *watch) stuck() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.turned) > 4*turn
}

// look asks the broker, and then the pods: a message that is received in between is counted twice, rather than not at all. What
// the broker does not say stays as it said last.
func (w *watch) look(ctx context.Context) (requests int, err error) {
	limited, cancel := context.WithTimeout(ctx, countFor)
	load, err := w.queue.Count(limited)
	cancel()
	counted := time.Now()
	var census pods.Census
	if w.pods != nil {
		var mark func(context.Context)
		census, mark = w.pods.Census(ctx, w.queue.Name)
		defer mark(ctx)
	}
	if ctx.Err() != nil {
		return load.Requests, ctx.Err()
	}
	w.mu.Lock()
	w.known.census = census
	w.requests += int64(load.Requests)
	was := w.failure != nil
	w.failure = err
	if err == nil {
		w.known.load, w.known.counted, w.known.then = load, counted, census
	} else {
		w.errors++
	}
	age := w.known.age()
	if w.known.counted.IsZero() {
		age = 0
	}
	w.looked = time.Now()
	close(w.news)
	w.news = make(chan struct{})
	w.mu.Unlock()
	switch {
	case err != nil && !was:
		w.log.WarnContext(ctx, "queue not counted", "queue", w.queue.Name, "duration", age, "err", err)
	case err == nil && was:
		w.log.InfoContext(ctx, "queue counted again", "queue", w.queue.Name)
	}
	w.miss(ctx, load.InFlight, census)
	return load.Requests, err
}

// miss says once that messages are in flight while no pod was ever seen that may have them: they do not count then. They are
// hidden for back-off, or the queue is not called as the class of its workers.
func (w *watch) miss(ctx context.Context, inFlight int, c pods.Census) {
	switch {
	case w.met, !c.Complete, c.Pods == 0 && inFlight == 0:
		return
	case c.Pods == 0:
		w.log.WarnContext(ctx, "in flight without pods", "queue", w.queue.Name, "label", pods.ClassLabel+"="+w.queue.Name)
	}
	w.met = true
}

// ask notes that somebody wants to know.
func (w *watch) ask() {
	w.mu.Lock()
	w.asked = time.Now()
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// read returns what is known, after waiting for a look where there was none lately, and a channel that is closed at the next.
// Where looks fail it is what the last good one found; an error where there never was one.
func (w *watch) read(ctx context.Context) (r reading, next <-chan struct{}, err error) {
	w.ask()
	w.mu.Lock()
	wait := waitFor
	if w.looked.IsZero() {
		wait = countFor
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		w.mu.Lock()
		r, next, err = w.known, w.news, w.failure
		fresh := time.Since(w.looked) < 2*w.spacing
		w.mu.Unlock()
		if !fresh {
			select {
			case <-next:
				continue
			case <-ctx.Done():
			}
		}
		if !r.counted.IsZero() {
			return r, next, nil
		}
		return r, next, fmt.Errorf("it is not known how much there is in queue %s: %w", w.queue.Name, cmp.Or(err, errNoAnswer))
	}
}

// follow has the queue looked at until release is called.
func (w *watch) follow() (release func()) {
	w.mu.Lock()
	w.streams++
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.streams--
	}
}

// rest waits until somebody asks, for d at most.
func (w *watch) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.wake:
	case <-t.C:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

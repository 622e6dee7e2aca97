package keda

import (
	"context"
	"time"
)

// dueEvery is how often it is asked at most whether anything is due: what is has waited for minutes already.
const dueEvery = time.Minute

// dueRest is how soon it is noticed that somebody wants to know.
const dueRest = 5 * time.Second

// dueHolds is for how long what a store said is believed while it says nothing more: one that never answers again, for a right
// that was taken away say, does not keep a pod for ever.
const dueHolds = time.Hour

// runDue asks whether anything is due until ctx ends, once a minute while somebody wants to know of the queue. It has a loop of
// its own: a store that is slow must not delay looks at the broker. What it does not say stays as it said last, for dueHolds.
func (w *watch) runDue(ctx context.Context) {
	failed, said := false, time.Now()
	for ctx.Err() == nil {
		if w.interested() == 0 {
			sleep(ctx, dueRest)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, countFor)
		due, err := w.queue.Due(limited)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			said = time.Now()
			w.found(ctx, due)
		case time.Since(said) >= dueHolds:
			w.found(ctx, false)
		}
		if err != nil && !failed {
			w.log.WarnContext(ctx, "callbacks not looked for", "queue", w.queue.Name, "err", err)
		}
		failed = err != nil
		sleep(ctx, dueEvery)
	}
}

// found notes whether anything is due.
func (w *watch) found(ctx context.Context, due bool) {
	w.mu.Lock()
	was := w.known.due
	w.known.due = due
	w.mu.Unlock()
	if due != was {
		w.log.InfoContext(ctx, "callbacks looked for", "queue", w.queue.Name, "due", due)
	}
}

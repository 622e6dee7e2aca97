package keda

import (
	"context"
	"time"
)

// dueEvery is how often it is asked at most whether anything is due: what is has waited for minutes already.
const dueEvery = time.Minute

// dueRest is how soon it is noticed that somebody wants to know.
const dueRest = 5 * time.Second

// runDue asks whether anything is due until ctx ends, once a minute while somebody wants to know of the queue. It has a loop of
// its own: a store that is slow must not delay looks at the broker. What it does not say stays as it said last.
func (w *watch) runDue(ctx context.Context) {
	failed := false
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
		case err != nil && !failed:
			w.log.WarnContext(ctx, "callbacks not looked for", "queue", w.queue.Name, "err", err)
		case err == nil:
			w.found(ctx, due)
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

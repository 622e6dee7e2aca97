package worker

import (
	"context"
	"time"
)

// parkTimeout is how long a message waits for its job to stop that runs here under a lease that was lost.
const parkTimeout = 15 * time.Second

// enter notes that the attempt's job runs here. Where it does already, and stops because its lease was lost, it waits for
// that. False says that the job runs on.
func (w *Worker) enter(ctx context.Context, a *attempt) bool {
	ctx, cancel := context.WithTimeout(ctx, parkTimeout)
	defer cancel()
	for {
		first := w.twin(a)
		if first == nil {
			return true
		}
		if first.lease.Lost() == nil {
			return false
		}
		select {
		case <-first.over:
		case <-ctx.Done():
			return false
		}
	}
}

// twin returns the attempt at a's job that runs here, or nil: then a is the one from now on.
func (w *Worker) twin(a *attempt) *attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.running[a.job.ID]
	if first == nil {
		w.running[a.job.ID] = a
	}
	return first
}

func (w *Worker) leave(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, a.job.ID)
	close(a.over)
}

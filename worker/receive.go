package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// receive hands leases to start until ctx ends. Each has a slot, which start gives back. Once ctx has ended the queue is
// not asked again. A call under way is let come back, for the queue may have hidden messages for it: what it brings is
// handed back at once, rather than hidden until its lease ends or begun by a worker that is going away.
func (w *Worker) receive(ctx context.Context, start func(*queue.Lease)) error {
	idleSince, said := time.Now(), time.Time{}
	for {
		w.loop.enters(waitsForSlot)
		n := w.takeSlots(ctx) // before a message, never the other way round
		if n == 0 {
			return nil
		}
		if n > 1 && w.outage.on() { // one message is enough to see whether it is over
			w.giveSlots(n - 1)
			n = 1
		}
		w.loop.enters(looksAround)
		err := w.ready()
		w.loop.looked(err)
		if err != nil {
			if errors.Is(err, ErrOver) {
				w.giveSlots(n)
				return err
			}
			if time.Since(said) >= time.Minute {
				w.cfg.Log.WarnContext(ctx, "not receiving", "err", err)
				said = time.Now()
			}
			w.giveSlots(n)
			if !pause(ctx, time.Second) {
				return nil
			}
			continue
		}
		idleSince = w.idleSince(idleSince)
		w.loop.enters(asksQueue)
		leases, err := w.cfg.Feed.Receive(ctx, n, w.patience(idleSince))
		w.giveSlots(n - len(leases))
		if ctx.Err() != nil {
			w.returnAll(ctx, leases)
			return nil
		}
		if len(leases) > 0 {
			w.outage.probe()
		}
		for _, l := range leases {
			start(l)
		}
		switch {
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		case len(leases) > 0:
			idleSince = time.Now()
		case w.cfg.ExitWhenIdle > 0 && time.Since(w.idleSince(idleSince)) >= w.cfg.ExitWhenIdle:
			w.cfg.Log.InfoContext(ctx, "idle", "duration", w.cfg.ExitWhenIdle)
			return nil
		}
	}
}

// returnTimeout bounds how long messages that came too late may take to hand back.
const returnTimeout = 5 * time.Second

// returnAll hands messages back that came together with the end of ctx.
func (w *Worker) returnAll(ctx context.Context, leases []*queue.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range leases {
		wg.Go(func() {
			defer w.giveSlots(1)
			defer l.Done()
			if err := l.Nack(ctx, 0); err != nil {
				w.cfg.Log.ErrorContext(ctx, "message not settled", "message_id", l.ID, "verdict", nack, "err", err)
			}
		})
	}
	wg.Wait()
}

// receiveWait is how long to wait for a message before Ready is asked again.
const receiveWait = 20 * time.Second

// patience is how long to wait for a message, so that ExitWhenIdle is noticed in time.
func (w *Worker) patience(idleSince time.Time) time.Duration {
	if w.cfg.ExitWhenIdle <= 0 {
		return receiveWait
	}
	left := time.Until(idleSince.Add(w.cfg.ExitWhenIdle))
	return min(max(left, 100*time.Millisecond), receiveWait)
}

// begins counts a message as being handled.
func (w *Worker) begins(l *queue.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = time.Now()
	w.begun[l] = w.busy
}

// ends says that it is handled no more.
func (w *Worker) ends(l *queue.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = time.Now()
	delete(w.begun, l)
}

// idleSince is when there was last anything to do: since, or later, or now.
func (w *Worker) idleSince(since time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.begun) > 0:
		return time.Now()
	case w.busy.After(since):
		return w.busy
	}
	return since
}

// takeSlots waits for one free slot and takes as many more as there are. 0 means that ctx has ended. While a job waits for
// all of them, or has them, none is taken.
func (w *Worker) takeSlots(ctx context.Context) int {
	for ctx.Err() == nil && take(ctx, w.slots) {
		if len(w.alone) == 0 {
			w.giveSlots(1)
			if take(ctx, w.alone) {
				w.alone <- struct{}{}
			}
			continue
		}
		return 1 + w.takeMore()
	}
	return 0
}

// takeMore takes all slots that are free.
func (w *Worker) takeMore() int {
	for n := 0; ; n++ {
		select {
		case <-w.slots:
		default:
			return n
		}
	}
}

func (w *Worker) giveSlots(n int) {
	for range n {
		w.slots <- struct{}{}
	}
}

// take waits for a token; false means that ctx ended first.
func take(ctx context.Context, tokens <-chan struct{}) bool {
	select {
	case <-tokens:
		return true
	case <-ctx.Done():
		return false
	}
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

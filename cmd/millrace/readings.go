package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// readWithin is how long a worker that has ended waits for who reads its metrics: longer than the 15 s of the monitors. Nothing is
	// left to do by then: one that is killed meanwhile loses these counts, and no more.
	readWithin = 20 * time.Second
	// readers are there who have read within this time.
	readers = time.Minute
)

// Readings are those of metrics. What a worker counts last, such as jobs that it hands back when its grace is over, would go with
// its process, unread.
type readings struct {
	mu      sync.Mutex
	counted int           // guarded by mu: what was
	seen    int           // guarded by mu: of it, what was read
	last    time.Time     // guarded by mu: when
	next    chan struct{} // guarded by mu: closed at the next
}

func newReadings() *readings { return &readings{next: make(chan struct{})} }

// count notes that something was counted.
func (r *readings) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted++
}

// of has h's answers noted.
func (r *readings) of(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		counted := r.counted
		r.mu.Unlock()
		h.ServeHTTP(w, req)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen, r.last = max(r.seen, counted), time.Now()
		close(r.next)
		r.next = make(chan struct{})
	})
}

// await waits until all that was counted was read, where there is somebody who reads, for readWithin at most.
func (r *readings) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	for {
		r.mu.Lock()
		over, next := r.seen == r.counted || time.Since(r.last) > readers, r.next
		r.mu.Unlock()
		if over {
			return
		}
		select {
		case <-next:
		case <-ctx.Done():
			return
		}
	}
}

package queue

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
)

// A source is one queue of a Feed, and where it stands.
type source struct {
	Source
	feed *Feed

	finish    float64       // Weighted: messages had, each counted as 1/Weight; the lowest is asked first
	emptyAt   time.Time     // when it was found empty; zero while it has work, as far as is known
	rest      time.Duration // how long it is left alone then while others have work: so that all but one take a fifth of the time
	fullAt    time.Time     // when it last reached its limit
	notBefore time.Time     // after a failure: when to ask again
	backoff   backoff

	mu     sync.Mutex
	active int // guarded by mu: leases that are not done
}

// room is how many more jobs its limit allows.
func (s *source) room() int {
	if s.Limit == 0 {
		return math.MaxInt
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Limit - s.active
}

// open says that the source may be asked.
func (s *source) open() bool { return s.room() > 0 && !time.Now().Before(s.notBefore) }

// due says that the source should be asked whether it has work.
func (s *source) due() bool {
	if !s.open() {
		return false
	}
	return s.emptyAt.IsZero() || !s.feed.idle && time.Since(s.emptyAt) >= s.rest
}

// held says that the source has work for which there is no room.
func (s *source) held() bool { return s.emptyAt.IsZero() && s.room() == 0 }

// poll asks the source once, for no more than it has room for. Only a permanent fault is returned.
func (s *source) poll(ctx context.Context, n int, wait time.Duration) ([]*Lease, error) {
	wait = max(wait, 0)
	others, began := time.Duration(len(s.feed.sources)-1), time.Now()
	ls, err := s.Queue.poll(ctx, min(n, s.room()), wait)
	switch {
	case err == nil:
		s.backoff, s.notBefore = backoff{}, time.Time{}
		s.note(ls)
		s.rest = min(max(emptyRest, 4*others*(time.Since(began)-wait)), longPoll)
		return ls, nil
	case ctx.Err() != nil:
		return nil, nil
	case fault.Of(err) == fault.Permanent:
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	rest := s.backoff.next(err)
	if others > 0 {
		rest = max(rest, 4*time.Since(began)) // a queue whose calls hang takes a fifth of the others' time at most
	}
	s.notBefore = time.Now().Add(rest)
	return nil, nil
}

// note counts what a poll brought.
func (s *source) note(ls []*Lease) {
	f := s.feed
	if len(ls) == 0 {
		s.emptyAt = time.Now()
		return
	}
	s.emptyAt, f.idle = time.Time{}, false
	f.served++
	f.clock = max(f.clock, s.finish) // who had no work for a while has saved nothing up
	s.finish = f.clock + float64(len(ls))/float64(s.Weight)
	s.mu.Lock()
	s.active += len(ls)
	s.mu.Unlock()
	s.fullAt = time.Now() // if it is
	for _, l := range ls {
		l.done = s.free
	}
}

// free makes room for one more job.
func (s *source) free() {
	s.mu.Lock()
	s.active--
	s.mu.Unlock()
	select {
	case s.feed.freed <- struct{}{}:
	default:
	}
}

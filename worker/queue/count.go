package queue

import (
	"sync"
	"time"
)

// A Count is what was asked of a queue since the start, and what came of it.
type Count struct {
	Name     string // the source's
	Messages int64  // received
	Empty    int64  // receives that brought none
	Failed   int64  // receives that were not answered
	Extended int64  // extensions of leases that the broker granted
	Refused  int64  // those that failed; they are tried again while the lease lasts
	Taken    int64  // leases that the broker called another's
	Late     int64  // leases that were not extended in time
	Limit    int64  // leases that could not be extended any more, by the queue's own limit

	Asked   time.Time // when the last receive came back; zero before the first
	Failing error     // of the last receive
}

// A tally is a Count that is being counted.
type tally struct {
	mu sync.Mutex
	n  Count // guarded by mu
}

func (t *tally) add(f func(*Count)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.n)
}

// received counts a receive that brought n messages. One that ended with its context is none.
func (t *tally) received(n int, err error) {
	t.add(func(c *Count) {
		c.Asked, c.Failing = time.Now(), err
		switch {
		case err != nil:
			c.Failed++
		case n == 0:
			c.Empty++
		}
		c.Messages += int64(n)
	})
}

// Counts are those of the feed's queues, in their order.
func (f *Feed) Counts() []Count {
	counts := make([]Count, len(f.sources))
	for i, s := range f.sources {
		s.Queue.tally.add(func(c *Count) { counts[i] = *c })
		counts[i].Name = s.Name
	}
	return counts
}

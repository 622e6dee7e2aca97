package worker

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// A Status is where a worker stands.
type Status struct {
	Slots  int
	Busy   int       // slots that have a message
	Jobs   int       // of those, the ones whose job runs here
	Oldest time.Time // when the first of their messages was begun; zero when it is idle

	Draining time.Time // since when it takes no more; zero while it does
	// Idle is nil, or why no message is taken though a slot may be free: the worker has not begun, it drains, a disk is
	// full, the store takes no claims, or no queue answers.
	Idle error
	// Stalled is nil, or what receiving hangs in, for a time that nothing it waits for may take. It is nil while the
	// worker waits for a slot, for a message or for a disk, however long.
	Stalled error
	Queues  []queue.Count
	// Duplicates are the deliveries so far of jobs that had ended, or ran here already.
	Duplicates int64
}

// Status says where the worker stands. It may be called at any time.
func (w *Worker) Status() Status {
	s := Status{Slots: w.cfg.Slots, Queues: w.cfg.Feed.Counts(), Duplicates: w.duplicates.Load()}
	w.mu.Lock()
	s.Busy, s.Jobs = len(w.begun), len(w.running)
	for _, t := range w.begun {
		if s.Oldest.IsZero() || t.Before(s.Oldest) {
			s.Oldest = t
		}
	}
	w.mu.Unlock()
	w.loop.tell(&s)
	return s
}

// failing is nil, or why no queue answers.
func failing(queues []queue.Count) (err error) {
	for _, q := range queues {
		if q.Failing == nil {
			return nil
		}
		err = fmt.Errorf("%s does not answer: %w", q.Name, q.Failing)
	}
	return err
}

// stallAfter is how long one step of receiving may take. A call to a queue takes 30 s at most, of which 20 are a long
// poll; a look at GPUs 40 s.
const stallAfter = 3 * time.Minute

// The steps of receiving. One that waits may last.
const (
	waitsForSlot = ""
	looksAround  = "looking whether a message may be taken"
	asksQueue    = "asking the queue"
)

// A loop is what the goroutine that receives does, for others to see.
type loop struct {
	mu       sync.Mutex
	step     string    // guarded by mu
	since    time.Time // guarded by mu: when the step began; zero before the first
	refused  error     // guarded by mu: why no message was taken when it last looked
	draining time.Time // guarded by mu: when it was told to end, or ended
}

// enters says what is done from now on.
func (l *loop) enters(step string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.step, l.since = step, time.Now()
}

// looked says what came of looking around.
func (l *loop) looked(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

// ends says that nothing is received any more.
func (l *loop) ends() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining.IsZero() {
		l.draining = time.Now()
	}
}

// tell adds to s what the loop knows. A queue that came back is a sign of life too: several may be asked in one step.
func (l *loop) tell(s *Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Draining = l.draining
	switch {
	case !l.draining.IsZero():
		s.Idle = errDraining
		return
	case l.since.IsZero():
		s.Idle = errNotBegun
		return
	}
	s.Idle = cmp.Or(l.refused, failing(s.Queues))
	alive := l.since
	for _, q := range s.Queues {
		if q.Asked.After(alive) {
			alive = q.Asked
		}
	}
	if d := time.Since(alive); l.step != waitsForSlot && d > stallAfter {
		s.Stalled = fmt.Errorf("receiving hangs: it has been %s for %s", l.step, d.Round(time.Second))
	}
}

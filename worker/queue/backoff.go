package queue

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
)

const (
	firstWait = 250 * time.Millisecond
	lastWait  = 20 * time.Second
	// window is how often, at most, an unreachable broker is logged.
	window = time.Minute
)

// A backoff says how long to wait after each failure in a row. The zero value has seen none.
type backoff struct{ failures int }

// next returns the wait before the coming try: half of it chance, twice as long after each failure up to lastWait, and
// never less than the error asks for.
func (b *backoff) next(err error) time.Duration {
	d := lastWait
	if b.failures < 16 {
		d = min(firstWait<<b.failures, lastWait)
	}
	b.failures++
	return max(d/2+rand.N(d/2), fault.Delay(err))
}

// wait lets d pass; false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// trouble logs failing calls to the broker: one line a window however many fail, and one when a longer outage is over.
type trouble struct {
	log *slog.Logger

	mu     sync.Mutex
	began  time.Time // guarded by mu: of the outage; zero while calls pass
	logged time.Time // guarded by mu: the last warning
	count  int       // guarded by mu: failures since then
}

func (t *trouble) failed(ctx context.Context, verb string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.began.IsZero() {
		t.began = now
	}
	t.count++
	if !t.logged.IsZero() && now.Sub(t.logged) < window {
		return
	}
	t.log.WarnContext(ctx, "queue call failed", "verb", verb, "failures", t.count, "err", err)
	t.logged, t.count = now, 0
}

func (t *trouble) passed(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		return
	}
	if d := time.Since(t.began); d >= window {
		t.log.InfoContext(ctx, "queue reachable again", slog.Duration("duration", d))
	}
	t.began = time.Time{}
}

package cosqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

var errCrash = errors.New("the worker crashed")

// A ledger is what the bucket took: how often each message was acked.
type ledger struct {
	mu      sync.Mutex
	acks    map[string]int
	crashes int
}

// A life is that of one worker, which crashes before or after one of its requests: from then on nothing of it reaches the
// bucket, and no answer reaches it.
type life struct{ begun, over atomic.Bool }

// crashing is the wire of a worker that crashes once in fifty requests, on average.
func (l *ledger) crashing(next http.RoundTripper, w *life) http.RoundTripper {
	crash := func() {
		if !w.begun.Load() || rand.N(100) > 0 || w.over.Swap(true) {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.crashes++
	}
	return wire(func(r *http.Request) (*http.Response, error) {
		if crash(); w.over.Load() {
			return nil, errCrash
		}
		name := l.doneWrite(r)
		resp, err := next.RoundTrip(r)
		if err == nil && name != "" && resp.StatusCode == http.StatusOK {
			l.mu.Lock()
			l.acks[name]++
			l.mu.Unlock()
		}
		if crash(); w.over.Load() && err == nil {
			return nil, errors.Join(errCrash, resp.Body.Close())
		}
		return resp, err
	})
}

// doneWrite is the name of the message that a request acks, if it is such a one.
func (l *ledger) doneWrite(r *http.Request) string {
	if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/"+leases) {
		return ""
	}
	b, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	if err != nil || decode(b).State != done {
		return ""
	}
	return path.Base(r.URL.Path)
}

// TestWorkersThatCrashAnywhereAckEveryMessageOnce lets workers die between any two of their requests, and comes back to
// an empty bucket.
func TestWorkersThatCrashAnywhereAckEveryMessageOnce(t *testing.T) {
	t.Parallel()
	const messages, workers = 300, 8
	c := gateway(t)
	c.Visibility = time.Second
	c.Idle = 200 * time.Millisecond
	observer := start(t, c)
	each(messages, func(i int) {
		_, err := observer.Send(t.Context(), queue.Draft{Body: fmt.Append(nil, i)})
		require.NoError(t, err)
	})
	book := &ledger{acks: map[string]int{}}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := book.live(ctx, c); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for tick := time.Tick(50 * time.Millisecond); ctx.Err() == nil && !empty(t, observer); {
		<-tick
	}
	stop()
	wg.Wait()
	require.Len(t, book.acks, messages)
	for name, n := range book.acks {
		require.Equal(t, 1, n, "message %s was acked %d times", name, n)
	}
	require.NotZero(t, book.crashes)
	require.True(t, empty(t, observer), "something is left over")
	t.Logf("%d crashes", book.crashes)
}

// live lets a worker receive and ack until it crashes.
func (l *ledger) live(ctx context.Context, c Config) error {
	var w life
	c.wrap = func(next http.RoundTripper) http.RoundTripper { return l.crashing(next, &w) }
	d, err := Open(ctx, c)
	if err != nil {
		return unless(err, context.Cause(ctx))
	}
	defer d.Close()
	w.begun.Store(true)
	for {
		ms, err := d.Receive(ctx, 1+rand.N(4), time.Second)
		if w.over.Load() || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var rs []queue.Receipt
		for _, m := range ms {
			rs = append(rs, m.Receipt)
		}
		for _, err := range d.Ack(ctx, rs) {
			if err != nil && !errors.Is(err, queue.ErrLeaseLost) && !w.over.Load() && ctx.Err() == nil {
				return err
			}
		}
	}
}

// TestWhatACrashLeftIsEndedByOthers begins what a worker that was killed can have begun.
func TestWhatACrashLeftIsEndedByOthers(t *testing.T) {
	for _, tt := range []struct {
		name string
		left lease
		job  bool
		dead int
	}{
		{"acked, nothing deleted", lease{State: done}, true, 0},
		{"acked, the message deleted", lease{State: done}, false, 0},
		{"buried, nothing moved", lease{State: dead, Reason: "bad mesh", Deliveries: 3}, true, 1},
		{"buried, the message moved", lease{State: dead}, false, 0},
		{"claimed after the message was deleted", lease{State: held, Millis: 1000}, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := start(t, memory(t))
				name, _ := newName(0)
				if tt.job {
					_, err := d.bucket.put(t.Context(), jobs+name, []byte("a body"), condition{})
					require.NoError(t, err)
				}
				_, err := d.bucket.put(t.Context(), leases+name, tt.left.encode(), absent())
				require.NoError(t, err)
				for range 10 {
					none(t, d, 20*time.Second)
				}
				dead, err := d.Dead(t.Context(), -1)
				require.NoError(t, err)
				require.Len(t, dead, tt.dead)
				for _, b := range dead {
					require.Equal(t, "bad mesh", b.Reason)
					require.Equal(t, "a body", string(b.Body))
					require.Equal(t, 3, b.Delivery)
					require.NoError(t, d.bucket.remove(t.Context(), deads+string(b.Receipt)))
				}
				require.True(t, empty(t, d))
			})
		})
	}
}

// empty says whether a queue has no message and no lease.
func empty(t *testing.T, d *Driver) bool {
	t.Helper()
	n := 0
	for _, folder := range []string{jobs, leases, deads} {
		_, err := d.bucket.all(context.WithoutCancel(t.Context()), folder, func(page, object) { n++ })
		require.NoError(t, err)
	}
	return n == 0
}

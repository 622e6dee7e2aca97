package callback_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/record"
)

var errDied = errors.New("the process died here")

// A mortal store is that of a process that dies at its nth write or removal, counted from 0, before or after it took
// place. Then nothing works any more.
type mortal struct {
	blob.Store
	after bool

	mu   sync.Mutex
	left int  // guarded by mu
	dead bool // guarded by mu
}

func (m *mortal) change(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errDied
	}
	m.left--
	if m.dead = m.left < 0; !m.dead {
		return do()
	}
	if m.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errDied
}

func (m *mortal) gone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *mortal) Create(ctx context.Context, key string, b []byte) error {
	return m.change(func() error { return m.Store.Create(ctx, key, b) })
}

func (m *mortal) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (in blob.Info, err error) {
	err = m.change(func() (err error) { in, err = m.Store.Put(ctx, key, r, o); return err })
	return in, err
}

func (m *mortal) Delete(ctx context.Context, key string) error {
	return m.change(func() error { return m.Store.Delete(ctx, key) })
}

func (m *mortal) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if m.gone() {
		return nil, blob.Info{}, errDied
	}
	return m.Store.Open(ctx, key)
}

func (m *mortal) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	if m.gone() {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errDied) }
	}
	return m.Store.List(ctx, prefix, after)
}

// TestACallbackSurvivesADeathBetweenAnyTwoWrites has three processes die over one callback: one that has its message,
// and two that find it in the outbox, each at its kth write for every k. Whoever comes next must end it.
func TestACallbackSurvivesADeathBetweenAnyTwoWrites(t *testing.T) {
	const never = 1000
	for _, tt := range []struct {
		name   string
		answer func(n int) answer
		final  string // what the record says in the end
	}{
		{"delivered at once", always(200), ""},
		{"delivered from the outbox", func(n int) answer {
			if n <= 4 {
				return answer{status: 500}
			}
			return answer{status: 200}
		}, ""},
		{"refused at once", always(410), "410"},
		{"refused in the outbox", func(n int) answer {
			if n <= 4 {
				return answer{status: 500}
			}
			return answer{status: 410}
		}, "410"},
	} {
		var deaths [][]int
		for k := range 9 {
			deaths = append(deaths, []int{k}, []int{never, k}, []int{never, never, k}, []int{2, k, 8 - k})
		}
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after=%v", tt.name, after), func(t *testing.T) {
				t.Parallel()
				for _, d := range deaths {
					store := newStore(t)
					synctest.Test(t, func(t *testing.T) { outlive(t, store, d, after, &shop{answer: tt.answer}, tt.final) })
				}
			})
		}
	}
}

// outlive has one process after the other see to one callback; those that deaths names die. A message that was not
// acked comes back.
func outlive(t *testing.T, store blob.Store, deaths []int, after bool, s *shop, want string) {
	say := fmt.Sprint("deaths ", deaths)
	end(t, store, "j")
	acked := false
	for i := range 10 {
		mine := store
		if i < len(deaths) {
			mine = &mortal{Store: store, left: deaths[i], after: after}
		}
		o := newOutbox(mine, s, io.Discard)
		if !acked {
			final, err := o.Records.Final(t.Context(), "j")
			require.NoError(t, err, say)
			acked = o.CallBack(t.Context(), final, target) == nil
		}
		if _, err := o.DeliverDue(t.Context()); i >= len(deaths) {
			require.NoError(t, err, say)
		}
		time.Sleep(40 * time.Minute) // so each finds a round of the outbox due
	}
	r := load(t, store, "j")
	require.True(t, acked, say)
	require.NotNil(t, r.Callback, say)
	require.Len(t, slices.Compact(s.ids), 1, say)
	require.Len(t, slices.Compact(s.bodies), 1, say)
	keys := outboxKeys(t, store)
	if want == "" {
		require.Positive(t, s.took, say)
		require.Empty(t, r.Callback.Error, say)
		require.Empty(t, keys, say)
		return
	}
	require.Contains(t, r.Callback.Error, want, say)
	require.Len(t, keys, 2, "%s: the callback is listed as given up, and its receiver as gone: %v", say, keys)
	replayed(t, store, deaths, after, say)
}

// replayed has somebody ask for a callback that was given up, in processes that die too.
func replayed(t *testing.T, store blob.Store, deaths []int, after bool, say string) {
	s := &shop{answer: always(200)}
	for i := range 6 {
		mine := store
		if i < len(deaths) {
			mine = &mortal{Store: store, left: deaths[i], after: after}
		}
		o := newOutbox(mine, s, io.Discard)
		_ = o.Replay(t.Context(), "j") // what it could not do it does when it is asked again
		if _, err := o.DeliverDue(t.Context()); i >= len(deaths) {
			require.NoError(t, err, say)
		}
		time.Sleep(6 * time.Minute)
	}
	require.Positive(t, s.took, say)
	require.Empty(t, load(t, store, "j").Callback.Error, say)
	require.Empty(t, outboxKeys(t, store), say)
}

// slow is a receiver that takes its time.
type slow struct {
	*shop
	took time.Duration
}

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	timer := time.NewTimer(s.took)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.shop.RoundTrip(req)
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

func TestAStopLeavesATryTwoSeconds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		took     time.Duration
		ends     time.Duration
		finished bool
	}{
		{"it is done in time", 3 * time.Second, 3 * time.Second, true},
		{"it is cut off", 10 * time.Second, 4 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newStore(t)
			synctest.Test(t, func(t *testing.T) {
				owe(t, store, "j", target)
				s := slow{&shop{answer: always(200)}, tt.took}
				ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
				defer stop()
				start := time.Now()
				newOutbox(store, s, io.Discard).Run(ctx, t.Context())
				require.Equal(t, tt.ends, time.Since(start))
				if tt.finished {
					require.Equal(t, 200, load(t, store, "j").Callback.Status)
					return
				}
				require.Equal(t, 1, load(t, store, "j").Owed.Round, "our stop is none of the receiver's doing")
				time.Sleep(5 * time.Minute)
				n, err := newOutbox(store, s, io.Discard).DeliverDue(t.Context())
				require.NoError(t, err)
				require.Equal(t, 1, n, "the next claimer delivers it")
			})
		})
	}
}

// flaky is a store that can be away.
type flaky struct {
	blob.Store
	mu    sync.Mutex
	away  bool // guarded by mu
	lists int  // guarded by mu
}

func (f *flaky) set(away bool) { f.mu.Lock(); f.away = away; f.mu.Unlock() }

func (f *flaky) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if f.away {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errDied) }
	}
	return f.Store.List(ctx, prefix, after)
}

func TestAnIdleOutboxAsksTheStoreTwiceAMinuteAndLessWhileItIsAway(t *testing.T) {
	store := &flaky{Store: newStore(t)}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &shop{answer: always(200)}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var wg sync.WaitGroup
		wg.Go(func() { newOutbox(store, s, &log).Run(ctx, t.Context()) })
		time.Sleep(time.Hour)
		synctest.Wait()
		require.LessOrEqual(t, store.lists, 121)
		require.GreaterOrEqual(t, store.lists, 95)
		require.Empty(t, log.String(), "nothing to do is nothing to say")

		store.set(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		said := strings.Count(log.String(), "outbox not delivered")
		require.Positive(t, said)
		require.LessOrEqual(t, said, 20)

		owe(t, store.Store, "j", target)
		store.set(false)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, s.asked(), "it recovers by itself")
		require.NotNil(t, load(t, store.Store, "j").Callback)
		stop()
		wg.Wait()
	})
}

func TestAClaimKeepsOthersAwayForAMinuteAtLeast(t *testing.T) {
	for _, late := range []time.Duration{0, time.Minute, 4*time.Minute + 30*time.Second, 76 * time.Hour} {
		store := newStore(t)
		synctest.Test(t, func(t *testing.T) {
			owe(t, store, "j", target)
			time.Sleep(late)
			b := record.New(store, time.Now)
			var names []string
			for name, err := range b.Due(t.Context(), time.Time{}) {
				require.NoError(t, err)
				names = append(names, name)
			}
			require.Len(t, names, 1)
			e, err := b.ClaimDue(t.Context(), names[0])
			require.NoError(t, err)
			require.Equal(t, "j", e.Job)
			for range 59 {
				time.Sleep(time.Second)
				e, err = b.ClaimDue(t.Context(), names[0])
				require.NoError(t, err)
				require.Nil(t, e)
			}
			time.Sleep(10 * time.Minute)
			e, err = b.ClaimDue(t.Context(), names[0])
			require.NoError(t, err)
			require.NotNil(t, e, "what a claimer that died left is the next one's")
		})
	}
}

package callback_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
)

// A tarpit takes requests for /silent and never answers them; the others are the shop's.
type tarpit struct {
	*shop

	mu    sync.Mutex
	stuck int // guarded by mu
}

func (p *tarpit) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(req.URL.Path, "/silent") {
		return p.shop.RoundTrip(req)
	}
	p.mu.Lock()
	p.stuck++
	p.mu.Unlock()
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func TestASilentReceiverHoldsNoOtherUp(t *testing.T) {
	for _, tt := range []struct {
		name, silent, good string // %[2]d is one of five
		tries              int    // at most: some are in flight when the host is found out
		wait               time.Duration
	}{
		{"one that shares its host", "https://hooks.example/silent?job=%[1]d", "https://hooks.example/good", 10, 15 * time.Second},
		{"one with a URL for each job", "https://silent.example/silent/%[1]d", target, 24, 30 * time.Second},
		{"one that shares its site", "https://a.hooks.example/silent/%[1]d", "https://b.hooks.example/good", 24, 30 * time.Second},
		{"one with a host for each job", "https://%[1]d.silent.Example.:1%[1]d/silent", target, 40, 75 * time.Second},
		{"one with an address for each job", "https://[2001:db8::%[1]d]/silent", target, 40, 75 * time.Second},
		{"one with a host for each job, at five sites", "https://%[1]d.silent%[2]d.example/silent", target, 48, 75 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newStore(t)
			synctest.Test(t, func(t *testing.T) {
				for i := range 60 {
					owe(t, store, fmt.Sprint("silent-", i), fmt.Sprintf(tt.silent, i, i%5))
				}
				time.Sleep(time.Minute)
				owe(t, store, "good", tt.good)
				start := time.Now()
				p := &tarpit{shop: &shop{answer: always(200)}}
				o := newOutbox(store, p, io.Discard)
				n, err := o.DeliverDue(t.Context())
				require.NoError(t, err)
				require.Equal(t, 1, n)
				require.LessOrEqual(t, p.at[0].Sub(start), tt.wait)
				require.LessOrEqual(t, p.stuck, tt.tries)
				before := p.stuck
				_, err = o.DeliverDue(t.Context())
				require.NoError(t, err)
				require.Greater(t, p.stuck, before, "the next pass asks it again: what was left was not claimed")
			})
		})
	}
}

func TestAnEntryThatCannotBeReadCostsNoClaimsAndNoDelay(t *testing.T) {
	store := newStore(t)
	synctest.Test(t, func(t *testing.T) {
		for i := range 20 {
			key := fmt.Sprintf("outbox/due/19991231T000000Z-bad-%d", i)
			require.NoError(t, store.Create(t.Context(), key, []byte("{")))
		}
		owe(t, store, "no-final", target)
		for in, err := range store.List(t.Context(), "jobs/", "") {
			require.NoError(t, err)
			if strings.HasSuffix(in.Key, "/final") {
				_, err := store.Put(t.Context(), in.Key, strings.NewReader("{"), blob.PutOptions{})
				require.NoError(t, err)
			}
		}
		var log bytes.Buffer
		s := &shop{answer: always(200)}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour)
		defer stop()
		var wg sync.WaitGroup
		wg.Go(func() { newOutbox(store, s, &log).Run(ctx, t.Context()) })
		time.Sleep(time.Hour)
		owe(t, store, "good", target)
		start := time.Now()
		wg.Wait()
		require.Less(t, s.at[0].Sub(start), time.Minute)
		require.Equal(t, []string{"msg_good"}, s.ids)
		claims := 0
		for _, key := range outboxKeys(t, store) {
			if strings.HasPrefix(key, "outbox/claims/") {
				claims++
			}
		}
		require.LessOrEqual(t, claims, 2, "the newest of the one whose final can't be read")
		require.Contains(t, log.String(), "is damaged")
		require.LessOrEqual(t, strings.Count(log.String(), "outbox entries unreadable"), 2)
	})
}

// A slow store takes its time for every read of a job's folder.
type slowStore struct {
	blob.Store
	takes time.Duration
}

func (s *slowStore) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if strings.HasPrefix(key, "jobs/") {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return nil, blob.Info{}, context.Cause(ctx)
		}
	}
	return s.Store.Open(ctx, key)
}

func TestAClaimIsNotUsedAfterItsMinute(t *testing.T) {
	for takes, delivered := range map[time.Duration]int{5 * time.Second: 1, 40 * time.Second: 0} {
		t.Run(takes.String(), func(t *testing.T) {
			store := newStore(t)
			synctest.Test(t, func(t *testing.T) {
				owe(t, store, "j", target)
				s := &shop{answer: always(200)}
				start := time.Now()
				n, err := newOutbox(&slowStore{Store: store, takes: takes}, s, io.Discard).DeliverDue(t.Context())
				require.Equal(t, delivered, n)
				require.Equal(t, delivered, s.asked())
				require.Equal(t, delivered == 0, err != nil)
				require.LessOrEqual(t, time.Since(start), time.Minute)
				n, err = newOutbox(store, s, io.Discard).DeliverDue(t.Context())
				require.NoError(t, err)
				require.Zero(t, n, "the claim still keeps others away")
				time.Sleep(5 * time.Minute)
				n, err = newOutbox(store, s, io.Discard).DeliverDue(t.Context())
				require.NoError(t, err)
				require.Equal(t, 1-delivered, n)
			})
		})
	}
}

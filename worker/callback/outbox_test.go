package callback_test

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

const target = "https://user:pass@shop.example/hook?token=s3cr3t"

// A shop is a receiver of callbacks: it answers as it is told and remembers what it was sent.
type shop struct {
	answer func(n int) answer // to request n, counted from 1

	mu     sync.Mutex
	ids    []string    // guarded by mu
	bodies []string    // guarded by mu
	at     []time.Time // guarded by mu
	took   int         // 2xx answers, guarded by mu
}

func always(status int) func(int) answer { return func(int) answer { return answer{status: status} } }

func (s *shop) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.bodies, s.at = append(s.ids, req.Header.Get("webhook-id")), append(s.bodies, string(body)), append(s.at, time.Now())
	a := s.answer(len(s.ids))
	if a.status/100 == 2 {
		s.took++
	}
	h := http.Header{}
	if a.after != "" {
		h.Set("Retry-After", a.after)
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: http.NoBody, Request: req}, nil
}

// asked is how many requests came.
func (s *shop) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}

func newStore(t *testing.T) *dirblob.Store {
	t.Helper()
	s, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// newOutbox is what a process of its own would have.
func newOutbox(store blob.Store, rt http.RoundTripper, log io.Writer) *callback.Outbox {
	logger := slog.New(slog.NewJSONHandler(log, nil))
	return &callback.Outbox{
		Records: record.New(store, time.Now), Log: logger,
		Sender: &callback.Sender{Client: &http.Client{Transport: rt}, Secrets: []string{callback.NewSecret()}, Log: logger},
	}
}

// end runs a job to its end and returns its record.
func end(t *testing.T, store blob.Store, id string) *record.Record {
	t.Helper()
	b := record.New(store, time.Now)
	a, err := b.Claim(t.Context(), &job.Job{ID: id, Pipeline: "hello", CID: "c-1", Enqueued: time.Now()}, record.Claim{Worker: "w"})
	require.NoError(t, err)
	final, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
	require.NoError(t, err)
	return final
}

// owe puts a callback of a job into the outbox that is due now.
func owe(t *testing.T, store blob.Store, id, target string) {
	t.Helper()
	final := end(t, store, id)
	now := time.Now().Add(-time.Second)
	err := record.New(store, time.Now).Owe(t.Context(), record.Entry{Job: id, URL: target, First: final.Finished},
		record.Owed{Round: 1, Time: now, Tries: 3, Error: "it answered 500", Next: now})
	require.NoError(t, err)
}

func load(t *testing.T, store blob.Store, id string) *record.Record {
	t.Helper()
	r, err := record.New(store, time.Now).Load(t.Context(), id)
	require.NoError(t, err)
	return r
}

func jobsOf(t *testing.T, list iter.Seq2[callback.Waiting, error]) []string {
	t.Helper()
	var ids []string
	for w, err := range list {
		require.NoError(t, err)
		ids = append(ids, w.Job)
	}
	return ids
}

func outboxKeys(t *testing.T, store blob.Store) []string {
	t.Helper()
	var keys []string
	for in, err := range store.List(t.Context(), "outbox/", "") {
		require.NoError(t, err)
		keys = append(keys, in.Key)
	}
	return keys
}

func TestF27ACallbackOutlivesThreeDaysOfAReceiverThatIsDown(t *testing.T) {
	const h, m = time.Hour, time.Minute
	schedule := []time.Duration{5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h}
	for _, tt := range []struct {
		name     string
		downFor  time.Duration
		rounds   int // in the outbox
		gaveUp   bool
		exhausts []string
	}{
		{"it is back after an hour", h, 3, false, nil},
		{"it is back after three days", 72 * h, 8, false, nil},
		{"it never comes back", 1000 * h, 8, true, []string{"j"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newStore(t)
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				start := time.Now()
				s := &shop{}
				s.answer = func(int) answer {
					if time.Since(start) < tt.downFor {
						return answer{status: 500}
					}
					return answer{status: 200}
				}
				final := end(t, store, "j")
				require.NoError(t, newOutbox(store, s, &log).CallBack(t.Context(), final, target))
				for i := range tt.rounds {
					r := load(t, store, "j")
					require.Nil(t, r.Callback)
					require.Equal(t, 3+i, r.Owed.Tries)
					delay := r.Owed.Next.Sub(r.Owed.Time)
					require.GreaterOrEqual(t, delay, schedule[i])
					require.LessOrEqual(t, delay, schedule[i]+schedule[i]/10+time.Second)
					nobody := newOutbox(store, s, &log) // a process of its own: nothing but the store goes on
					time.Sleep(time.Until(r.Owed.Next) - time.Nanosecond)
					n, err := nobody.DeliverDue(t.Context())
					require.NoError(t, err)
					require.Zero(t, n)
					require.Equal(t, 3+i, s.asked(), "not before its time")
					time.Sleep(time.Nanosecond)
					_, err = newOutbox(store, s, &log).DeliverDue(t.Context())
					require.NoError(t, err)
					require.Equal(t, 4+i, s.asked())
				}
				r := load(t, store, "j")
				require.Nil(t, r.Owed)
				require.Equal(t, 3+tt.rounds, r.Callback.Tries)
				require.Equal(t, tt.gaveUp, r.Callback.Error != "")
				require.Equal(t, record.Succeeded, r.Status)
				require.Len(t, slices.Compact(s.ids), 1, "one id")
				require.Len(t, slices.Compact(s.bodies), 1, "one body")
				o := newOutbox(store, s, &log)
				require.Empty(t, jobsOf(t, o.List(t.Context())))
				require.Equal(t, tt.exhausts, jobsOf(t, o.Exhausted(t.Context())))
				require.Len(t, outboxKeys(t, store), len(tt.exhausts))
				require.NotContains(t, log.String(), "s3cr3t")
				shown, err := json.Marshal(r)
				require.NoError(t, err)
				require.NotContains(t, string(shown), "s3cr3t")
			})
		})
	}
}

func TestACallbackThatWasGivenUpIsReplayed(t *testing.T) {
	store := newStore(t)
	synctest.Test(t, func(t *testing.T) {
		s := &shop{answer: always(410)}
		o := newOutbox(store, s, io.Discard)
		require.NoError(t, o.CallBack(t.Context(), end(t, store, "a"), target))
		require.Contains(t, load(t, store, "a").Callback.Error, "410")
		require.NoError(t, o.CallBack(t.Context(), end(t, store, "b"), target))
		require.Equal(t, 1, s.asked(), "a receiver that wants none is not asked again")
		require.Contains(t, load(t, store, "b").Callback.Error, "410 Gone to an earlier callback")
		for w, err := range o.Exhausted(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, "https://shop.example", w.Host, "the rest may be a secret")
			require.Zero(t, w.Due)
		}

		require.NoError(t, o.Replay(t.Context(), "a")) // it still says 410
		require.Equal(t, []string{"a"}, jobsOf(t, o.List(t.Context())))
		n, err := o.DeliverDue(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, []string{"a", "b"}, jobsOf(t, o.Exhausted(t.Context())))

		s.answer = always(200)
		require.NoError(t, o.Replay(t.Context(), "a"))
		require.NoError(t, o.CallBack(t.Context(), end(t, store, "c"), target), "enabled again")
		require.Equal(t, 200, load(t, store, "c").Callback.Status)
		require.NoError(t, o.Replay(t.Context(), "b"))
		n, err = o.DeliverDue(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		for _, id := range []string{"a", "b"} {
			require.Equal(t, 200, load(t, store, id).Callback.Status)
			require.Empty(t, load(t, store, id).Callback.Error)
		}
		require.Empty(t, outboxKeys(t, store))
		require.ErrorIs(t, o.Replay(t.Context(), "a"), record.ErrNotExhausted)
		require.ErrorContains(t, o.Replay(t.Context(), "../a"), "can't name a record")
	})
}

func TestTwoOutboxesOnOneStoreDeliverOnce(t *testing.T) {
	for name, open := range map[string]func(*testing.T) blob.Store{
		"a folder": func(t *testing.T) blob.Store { return newStore(t) },
		"a bucket": func(t *testing.T) blob.Store {
			endpoint := servertest.Versitygw(t)
			store, err := s3blob.Open(t.Context(), s3blob.Config{AWS: blobtest.AWS(t, endpoint), Bucket: blobtest.Bucket(t, endpoint)})
			require.NoError(t, err)
			return store
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			s := &shop{answer: always(200)}
			var jobs []string
			for i := range 20 {
				id := string(rune('a' + i))
				owe(t, store, id, target)
				jobs = append(jobs, "msg_"+id)
			}
			var wg sync.WaitGroup
			var got [2]int
			for i := range got {
				wg.Go(func() {
					var err error
					got[i], err = newOutbox(store, s, io.Discard).DeliverDue(t.Context())
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			slices.Sort(s.ids)
			require.Equal(t, jobs, s.ids)
			require.Equal(t, 20, got[0]+got[1])
			require.Empty(t, outboxKeys(t, store))
		})
	}
}

// 500 is tried again, Retry-After is honoured, 410 ends it. F30: so is what an answer of 3xx comes to.
func TestF29F30WhatAReceiverAnswersDecidesWhatFollows(t *testing.T) {
	const m = time.Minute
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	for _, tt := range []struct {
		name, after string
		status      int
		next        time.Duration // 0: it is over
		errs        string
	}{
		{"500 waits for the schedule", "", 500, 30 * m, "500"},
		{"429 without a Retry-After too", "", 429, 30 * m, "429"},
		{"429 with one that is longer", "7200", 429, 120 * m, "429"},
		{"503 with one that is shorter", "60", 503, 30 * m, "503"},
		{"503 with one that is for ever", "2000000000", 503, 24 * 60 * m, "503"},
		{"a redirect is a failure", "", 307, 30 * m, "redirects are not followed"},
		{"410 is the end", "", 410, 0, "410"},
		{"204 is what we want", "", 204, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", elsewhere.URL)
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.WriteHeader(tt.status)
			}))
			defer srv.Close()
			store := newStore(t)
			owe(t, store, "j", srv.URL)
			n, err := newOutbox(store, http.DefaultTransport, io.Discard).DeliverDue(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.errs == "", n == 1)
			r := load(t, store, "j")
			if tt.next == 0 {
				require.Equal(t, tt.status, r.Callback.Status)
				require.Equal(t, 4, r.Callback.Tries)
				require.Contains(t, r.Callback.Error, tt.errs)
				return
			}
			require.Contains(t, r.Owed.Error, tt.errs)
			require.Equal(t, 2, r.Owed.Round)
			require.InDelta(t, tt.next.Minutes(), r.Owed.Next.Sub(r.Owed.Time).Minutes(), tt.next.Minutes()/10+1)
		})
	}
	require.False(t, followed)
}

func TestTriesAndTheirEndAreTold(t *testing.T) {
	store := newStore(t)
	synctest.Test(t, func(t *testing.T) {
		s := &shop{answer: func(n int) answer {
			switch n {
			case 1, 2, 3:
				return answer{status: 503}
			case 4:
				return answer{status: 204}
			}
			return answer{status: 410}
		}}
		o := newOutbox(store, s, io.Discard)
		var tries []int
		var lags []time.Duration
		givenUp := 0
		o.Sender.Tried = func(status int) { tries = append(tries, status) }
		o.Sender.Delivered = func(after time.Duration) { lags = append(lags, after.Truncate(time.Minute)) }
		o.Sender.GivenUp = func() { givenUp++ }
		require.NoError(t, o.CallBack(t.Context(), end(t, store, "j"), target))
		require.Empty(t, lags)
		time.Sleep(time.Until(load(t, store, "j").Owed.Next) + time.Second)
		_, err := o.DeliverDue(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{503, 503, 503, 204}, tries)
		require.Len(t, lags, 1)
		require.GreaterOrEqual(t, lags[0], 5*time.Minute)
		require.Zero(t, givenUp)
		require.NoError(t, o.CallBack(t.Context(), end(t, store, "gone"), target))
		require.Equal(t, 410, tries[4])
		require.Equal(t, 1, givenUp)
	})
}

func TestWithoutASecretACallbackIsListedAsGivenUp(t *testing.T) {
	store := newStore(t)
	o := &callback.Outbox{Records: record.New(store, time.Now), Log: quiet}
	require.NoError(t, o.CallBack(t.Context(), end(t, store, "j"), target))
	require.Contains(t, load(t, store, "j").Callback.Error, "MILLRACE_CALLBACK_SECRET")
	require.Equal(t, []string{"j"}, jobsOf(t, o.Exhausted(t.Context())))
	_, err := o.DeliverDue(t.Context())
	require.ErrorContains(t, err, "MILLRACE_CALLBACK_SECRET", "what others owe is not given up for want of it here")
}

func TestAURLThatIsTooLongIsGivenUpAndListed(t *testing.T) {
	store := newStore(t)
	s := &shop{answer: always(200)}
	o := newOutbox(store, s, io.Discard)
	final := end(t, store, "j")
	for range 2 { // and once more by a redelivery
		require.NoError(t, o.CallBack(t.Context(), final, "https://shop.example/"+strings.Repeat("x", 1<<20)))
		final = load(t, store, "j")
		require.Contains(t, final.Callback.Error, "it has 1048597 bytes, and at most 8192 are taken")
	}
	require.Equal(t, []string{"j"}, jobsOf(t, o.Exhausted(t.Context())))
	require.Zero(t, s.asked())
}

func TestAnEntryThatCannotBeReadHoldsNoOtherUp(t *testing.T) {
	store := newStore(t)
	for key, body := range map[string]string{
		"outbox/due/20000101T000000Z-broken":  `{"job": `,
		"outbox/due/20000101T000000Z-other":   `{"job": "good", "url": "https://shop.example"}`,
		"outbox/due/20000101T000000Z-long":    strings.Repeat(" ", 2<<20),
		"outbox/due/20000101T000000Z-deep":    strings.Repeat(`[`, 20_000),
		"outbox/due/20000101T000000Z-.hidden": `{"job": "hidden"}`,
		"outbox/due/tomorrow":                 `?`,
	} {
		require.NoError(t, store.Create(t.Context(), key, []byte(body)))
	}
	owe(t, store, "good", target)
	s := &shop{answer: always(200)}
	o := newOutbox(store, s, io.Discard)
	_, err := o.DeliverDue(t.Context())
	for _, name := range []string{"broken", "other", "long", "deep"} {
		require.ErrorContains(t, err, "outbox/due/20000101T000000Z-"+name+" is damaged")
	}
	require.Equal(t, []string{"msg_good"}, s.ids)
	var broken []string
	for w, err := range o.List(t.Context()) {
		require.NotEmpty(t, w.Job, "the listing goes on")
		if err != nil {
			broken = append(broken, w.Job)
		}
	}
	require.Equal(t, []string{"broken", "deep", "long", "tomorrow"}, broken)
	require.Equal(t, 200, load(t, store, "good").Callback.Status)
}

func TestACallbackOfAJobWhoseRecordIsGoneIsGivenUp(t *testing.T) {
	store := newStore(t)
	owe(t, store, "j", target)
	for in, err := range store.List(t.Context(), "jobs/", "") {
		require.NoError(t, err)
		require.NoError(t, store.Delete(t.Context(), in.Key))
	}
	s := &shop{answer: always(200)}
	o := newOutbox(store, s, io.Discard)
	_, err := o.DeliverDue(t.Context())
	require.NoError(t, err)
	require.Zero(t, s.asked())
	for w, err := range o.Exhausted(t.Context()) {
		require.NoError(t, err)
		require.Contains(t, w.Error, "record is no longer in the store")
	}
	require.Equal(t, []string{"outbox/exhausted/j"}, outboxKeys(t, store))
}

func TestAHostThatOnlyThisProcessMayNotReachIsNotGivenUp(t *testing.T) {
	store := newStore(t)
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(store, fenced{}, io.Discard)
		owe(t, store, "a", target)
		n, err := o.DeliverDue(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, []string{"a"}, jobsOf(t, o.List(t.Context())), "an earlier round was let out")
		require.Empty(t, jobsOf(t, o.Exhausted(t.Context())))
		require.NoError(t, o.CallBack(t.Context(), end(t, store, "b"), target))
		require.Equal(t, []string{"b"}, jobsOf(t, o.Exhausted(t.Context())))
	})
}

// fenced is a process that may reach nobody.
type fenced struct{}

func (fenced) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, fault.As(fault.Permanent, &egress.BlockedError{Host: "shop.example", Class: "private"})
}

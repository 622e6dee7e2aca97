package callback_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/callback"
)

var quiet = slog.New(slog.DiscardHandler)

// A script is a transport that gives one answer after the other, the last again and again, and remembers the requests.
type script struct {
	answers []answer
	took    time.Duration // of each round trip
	seen    []*http.Request
	at      []time.Duration // since the first request
	start   time.Time
}

type answer struct {
	status int // 0: the connection breaks
	after  string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.start.IsZero() {
		s.start = time.Now()
	}
	s.seen, s.at = append(s.seen, req), append(s.at, time.Since(s.start))
	a := s.answers[min(len(s.seen), len(s.answers))-1]
	timer := time.NewTimer(s.took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if a.status == 0 {
		return nil, errors.New("connection reset")
	}
	h := http.Header{}
	if a.after != "" {
		h.Set("Retry-After", a.after)
	}
	if a.status/100 == 3 {
		h.Set("Location", "https://elsewhere.example/")
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: http.NoBody, Request: req}, nil
}

func (s *script) send(ctx context.Context) (callback.Receipt, error) {
	sender := &callback.Sender{Client: &http.Client{Transport: s}, Secrets: []string{callback.NewSecret()}, Log: quiet}
	return sender.Send(ctx, callback.Delivery{ID: "msg_j", URL: "https://user:pass@shop.example/hook?token=s3cr3t", Body: []byte("{}")})
}

func TestAReceiverVerifiesACallbackWithAnyOfTheSecrets(t *testing.T) {
	older, newer := callback.NewSecret(), callback.NewSecret()
	body := []byte(`{"type":"job.succeeded"}`)
	var verified []error
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		verified = append(verified, err)
		for _, secret := range []string{older, newer} {
			wh, err := webhook.NewWebhook(secret)
			verified = append(verified, err, wh.Verify(got, r.Header))
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Webhook-Id") != "msg_j" {
			verified = append(verified, errors.New("not what the spec asks for"))
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	s := &callback.Sender{Client: srv.Client(), Secrets: []string{older, newer}, Log: quiet}
	r, err := s.Send(t.Context(), callback.Delivery{ID: "msg_j", URL: srv.URL, Body: body})
	require.NoError(t, err)
	require.Equal(t, callback.Receipt{Tries: 1, Status: 202}, r)
	require.NoError(t, errors.Join(verified...))
}

func TestTriesAndPauses(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name    string
		answers []answer
		took    time.Duration
		at      []time.Duration
		status  int
		kind    fault.Kind
		after   time.Duration
	}{
		{"delivered at once", []answer{{204, ""}}, 0, []time.Duration{0}, 204, "", 0},
		{"three tries, a second and five apart", []answer{{500, ""}}, 0, []time.Duration{0, s, 6 * s}, 500, fault.Transient, 0},
		{"the second one gets through", []answer{{0, ""}, {200, ""}}, 0, []time.Duration{0, s}, 200, "", 0},
		{"a broken connection has no status", []answer{{0, ""}}, 0, []time.Duration{0, s, 6 * s}, 0, fault.Transient, 0},
		{"Retry-After is honoured", []answer{{429, "7"}, {503, "2"}, {200, ""}}, 0, []time.Duration{0, 7 * s, 12 * s}, 200, "", 0},
		{"as a date too", []answer{{429, "Sat, 01 Jan 2000 00:00:09 GMT"}, {200, ""}}, 0, []time.Duration{0, 9 * s}, 200, "", 0},
		{"one that leads too far is handed on", []answer{{429, "3600"}}, 0, []time.Duration{0}, 429, fault.Transient, time.Hour},
		{"nonsense is no Retry-After", []answer{{429, "-5 soon"}, {200, ""}}, 0, []time.Duration{0, s}, 200, "", 0},
		{"410 is the end", []answer{{410, "1"}}, 0, []time.Duration{0}, 410, fault.Permanent, 0},
		{"a redirect is a failure", []answer{{302, ""}}, 0, []time.Duration{0, s, 6 * s}, 302, fault.Transient, 0},
		{"1xx is no success either", []answer{{199, ""}}, 0, []time.Duration{0, s, 6 * s}, 199, fault.Transient, 0},
		{"a try ends after 15 s, all after 30", []answer{{200, ""}}, time.Hour, []time.Duration{0, 16 * s}, 0, fault.Transient, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				rec := &script{answers: tt.answers, took: tt.took}
				r, err := rec.send(t.Context())
				require.Equal(t, tt.at, rec.at)
				require.Equal(t, callback.Receipt{Tries: len(tt.at), Status: tt.status}, r)
				require.LessOrEqual(t, time.Since(start), 30*s)
				require.Equal(t, tt.kind, fault.Of(err))
				if tt.after > 0 {
					require.Equal(t, tt.after, fault.Delay(err))
				}
				if tt.kind == "" {
					require.NoError(t, err)
					return
				}
				require.NotContains(t, err.Error(), "s3cr3t")
				require.NotContains(t, err.Error(), "pass")
				require.Contains(t, err.Error(), "https://shop.example")
			})
		})
	}
}

func TestTheIDStaysAndTheTimestampMovesWithEachTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &script{answers: []answer{{500, ""}}}
		_, err := rec.send(t.Context())
		require.EqualError(t, err, "call back https://shop.example: it answered 500 Internal Server Error")
		require.Len(t, rec.seen, 3)
		stamps := map[string]bool{}
		for _, req := range rec.seen {
			require.Equal(t, "msg_j", req.Header.Get("webhook-id"))
			seconds, err := strconv.ParseInt(req.Header.Get("webhook-timestamp"), 10, 64)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), time.Unix(seconds, 0), 7*time.Second)
			stamps[req.Header.Get("webhook-timestamp")] = true
		}
		require.Len(t, stamps, 3)
	})
}

func TestSendStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("lease lost")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, why)
		defer cancel()
		rec := &script{answers: []answer{{500, ""}}}
		r, err := rec.send(ctx)
		require.ErrorIs(t, err, why)
		require.Equal(t, callback.Receipt{Tries: 2, Status: 500}, r)
	})
}

func TestAGoneReceiverIsTold(t *testing.T) {
	rec := &script{answers: []answer{{410, ""}}}
	_, err := rec.send(t.Context())
	require.ErrorIs(t, err, callback.ErrGone)
}

func TestF30ARedirectIsNotFollowed(t *testing.T) {
	followed := false
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer target.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60") // so that there is one try
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	s := &callback.Sender{Client: srv.Client(), Secrets: []string{callback.NewSecret()}, Log: quiet}
	_, err := s.Send(t.Context(), callback.Delivery{ID: "msg_j", URL: srv.URL, Body: []byte("{}")})
	require.ErrorContains(t, err, "307 Temporary Redirect, and redirects are not followed; use the final address")
	require.False(t, followed)
}

// endless is a body that never ends; it counts what was taken of it, and gives a byte a second once slow bytes are due.
type endless struct {
	ctx   context.Context
	taken int
	slow  bool
}

func (e *endless) Read(p []byte) (int, error) {
	if !e.slow {
		e.taken += len(p)
		return len(p), nil
	}
	select {
	case <-time.After(time.Second):
		e.taken++
		return 1, nil
	case <-e.ctx.Done():
		return 0, e.ctx.Err()
	}
}

func (e *endless) Close() error { return nil }

type endlessly struct{ body *endless }

func (e endlessly) RoundTrip(req *http.Request) (*http.Response, error) {
	e.body.ctx = req.Context()
	return &http.Response{StatusCode: http.StatusOK, Body: e.body, Request: req}, nil
}

// The time, the bytes that are read, and what is given free.
func TestF28AnEndlessAnswerHoldsNobodyUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		slow bool
		took time.Duration
		most int
	}{
		{"gigabytes, as fast as it can", false, 0, 64 << 10},
		{"slow loris, a byte a second", true, 15 * time.Second, 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := &endless{slow: tt.slow}
				s := &callback.Sender{Client: &http.Client{Transport: endlessly{body}}, Secrets: []string{callback.NewSecret()}, Log: quiet}
				start := time.Now()
				r, err := s.Send(t.Context(), callback.Delivery{ID: "msg_j", URL: "http://shop.example", Body: []byte("{}")})
				require.NoError(t, err, "the status decides")
				require.Equal(t, 1, r.Tries)
				require.Equal(t, tt.took, time.Since(start))
				require.LessOrEqual(t, body.taken, tt.most)
			})
		})
	}
}

func TestWhatCannotBeSentIsASentence(t *testing.T) {
	good := []string{callback.NewSecret()}
	for _, tt := range []struct {
		name, url string
		secrets   []string
		want      string
	}{
		{"no scheme", "shop.example/hook", good, "callback URL can't be used: it must begin with http:// or https:// and name a host"},
		{"a file", "file:///etc/passwd", good, "callback URL can't be used: it must begin with http:// or https:// and name a host"},
		{"no secret", "https://shop.example", nil, "callback can't be signed: no secret is configured"},
		{"a bad secret", "https://shop.example", []string{"hunter2"}, "call back https://shop.example: callback secret does not begin with whsec_"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &callback.Sender{Client: &http.Client{Transport: &script{}}, Secrets: tt.secrets, Log: quiet}
			_, err := s.Send(t.Context(), callback.Delivery{ID: "msg_j", URL: tt.url})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestSecretsAreChecked(t *testing.T) {
	encoded := func(bytes int) string { return "whsec_" + strings.Repeat("AAAA", bytes/3) }
	for _, tt := range []struct{ name, secret, want string }{
		{"24 bytes", encoded(24), ""},
		{"64 bytes", encoded(63) + "AA==", ""},
		{"a new one", callback.NewSecret(), ""},
		{"empty", "", "does not begin with whsec_"},
		{"no prefix", "AAAA", "does not begin with whsec_"},
		{"not base64", "whsec_!!!", "no base64 after whsec_"},
		{"short", encoded(21), "has 21 bytes, and needs 24 to 64"},
		{"long", encoded(66), "has 66 bytes, and needs 24 to 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := callback.CheckSecret(tt.secret)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
	require.NotEqual(t, callback.NewSecret(), callback.NewSecret())
}

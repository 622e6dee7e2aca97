package sqsqueue_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
)

// through is the server behind a proxy. before sees each call, by its name, and may answer it; after may change what the
// server said.
func (s server) through(t *testing.T, before func(w http.ResponseWriter, call string) bool, after func(call, body string) string) server {
	t.Helper()
	to, err := url.Parse(s.endpoint)
	require.NoError(t, err)
	name := func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.") }
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.ModifyResponse = func(r *http.Response) error {
		if after == nil {
			return nil
		}
		b, err := io.ReadAll(r.Body)
		b = []byte(after(name(r.Request), string(b)))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		r.Header.Set("Content-Length", fmt.Sprint(len(b)))
		return err
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, name(r)) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return server{front.URL, s.fifo}
}

// refuse answers a call as SQS does.
func refuse(w http.ResponseWriter, status int, code string) bool {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Query-Error", code+";Sender")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"no"}`, code)
	return true
}

func TestASendIsVerifiedByItsChecksums(t *testing.T) {
	for _, tt := range []struct{ name, from, to string }{
		{"the body arrives changed", `"MD5OfMessageBody":"`, `"MD5OfMessageBody":"0`},
		{"the attributes arrive changed", `"MD5OfMessageAttributes":"`, `"MD5OfMessageAttributes":"0`},
		{"nothing is changed", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := server{endpoint: servertest.ElasticMQ(t)}
			name, _ := s.queues(t, 100)
			d := s.through(t, nil, func(call, body string) string {
				if call == "SendMessage" && tt.from != "" {
					require.Contains(t, body, tt.from)
					return strings.Replace(body, tt.from, tt.to, 1)
				}
				return body
			}).open(t, name)
			_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x"), Attributes: map[string]string{"b": "2", "a": "1"}})
			require.Equal(t, tt.from == "", err == nil, "%v", err)
		})
	}
}

func TestAReceiveAlwaysWaitsSoThatAllServersOfSQSAreAsked(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	began := time.Now()
	ms, err := d.Receive(t.Context(), 1, 0)
	require.NoError(t, err)
	require.Empty(t, ms)
	require.GreaterOrEqual(t, time.Since(began), 900*time.Millisecond)
}

// F12
func TestAReceiptThatIsRefusedIsALostLease(t *testing.T) {
	for _, code := range []string{"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"} {
		s := server{endpoint: servertest.Fauxqs(t)}
		name, _ := s.queues(t, 100)
		d := s.through(t, func(w http.ResponseWriter, call string) bool {
			return strings.HasPrefix(call, "ChangeMessageVisibility") && refuse(w, http.StatusBadRequest, code)
		}, func(call, body string) string {
			if call == "DeleteMessageBatch" {
				return fmt.Sprintf(`{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":%q,"Message":"no"},{"Id":"7","Code":"InternalError"}]}`, code)
			}
			return body
		}).open(t, name)
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
		require.NoError(t, err)
		m := one(t, d)
		require.ErrorIs(t, d.Extend(t.Context(), m.Receipt, time.Minute), queue.ErrLeaseLost, code)
		require.ErrorIs(t, d.Nack(t.Context(), m.Receipt, time.Hour), queue.ErrLeaseLost, code)
		require.ErrorIs(t, d.Bury(t.Context(), m, "no"), queue.ErrLeaseLost, code)
		require.ErrorIs(t, d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0], queue.ErrLeaseLost, code)
	}
}

// The server refuses what is signed more than a quarter of an hour away from its own time, which is an hour ahead.
func TestF18AClockThatIsAnHourOffIsCorrected(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	to, err := url.Parse(s.endpoint)
	require.NoError(t, err)
	var off atomic.Int64 // hours
	theirs := func() time.Time { return time.Now().Add(time.Duration(off.Load()) * time.Hour).UTC() }
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", theirs().Format(http.TimeFormat))
		return nil
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err == nil && theirs().Sub(signed).Abs() < 15*time.Minute {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Date", theirs().Format(http.TimeFormat))
		refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
	}))
	t.Cleanup(front.Close)
	d := server{front.URL, s.fifo}.open(t, name)
	send := func() error {
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
		return err
	}
	require.NoError(t, send())
	off.Store(1)
	err = send()
	require.True(t, cloud.Is(err, cloud.Skewed), "%v", err)
	require.ErrorContains(t, err, "NTP")
	for range 2 {
		require.NoError(t, send(), "it is signed by the server's time now")
	}
	off.Store(0)
	require.Error(t, send())
	require.NoError(t, send(), "and back")
}

func TestAServerThatFailsOrThrottlesIsTransientAndARevokedPermissionSaysSo(t *testing.T) {
	for _, tt := range []struct {
		code   string
		status int
		why    cloud.Why
	}{
		{"InternalError", 500, cloud.Unreachable},
		{"ServiceUnavailable", 503, cloud.Unreachable},
		{"ThrottlingException", 400, cloud.Throttled},
		{"AccessDeniedException", 400, cloud.Denied},
		{"ExpiredToken", 403, cloud.Denied},
		{"QueueDoesNotExist", 400, cloud.Missing},
	} {
		t.Run(tt.code, func(t *testing.T) {
			s := server{endpoint: servertest.Fauxqs(t)}
			name, _ := s.queues(t, 100)
			var failing atomic.Bool
			d := s.through(t, func(w http.ResponseWriter, _ string) bool {
				return failing.Load() && refuse(w, tt.status, tt.code)
			}, nil).open(t, name)
			failing.Store(true)
			r := queue.Receipt(fmt.Sprintf("%d.id.x", time.Now().Unix()))
			_, receive := d.Receive(t.Context(), 1, 0)
			_, send := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
			_, depth := d.Depth(t.Context())
			for _, err := range []error{receive, send, depth, d.Extend(t.Context(), r, 1), d.Nack(t.Context(), r, 0), d.Ack(t.Context(), []queue.Receipt{r})[0]} {
				require.True(t, cloud.Is(err, tt.why), "%v", err)
				require.NotErrorIs(t, err, queue.ErrLeaseLost)
				require.NotContains(t, err.Error(), "\n")
			}
		})
	}
}

// F17
func TestCallsOnAWireThatHasFallenSilentEnd(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	wire := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "sqs", "127.0.0.1:0", strings.TrimPrefix(s.endpoint, "http://"))
	require.NoError(t, wire.Start())
	t.Cleanup(wire.Stop)
	d := server{endpoint: "http://" + wire.Listen}.open(t, name)
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	m := one(t, d)
	d.LimitCalls(time.Second)
	before := runtime.NumGoroutine()
	_, err = wire.Toxics.AddToxicJson(strings.NewReader(`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`))
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	failed := make(chan error, 16)
	for range 4 {
		wg.Go(func() { _, err := d.Receive(ctx, 1, time.Second); failed <- err })
		wg.Go(func() { failed <- d.Extend(ctx, m.Receipt, time.Minute) })
		wg.Go(func() { failed <- d.Ack(ctx, []queue.Receipt{m.Receipt})[0] })
		wg.Go(func() { _, err := d.Depth(ctx); failed <- err })
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		require.True(t, cloud.Is(err, cloud.Unreachable), "%v", err)
	}
	require.Less(t, time.Since(began), 8*time.Second)
	wire.Toxics.ResetToxics(t.Context())
	wire.Stop() // its own goroutines end, and connections with them
	require.NoError(t, d.Close())
	require.LessOrEqual(t, runtime.NumGoroutine(), before+4)
}

func TestAPollIsLetReturnWhenItsContextEnds(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	received := make(chan struct{})
	d := s.through(t, nil, func(call, body string) string {
		if call == "ReceiveMessage" {
			close(received)                    // the message is hidden by now
			time.Sleep(200 * time.Millisecond) // the answer is slow
		}
		return body
	}).open(t, name)
	id, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-received
		cancel()
	}()
	ms, err := d.Receive(ctx, 1, 20*time.Second)
	require.NoError(t, err)
	require.Len(t, ms, 1)
	require.Equal(t, id, ms[0].ID)
}

func TestAnIdleQueueCostsOneCallAPoll(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 100)
	var calls atomic.Int64
	d := s.through(t, func(http.ResponseWriter, string) bool { calls.Add(1); return false }, nil).open(t, name)
	calls.Store(0)
	began := time.Now()
	for range 2 {
		ms, err := d.Receive(t.Context(), 64, 1200*time.Millisecond)
		require.NoError(t, err)
		require.Empty(t, ms)
	}
	require.EqualValues(t, 2, calls.Load(), "one poll of 20 s is one call in 20 s")
	require.GreaterOrEqual(t, time.Since(began), 4*time.Second, "waits are rounded up to whole seconds, and lasted")
}

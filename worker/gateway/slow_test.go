package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// pipes is a listener whose connections are made in this process, so that synctest turns their time.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// slowly sends a request's head, and then a byte of its body every second, until it is answered.
func (p pipes) slowly(t *testing.T, head string) (res *http.Response, took time.Duration) {
	began, c := time.Now(), p.dial()
	defer c.Close()
	answered := make(chan error, 1)
	go func() {
		var err error
		res, err = http.ReadResponse(bufio.NewReader(c), nil)
		answered <- err
	}()
	_, err := fmt.Fprintf(c, "%s\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", head)
	require.NoError(t, err)
	for {
		select {
		case err := <-answered:
			require.NoError(t, err)
			return res, time.Since(began)
		case <-time.After(time.Second):
			require.Less(t, time.Since(began), time.Hour, "it is never answered")
			_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			_, _ = c.Write([]byte("x"))
		}
	}
}

func TestABodyThatComesTooSlowlyIsCutOff(t *testing.T) {
	g := newGate(t, nil)
	synctest.Test(t, func(t *testing.T) {
		p := pipes{make(chan net.Conn)}
		p.serve(t, g, func() {
			for _, tt := range []struct {
				name, head string
				status     int
			}{
				{"of who has a key", "POST /v1/jobs HTTP/1.1\r\nAuthorization: Bearer " + operatorKey, http.StatusRequestTimeout},
				{"of a stranger", "POST /v1/jobs HTTP/1.1", http.StatusUnauthorized},
				{"of a stranger with a file", "PUT /v1/uploads/a.stl HTTP/1.1", http.StatusUnauthorized},
				{"to no path", "POST /nothing HTTP/1.1", http.StatusNotFound},
				{"to a path that is not plain", "POST //v1/jobs HTTP/1.1", http.StatusNotFound},
				{"by another method", "PATCH /v1/jobs HTTP/1.1", http.StatusMethodNotAllowed},
			} {
				res, took := p.slowly(t, tt.head)
				require.Equal(t, tt.status, res.StatusCode, tt.name)
				require.InDelta(t, 30, took.Seconds(), 2, tt.name)
			}

			began, c := time.Now(), p.dial()
			_, err := fmt.Fprint(c, "POST /v1/jobs HTTP/1.1\r\nHost: ")
			require.NoError(t, err)
			_, err = c.Read(make([]byte, 1))
			require.Error(t, err, "who sends headers too slowly loses the connection")
			require.InDelta(t, 10, time.Since(began).Seconds(), 1)
		})
	})
	require.Empty(t, g.sent)
	require.Contains(t, g.log.String(), "status=408")
}

// serve has a gateway take what is dialled, for as long as f runs.
func (p pipes) serve(t *testing.T, g http.Handler, f func()) {
	s := &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(p) }()
	f()
	close(p.conns)
	require.ErrorIs(t, <-ended, net.ErrClosed)
	_ = s.Close()
}

func TestAnAnswerMayTakeLongerThanTheBody(t *testing.T) {
	g := newGate(t, func(c *gateway.Config) {
		c.Check = func(ctx context.Context, _ *job.Job) error {
			select {
			case <-time.After(50 * time.Second):
			case <-ctx.Done():
			}
			return context.Cause(ctx)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := pipes{make(chan net.Conn)}
		p.serve(t, g, func() {
			c := p.dial()
			defer c.Close()
			_, err := fmt.Fprintf(c, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", operatorKey, len(helloJob), helloJob)
			require.NoError(t, err)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusAccepted, res.StatusCode)
		})
	})
	require.Len(t, g.sent, 1)
}

func TestAFileIsTakenHoweverLongItTakes(t *testing.T) {
	g := newGate(t, nil)
	synctest.Test(t, func(t *testing.T) {
		p := pipes{make(chan net.Conn)}
		p.serve(t, g, func() {
			const seconds, perSecond = 300, 1024
			c := p.dial()
			defer c.Close()
			_, err := fmt.Fprintf(c, "PUT /v1/uploads/a.obj?pipeline=hello_world HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", operatorKey, seconds*perSecond)
			require.NoError(t, err)
			for range seconds {
				_, err := c.Write(make([]byte, perSecond))
				require.NoError(t, err)
				time.Sleep(time.Second)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusAccepted, res.StatusCode)
		})
	})
	require.Len(t, g.sent, 1)
}

func TestALogIsFollowedForLongerThanAnyOtherAnswerMayTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, func(c *gateway.Config) { c.Desk = &desk.Desk{Records: c.Records, Unsearched: []string{"sqs:jobs"}} })
		p := pipes{make(chan net.Conn)}
		p.serve(t, g, func() {
			began, c := time.Now(), p.dial()
			defer c.Close()
			_, err := fmt.Fprintf(c, "GET /v1/jobs/x/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", operatorKey)
			require.NoError(t, err)
			for r := bufio.NewReader(c); time.Since(began) < 10*time.Minute; {
				line, err := r.ReadString('\n')
				require.NoError(t, err, "after %v", time.Since(began))
				require.NotContains(t, line, "event:")
			}
		})
	})
}

func TestAQueueThatHangsIsAnsweredFor(t *testing.T) {
	const event = `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"pipeline":"hello_world"}}`
	for _, tt := range []struct{ name, path, kind, body string }{
		{"for one job", "/v1/jobs", "application/json", helloJob},
		{"for a file's", "/v1/uploads?name=a.obj&pipeline=hello_world", "", "v 0 0 0"}, // its job is looked at before the file comes, too
		{"for several", "/v1/jobs", "application/cloudevents-batch+json", "[" + event + "," + strings.Replace(event, `"1"`, `"2"`, 1) + "]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t, func(c *gateway.Config) {
				c.Check = func(ctx context.Context, _ *job.Job) error {
					select {
					case <-ctx.Done():
					case <-time.After(40 * time.Second): // the catalogue is slow, too
					}
					return nil
				}
				c.Send = func(ctx context.Context, _ *job.Job, _ queue.Draft) error {
					<-ctx.Done()
					return ctx.Err()
				}
			})
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				problem(t, g.ask("POST", tt.path, operatorKey, tt.body, "Content-Type: "+tt.kind), http.StatusServiceUnavailable)
				require.LessOrEqual(t, time.Since(began), 100*time.Second, "who asked can still read it")
			})
		})
	}
}

// Decoded, a hostile body takes 200 times its length: a few at a time must do, and nobody else waits for them.
func TestLargeBodiesAreMadeJobsOfInTurns(t *testing.T) {
	large := `{"pipeline":"large","state":{"a":[` + strings.Repeat("1,", 20<<10) + `1]}}`
	synctest.Test(t, func(t *testing.T) {
		var decoded atomic.Int64
		sent := make(chan struct{})
		g := newGate(t, func(c *gateway.Config) {
			c.Send = func(_ context.Context, j *job.Job, _ queue.Draft) error {
				if j.Pipeline == "large" {
					decoded.Add(1)
					<-sent
				}
				return nil
			}
			c.Ended = nil
			c.Log = slog.New(slog.DiscardHandler)
		})
		answers := make(chan int, 3)
		for range 3 {
			go func() { answers <- g.ask("POST", "/v1/jobs", operatorKey, large).Code }()
		}
		synctest.Wait()
		require.EqualValues(t, 2, decoded.Load())
		submitted(t, g.ask("POST", "/v1/jobs", operatorKey, helloJob))
		for range 3 {
			sent <- struct{}{}
			require.Equal(t, http.StatusAccepted, <-answers)
		}

		for range 2 {
			go func() { answers <- g.ask("POST", "/v1/jobs", operatorKey, large).Code }()
		}
		synctest.Wait()
		w := g.ask("POST", "/v1/jobs", operatorKey, large)
		problem(t, w, http.StatusServiceUnavailable)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		close(sent)
		<-answers
		<-answers
	})
}

// A torn connection breaks in the middle of an answer.
type torn struct{ http.ResponseWriter }

func (torn) Write([]byte) (int, error) { panic("torn") }

func TestAnAnswerThatBreaksInTheMiddleIsBrokenOff(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	r := httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { g.ServeHTTP(torn{httptest.NewRecorder()}, r) })
	require.Contains(t, g.log.String(), "request broke")
}

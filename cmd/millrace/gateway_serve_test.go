package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const openAPI = "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"

// aGateway is one that asks for a key that nobody has.
func aGateway(t *testing.T) *gateway.Gateway {
	t.Helper()
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	g, err := gateway.New(gateway.Config{
		Send:    func(context.Context, *job.Job, queue.Draft) error { return nil },
		Keys:    func(string) *gateway.Key { return nil },
		Records: record.New(store, time.Now), Store: store, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return g
}

// serveOn has a gateway take requests of l, conns at once, until the test ends.
func serveOn(t *testing.T, g *gateway.Gateway, l net.Listener, conns int) {
	t.Helper()
	s, limited := gatewayServer(g, l, conns, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(limited) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
}

// asks sends a whole request over a connection and returns the status of its answer.
func asks(t *testing.T, c net.Conn, request string) int {
	t.Helper()
	_, err := io.WriteString(c, request)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// A pipeListener has connections that are made in this process, so that synctest turns their time.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeListener) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// dial returns when the connection was taken.
func (p *pipeListener) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// sendSlowly sends a byte a second until the connection is closed, and nothing where there is nothing to begin with.
func sendSlowly(c net.Conn, begins string) {
	_, err := io.WriteString(c, begins)
	for deadline := time.Now().Add(time.Hour); begins != "" && err == nil && time.Now().Before(deadline); {
		time.Sleep(time.Second)
		_, err = io.WriteString(c, "x")
	}
}

// A client that sends a byte a second gets its connection closed, and one that waited for it is served.
func TestWhoSendsTooSlowlyLosesTheConnectionToWhoWaitsForIt(t *testing.T) {
	for _, tt := range []struct {
		name, begins string
		seconds      float64
	}{
		{"nothing", "", 10},
		{"headers", "GET /v1/jobs HTTP/1.1\r\nX-Slow: ", 10},
		{"a body for the server as a whole", "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n", 30},
		{"a body", "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n", 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := aGateway(t)
			synctest.Test(t, func(t *testing.T) {
				const conns = 3
				l := newPipeListener()
				serveOn(t, g, l, conns)
				began, wg, slow := time.Now(), sync.WaitGroup{}, []net.Conn{}
				for range conns {
					c := l.dial()
					slow = append(slow, c)
					wg.Go(func() { _, _ = io.Copy(io.Discard, c) }) // what it is told
					wg.Go(func() { sendSlowly(c, tt.begins) })
				}
				c := l.dial()
				require.InDelta(t, tt.seconds, time.Since(began).Seconds(), 2)
				require.Equal(t, http.StatusOK, asks(t, c, openAPI))
				for _, c := range append(slow, c) {
					_ = c.Close()
				}
				wg.Wait()
			})
		})
	}
}

func TestMoreConnectionsThanThereMayBeWait(t *testing.T) {
	g := aGateway(t)
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		serveOn(t, g, l, 2)
		first, second := l.dial(), l.dial()
		defer second.Close()
		require.Equal(t, http.StatusOK, asks(t, first, openAPI))
		third := make(chan net.Conn, 1)
		go func() { third <- l.dial() }()
		synctest.Wait()
		require.Empty(t, third, "it is not taken")
		require.Equal(t, http.StatusOK, asks(t, second, openAPI), "those that there are go on")
		require.Empty(t, third)
		require.NoError(t, first.Close())
		c := <-third
		defer c.Close()
		require.Equal(t, http.StatusOK, asks(t, c, openAPI))
	})
}

// Strangers who never come to the end of their headers cost little, and keep nobody else out.
func TestFiveHundredClientsWithSlowHeadersCostLittleAndKeepNobodyOut(t *testing.T) {
	const clients = 500
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveOn(t, aGateway(t), l, 4096)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range clients {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		_, err = fmt.Fprintf(c, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Slow-%d: a", i)
		require.NoError(t, err)
	}
	honest, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer honest.Close()
	began := time.Now()
	require.Equal(t, http.StatusOK, asks(t, honest, openAPI))
	require.Less(t, time.Since(began), 5*time.Second, "before the slow ones lose their connections")
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)) / clients
	require.Less(t, each, int64(64<<10), "bytes of each slow client")
}

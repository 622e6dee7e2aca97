package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/metrics"
)

const (
	// gatewayHeaders is how long the headers of a request may take, and how large they may be.
	gatewayHeaders    = 10 * time.Second
	gatewayHeaderSize = 32 << 10
	// gatewayIdle is how long a connection may stay open between two requests.
	gatewayIdle = 2 * time.Minute
	// notice is how long requests are taken on after /readyz has said no, for those who send them to hear of it.
	notice = 3 * time.Second
)

// serve takes requests until ctx ends, and then lets those go on that have begun, for the grace period or until hard ends.
func (c *gatewayConfig) serve(ctx, hard context.Context, log *slog.Logger) error {
	p, err := c.open(ctx, log)
	if err != nil {
		return err
	}
	defer p.close()
	counted := metrics.NewGateway(gateway.Operations(), refusals())
	g, err := c.gateway(ctx, p, counted, log)
	if err != nil {
		return err
	}
	defer sweepHooks(ctx, g, log)()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for requests on %s (MILLRACE_LISTEN): %w", c.Listen, err)
	}
	s, conns := gatewayServer(g, l, c.Connections, log)
	var leaving atomic.Bool
	if c.Status != "" {
		stop, err := serveStatus(ctx, c.Status, gatewayStatus(&leaving, counted.Handler()), log)
		if err != nil {
			_ = l.Close()
			return err
		}
		defer stop()
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(conns) }()
	log.InfoContext(ctx, "gateway ready", "listen", l.Addr().String(), "queue", strings.Join(c.Queue, ","), "store", c.storeName(), "duration", sinceStart())
	select {
	case err := <-ended:
		return fmt.Errorf("take requests on %s: %w", c.Listen, err)
	case <-ctx.Done():
	}
	log.InfoContext(ctx, "gateway draining", "err", context.Cause(ctx))
	leaving.Store(true)
	if c.Status != "" {
		pause(hard, notice)
	}
	g.Drain()
	return endRequests(hard, s, c.Grace, log)
}

func gatewayServer(g *gateway.Gateway, l net.Listener, conns int, log *slog.Logger) (*http.Server, *limited) {
	limited := newLimited(l, conns)
	return &http.Server{
		Handler: g, ConnState: limited.ended, ReadHeaderTimeout: gatewayHeaders, IdleTimeout: gatewayIdle, MaxHeaderBytes: gatewayHeaderSize,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// Its own answer to "OPTIONS *" would wait for a body without end.
		DisableGeneralOptionsHandler: true,
	}, limited
}

func refusals() []string {
	var words []string
	for _, r := range gateway.Refusals() {
		words = append(words, string(r))
	}
	return words
}

// endRequests waits for requests that are under way, and ends those that take too long.
func endRequests(hard context.Context, s *http.Server, grace time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(hard, grace)
	defer cancel()
	err := s.Shutdown(ctx)
	if err == nil {
		return nil
	}
	log.WarnContext(ctx, "requests cut off", "err", context.Cause(ctx))
	if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close connections: %w", err)
	}
	return nil
}

// gatewayStatus answers those who look after a gateway.
func gatewayStatus(leaving *atomic.Bool, counted http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", counted)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		var why error
		if leaving.Load() {
			why = errors.New("the gateway is ending")
		}
		answerProbe(w, why)
	})
	return mux
}

// A limited listener has as many connections at once as it has slots: more wait until one of them ends.
type limited struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimited(l net.Listener, conns int) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, conns), closed: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
	}
	return c, err
}

// ended is a http.Server's ConnState. The server itself gets connections as they are: only so are files sent by the kernel.
func (l *limited) ended(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		<-l.slots
	}
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// checkAddress makes an address of what --wake and --status say: without a host it is this machine's own.
func checkAddress(addr string) (string, error) {
	if addr == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("%q is no address to listen on; write :8080 for this machine's own, or 0.0.0.0:8080", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// serveWake answers POST / with 204 and calls wake: a push says that there is work, which the queue then looks for. It
// believes nothing of what it is sent, so that anybody's push costs one look at most. stop waits for its end.
func serveWake(ctx context.Context, addr string, wake func(), log *slog.Logger) (stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for pushes on %s (MILLRACE_WAKE): %w", addr, err)
	}
	const most = 64 << 10 // of a push's body and head
	s := &http.Server{
		ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second, MaxHeaderBytes: most,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				http.Error(w, "POST wakes the worker", http.StatusMethodNotAllowed)
				return
			}
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, most)) // read so that the connection can be used again
			wake()
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(ctx, "pushes not heard", "err", err)
		}
	}()
	return func() {
		_ = s.Close() // nothing that a push says is kept
		<-ended
	}, nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/millrace/millrace/worker"
)

// statusHandler answers those who look after a worker: Prometheus, the kubelet and the scaler.
func statusHandler(status func() worker.Status, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, unhealthy(status())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, unready(status())) })
	mux.HandleFunc("GET /busy", func(w http.ResponseWriter, _ *http.Request) { answerBusy(w, status()) })
	return mux
}

// unhealthy is nil, or why the worker should be started anew. One whose jobs run on is left to end them, though it receives
// nothing: they would be lost for messages that others can have.
func unhealthy(s worker.Status) error {
	if s.Busy > 0 {
		return nil
	}
	return s.Stalled
}

// unready is nil, or why nobody should count on the worker. One that has a job is ready until it drains, for of the pods that
// are too many Kubernetes stops those first that are not.
func unready(s worker.Status) error {
	if s.Busy > 0 && s.Draining.IsZero() {
		return nil
	}
	return notReceiving(s)
}

// notReceiving is nil, or why the worker takes no messages.
func notReceiving(s worker.Status) error {
	if s.Idle != nil {
		return s.Idle
	}
	return s.Stalled
}

func answerProbe(w http.ResponseWriter, why error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if why != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, why)
		return
	}
	fmt.Fprintln(w, "ok")
}

// A busyAnswer is what the scaler asks a worker for.
type busyAnswer struct {
	Slots    int       `json:"slots"`
	Busy     int       `json:"busy"`
	Oldest   time.Time `json:"oldest,omitzero"` // start of the oldest attempt; absent when idle
	Draining bool      `json:"draining"`
}

func answerBusy(w http.ResponseWriter, s worker.Status) {
	w.Header().Set("Content-Type", "application/json")
	answer := busyAnswer{Slots: s.Slots, Busy: s.Busy, Draining: !s.Draining.IsZero()}
	if !s.Oldest.IsZero() {
		answer.Oldest = s.Oldest.UTC().Truncate(time.Second)
	}
	_ = json.NewEncoder(w).Encode(answer) // who asked may be gone
}

// statusEnd is the time that answers have that are under way when a worker or a scaler ends.
const statusEnd = 2 * time.Second

// serveStatus answers on addr with handler. stop waits for its end.
func serveStatus(ctx context.Context, addr string, handler http.Handler, log *slog.Logger) (stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for who asks by HTTP on %s (MILLRACE_STATUS): %w", addr, err)
	}
	s := &http.Server{
		Handler: handler, ReadTimeout: 5 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(ctx, "status not served", "err", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statusEnd)
		defer cancel()
		_ = s.Shutdown(ctx) // the last that is asked for is what a worker waits with its end for
		_ = s.Close()
		<-ended
	}, nil
}

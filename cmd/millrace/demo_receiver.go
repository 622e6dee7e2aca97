package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A received is one callback as the receiver saw it.
type received struct {
	id   string // webhook-id
	kind string // job.succeeded, …
	job  string
	err  error // why its signature is none
}

// verdict is what a person should know of it.
func (r received) verdict(s *screen) string {
	if r.err != nil {
		return s.paint(red, "✗ "+r.err.Error())
	}
	return s.paint(green, "✓ signature verified") + "  " + plain(r.kind)
}

// A receiver takes completion callbacks on this machine, as somebody else's server would: it believes none whose
// signature the reference library of Standard Webhooks does not accept.
type receiver struct {
	listener net.Listener
	server   *http.Server
	webhook  *standardwebhooks.Webhook
	news     chan received // each webhook-id once
	served   sync.WaitGroup

	mu   sync.Mutex
	seen []received // guarded by mu
}

// mostNews is how many callbacks may come before somebody looks; the demo sends fewer.
const mostNews = 16

func newReceiver(secret string) (*receiver, error) {
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("take the signing secret: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	r := &receiver{listener: listener, webhook: webhook, news: make(chan received, mostNews)}
	r.server = &http.Server{Handler: http.HandlerFunc(r.receive), ReadTimeout: 10 * time.Second}
	r.served.Go(func() {
		_ = r.server.Serve(listener) // ends with close
	})
	return r, nil
}

func (r *receiver) host() string { return r.listener.Addr().String() }
func (r *receiver) url() string  { return "http://" + r.host() + "/callbacks" }

func (r *receiver) close() {
	_ = r.server.Close()
	r.served.Wait()
}

func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 64<<10))
	if err != nil {
		http.Error(w, "the body can't be read", http.StatusBadRequest)
		return
	}
	var event struct {
		Type string `json:"type"`
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	err = errors.Join(r.webhook.Verify(body, req.Header), json.Unmarshal(body, &event))
	got := received{id: req.Header.Get("webhook-id"), kind: event.Type, job: event.Data.ID, err: err}
	if !r.note(got) {
		http.Error(w, "too many callbacks", http.StatusTooManyRequests)
		return
	}
	if err != nil {
		http.Error(w, "the signature is not valid", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// note keeps a callback; one that came before is answered and not told again. false means that there are too many.
func (r *receiver) note(got received) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.seen, func(s received) bool { return s.id == got.id }) {
		return true
	}
	select {
	case r.news <- got:
	default:
		return false
	}
	r.seen = append(r.seen, got)
	return true
}

// of returns what came for a job; the zero received when nothing did.
func (r *receiver) of(job string) received {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, got := range r.seen {
		if got.job == job {
			return got
		}
	}
	return received{err: errors.New("no callback came")}
}

// count is how many callbacks came, each once.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

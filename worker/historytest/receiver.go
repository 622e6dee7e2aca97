package historytest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

// A Receiver takes completion callbacks and notes them.
type Receiver struct {
	URL string

	history *History
	secret  *webhook.Webhook

	mu     sync.Mutex
	answer func(job string) int                   // guarded by mu; nil is 204
	ear    func(job string, gone <-chan struct{}) // guarded by mu; nil is nobody
}

// NewReceiver takes callbacks that are signed with secret, until the test ends.
func NewReceiver(t testing.TB, h *History, secret string) *Receiver {
	t.Helper()
	wh, err := webhook.NewWebhook(secret)
	require.NoError(t, err)
	r := &Receiver{history: h, secret: wh}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

// On has f say what callbacks are answered; 0 cuts the connection. It may take its time, and kill a worker.
func (r *Receiver) On(f func(job string) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// Ear has f hear what pipelines say to URL/ear/<job id>, and answer by its return. gone is closed when the job is.
func (r *Receiver) Ear(f func(job string, gone <-chan struct{})) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ear = f
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // it never came whole
	}
	r.mu.Lock()
	answer, ear := r.answer, r.ear
	r.mu.Unlock()
	if job, ok := strings.CutPrefix(req.URL.Path, "/ear/"); ok {
		if ear != nil {
			ear(job, req.Context().Done())
		}
		return
	}
	var p struct{ Data struct{ ID string } }
	_ = json.Unmarshal(body, &p) // then it names no job, which is a violation
	c := Callback{
		Job: p.Data.ID, ID: req.Header.Get(webhook.HeaderWebhookID), At: time.Now(),
		Verified: r.secret.Verify(body, req.Header) == nil, Leak: r.history.leaks(body),
	}
	c.Status = http.StatusNoContent
	if answer != nil {
		c.Status = answer(c.Job)
	}
	r.history.Call(c)
	if c.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	if c.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(c.Status)
}

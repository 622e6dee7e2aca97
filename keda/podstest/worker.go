package podstest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A Worker says how busy it is.
type Worker struct {
	server *httptest.Server

	mu   sync.Mutex
	says string       // guarded by mu
	as   http.Handler // guarded by mu: in place of it
}

// NewWorker returns an idle worker of 4 slots.
func NewWorker(t testing.TB) *Worker {
	t.Helper()
	w := &Worker{}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.as != nil {
			w.as.ServeHTTP(rw, r)
			return
		}
		if r.Method != http.MethodGet || r.URL.Path != "/busy" || w.says == "" {
			http.Error(rw, "no", http.StatusNotFound)
			return
		}
		fmt.Fprint(rw, w.says)
	}))
	t.Cleanup(w.server.Close)
	w.Has(0, 0)
	return w
}

// Has gives the worker jobs, of which the oldest has run for so long.
func (w *Worker) Has(jobs int, oldest time.Duration) {
	says := `{"slots":4,"busy":0,"draining":false}`
	if jobs > 0 {
		says = fmt.Sprintf(`{"slots":4,"busy":%d,"oldest":%q,"draining":false}`, jobs, time.Now().Add(-oldest).UTC().Format(time.RFC3339))
	}
	w.Says(says)
}

// Says has the worker answer with a text; an empty one is no answer that can be used.
func (w *Worker) Says(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.says = text
}

// Answers has the worker answer as a handler does.
func (w *Worker) Answers(as http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.as = as
}

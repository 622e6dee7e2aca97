package keda

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
)

// An Answer is what /metrics-api says of a queue.
type Answer struct {
	Queue  string  `json:"queue"`
	Work   int     `json:"work"`        // messages for workers
	Target int     `json:"target"`      // messages for each replica
	Age    float64 `json:"age_seconds"` // since the broker said so
}

// Handler answers whoever does not speak gRPC: /metrics-api for KEDA's trigger of that name, /metrics for Prometheus, /healthz
// and /readyz for Kubernetes.
func (s *Scaler) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics-api", s.metricsAPI)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, s.healthy()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { say(w, s.ready()) })
	return mux
}

// ready is nil until the scaler is to end: one whose broker or API server does not answer has its last values still.
func (s *Scaler) ready() error {
	select {
	case <-s.ending:
		return fmt.Errorf("the scaler is ending")
	default:
		return nil
	}
}

func say(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s *Scaler) metricsAPI(w http.ResponseWriter, r *http.Request) {
	metadata := map[string]string{}
	for key, values := range r.URL.Query() {
		metadata[key] = values[0]
	}
	t, err := parseTrigger(metadata)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	watch, err := s.find(t)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	known, _, err := watch.read(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Answer{t.queue, known.work(t), t.target, math.Round(known.age().Seconds()*10) / 10}) // whoever is gone asks again
}

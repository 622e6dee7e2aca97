package observability_test

import (
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/metrics"
	"github.com/millrace/millrace/worker/queue"
)

// A metric is what Prometheus is told of one.
type metric struct{ kind, help string }

// workerMetrics are what a worker has to tell that has seen everything once, by name.
func workerMetrics(t *testing.T) map[string]metric {
	t.Helper()
	now := time.Now()
	m := metrics.New(metrics.Config{
		State: func() metrics.State {
			return metrics.State{Queues: []queue.Count{{Name: "q"}}, GPUs: []metrics.GPU{{Model: "m"}}, Disk: &metrics.Disk{}}
		},
		Module: func(name string) string { return name },
	})
	m.Job(metrics.Job{
		Pipeline: "p", Outcome: "dead", Reason: "crash", Quarantined: true, Waited: 1, Latency: 1, GPUSeconds: 1, Published: 1,
		Tasks: []engine.TaskRun{{Module: "M", Status: engine.Failed, Started: now, Ended: now, Failure: &engine.Failure{Reason: engine.Timeout}}},
	})
	m.GPULost(79)
	m.CallbackTried(200)
	m.CallbackDelivered(1)
	m.CallbackGivenUp()
	m.ColdStart("ready", 1)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	all := map[string]metric{}
	for line := range strings.Lines(w.Body.String()) {
		word, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), " ")
		name, text, _ := strings.Cut(rest, " ")
		if !strings.HasPrefix(name, "millrace_") {
			continue
		}
		found := all[name]
		switch word {
		case "HELP":
			found.help = text
		case "TYPE":
			found.kind = text
		}
		all[name] = found
	}
	require.Greater(t, len(all), 30)
	return all
}

// scalerMetrics are those of the scaler (package keda), by name.
var scalerMetrics = map[string]string{
	"millrace_queue_messages": "gauge", "millrace_scaler_age_seconds": "gauge", "millrace_scaler_pods": "gauge", "millrace_scaler_watched": "gauge",
	"millrace_scaler_requests_total": "counter", "millrace_scaler_errors_total": "counter", "millrace_scaler_kubernetes_errors_total": "counter",
}

// foreign are those of others: KEDA's operator (v2.21, pkg/metricscollector), kube-state-metrics.
var foreign = []string{"keda_scaled_object_errors_total", "keda_scaler_detail_errors_total", "kube_pod_container_status_restarts_total"}

// series are the names under which Prometheus keeps them.
func series(t *testing.T) []string {
	t.Helper()
	names := slices.Concat(slices.Collect(maps.Keys(scalerMetrics)), foreign)
	for name, m := range workerMetrics(t) {
		if m.kind == "histogram" {
			names = append(names, name+"_bucket", name+"_sum", name+"_count")
			continue
		}
		names = append(names, name)
	}
	return names
}

var metricName = regexp.MustCompile(`\b(?:millrace|keda|kube)_[a-z_]+\b`)

// exist holds that all metrics exist that a query names.
func exist(t *testing.T, known []string, query string) {
	t.Helper()
	named := metricName.FindAllString(query, -1)
	require.NotEmpty(t, named, query)
	for _, name := range named {
		require.Contains(t, known, name, query)
	}
}

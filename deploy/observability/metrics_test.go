package observability_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda"
	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/keda/podstest"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/metrics"
	"github.com/millrace/millrace/worker/queue"
)

// A metric is what Prometheus is told of one.
type metric struct{ kind, help string }

// workerMetrics are what a worker has to tell that has seen everything once.
func workerMetrics(t *testing.T) string {
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
	return body(t, m.Handler(), "/metrics")
}

// scalerMetrics are what a scaler has to tell that knows a queue and its pods.
func scalerMetrics(t *testing.T) string {
	t.Helper()
	cluster := podstest.New(t)
	cluster.Add("light", podstest.NewWorker(t))
	watch, err := pods.New(pods.Config{API: kubernetes.API{URL: cluster.URL}, Namespace: podstest.Namespace})
	require.NoError(t, err)
	count := func(context.Context) (queue.Load, error) { return queue.Load{Visible: 3, Requests: 1}, nil }
	s, err := keda.New(keda.Config{Queues: []keda.Queue{{Name: "light", Count: count}}, Pods: watch})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	defer wg.Wait()
	defer stop()
	require.Contains(t, body(t, s.Handler(), "/metrics-api?queue=light"), `"work":3`, "it has looked")
	return body(t, s.Handler(), "/metrics")
}

// gatewayMetrics are what a gateway has to tell that has answered one request and refused one.
func gatewayMetrics(t *testing.T) string {
	t.Helper()
	g := metrics.NewGateway([]string{"POST /v1/jobs"}, []string{"rate"})
	g.Begun()
	g.Ended(metrics.Request{Operation: "POST /v1/jobs", Status: 202, In: 1, Out: 1, Duration: time.Millisecond})
	return body(t, g.Handler(), "/metrics")
}

// allMetrics are what all of ours have to tell.
func allMetrics(t *testing.T) map[string]metric {
	t.Helper()
	return read(workerMetrics(t) + scalerMetrics(t) + gatewayMetrics(t))
}

// body is what somebody is answered.
func body(t *testing.T, h http.Handler, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	require.Equal(t, 200, w.Code, w.Body.String())
	return w.Body.String()
}

// read takes metrics out of what Prometheus reads, by name.
func read(text string) map[string]metric {
	all := map[string]metric{}
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), " ")
		name, text, _ := strings.Cut(rest, " ")
		found := all[name]
		switch word {
		case "HELP":
			found.help = text
		case "TYPE":
			found.kind = text
		}
		if strings.HasPrefix(name, "millrace_") {
			all[name] = found
		}
	}
	return all
}

// foreign are those of others: KEDA's operator (v2.21, pkg/metricscollector), kube-state-metrics, the last by our own
// kube-state-metrics.yaml.
var foreign = []string{
	"keda_scaled_object_errors_total", "keda_scaler_detail_errors_total", "kube_pod_container_status_restarts_total",
	"kube_customresource_scaledobject_condition_info",
}

// series are the names under which Prometheus keeps them.
func series(t *testing.T) []string {
	t.Helper()
	names := slices.Clone(foreign)
	for name, m := range allMetrics(t) {
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

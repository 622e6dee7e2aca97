package metrics_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/metrics"
)

// scrape is what Prometheus reads.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	b, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	require.Equal(t, 200, w.Code, "%s", b)
	return string(b)
}

func TestG14AJobIsCountedByPipelineWithItsLatencyAndGPUSeconds(t *testing.T) {
	m := metrics.New(func() metrics.GPUs { return metrics.GPUs{Leased: 2, Lost: 1} })
	m.Job(metrics.Job{Pipeline: "render", Verdict: "ack", Duration: 20 * time.Second, Latency: time.Minute, GPUSeconds: 12.5})
	m.Job(metrics.Job{Pipeline: "render", Verdict: "drop", Duration: time.Second, LeaseLost: true})
	m.GPULost(79)
	text := scrape(t, m)
	for _, line := range []string{
		`millrace_jobs_total{pipeline="render",verdict="ack"} 1`,
		`millrace_jobs_total{pipeline="render",verdict="drop"} 1`,
		`millrace_job_seconds_sum{pipeline="render"} 21`,
		`millrace_job_latency_seconds_count{pipeline="render"} 1`,
		`millrace_job_latency_seconds_bucket{pipeline="render",le="60"} 1`,
		`millrace_gpu_seconds_total{pipeline="render"} 12.5`,
		`millrace_lease_lost_total 1`,
		`millrace_gpu_lost_total{xid="79"} 1`,
		`millrace_gpus{state="leased"} 2`,
		`millrace_gpus{state="lost"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestAHugeCatalogueDoesNotMakeAHugeNumberOfSeries(t *testing.T) {
	m := metrics.New(func() metrics.GPUs { return metrics.GPUs{} })
	for i := range 2000 {
		m.Job(metrics.Job{Pipeline: fmt.Sprint("p", i), Verdict: "ack"})
	}
	text := scrape(t, m)
	require.Equal(t, 501, strings.Count(text, "\nmillrace_jobs_total{"))
	require.Contains(t, text, `millrace_jobs_total{pipeline="other",verdict="ack"} 1500`)
}

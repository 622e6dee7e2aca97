package metrics_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/metrics"
	"github.com/millrace/millrace/worker/queue"
)

// knows is a registry of one module with an alias.
func knows(name string) string {
	if name == "Shell" || name == "shell" {
		return "Shell"
	}
	return ""
}

func newMetrics(s metrics.State) *metrics.Metrics {
	return metrics.New(metrics.Config{State: func() metrics.State { return s }, Module: knows, Version: "1.2.3", Go: "go1.26"})
}

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

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		require.Contains(t, text, "\n"+line+"\n")
	}
}

func TestG14AJobIsCountedByPipelineWithItsLatencyAndGPUSeconds(t *testing.T) {
	m := newMetrics(metrics.State{})
	m.Job(metrics.Job{Pipeline: "render", Outcome: "succeeded", Duration: 20 * time.Second, Waited: 2 * time.Second, Latency: time.Minute, GPUSeconds: 12.5, Published: 1000})
	m.Job(metrics.Job{Pipeline: "render", Outcome: "interrupted", Reason: "gpu_lost", Duration: time.Second})
	m.Job(metrics.Job{Pipeline: "render", Outcome: "dead", Reason: "crash", Quarantined: true})
	m.GPULost(79)
	has(t, scrape(t, m),
		`millrace_jobs_total{outcome="succeeded",pipeline="render"} 1`,
		`millrace_jobs_total{outcome="interrupted",pipeline="render"} 1`,
		`millrace_job_duration_seconds_sum{pipeline="render"} 21`,
		`millrace_job_queue_age_seconds_sum{pipeline="render"} 2`,
		`millrace_job_latency_seconds_count{pipeline="render"} 1`,
		`millrace_job_latency_seconds_bucket{pipeline="render",le="60"} 1`,
		`millrace_gpu_seconds_total{pipeline="render"} 12.5`,
		`millrace_interruptions_total{reason="gpu_lost"} 1`,
		`millrace_interruptions_total{reason="shutdown"} 0`,
		`millrace_quarantined_total{reason="crash"} 1`,
		`millrace_gpu_lost_total{xid="79"} 1`,
		`millrace_transfer_bytes_total{dir="out"} 1000`,
	)
}

func TestWhatTasksMoveIsCountedWhateverTheySay(t *testing.T) {
	m := newMetrics(metrics.State{})
	m.Job(metrics.Job{Published: 7, Tasks: []engine.TaskRun{{Module: "Shell", BytesIn: 100, BytesOut: 20}, {BytesIn: -5, BytesOut: math.MaxInt64}}})
	m.WorkerDied()
	has(t, scrape(t, m),
		`millrace_transfer_bytes_total{dir="in"} 100`,
		fmt.Sprintf(`millrace_transfer_bytes_total{dir="out"} %v`, float64(27+(1<<50))),
		`millrace_interruptions_total{reason="died"} 1`,
	)
}

func TestAnAttemptHasItsSeriesFromItsBeginningOn(t *testing.T) {
	m := newMetrics(metrics.State{})
	m.Begin("render", []string{"succeeded", "dead"})
	has(t, scrape(t, m),
		`millrace_jobs_total{outcome="succeeded",pipeline="render"} 0`,
		`millrace_jobs_total{outcome="dead",pipeline="render"} 0`,
		`millrace_job_duration_seconds_count{pipeline="render"} 0`,
		`millrace_job_queue_age_seconds_bucket{pipeline="render",le="1800"} 0`,
		`millrace_job_latency_seconds_count{pipeline="render"} 0`,
		`millrace_callback_attempts_total{code_class="5xx"} 0`,
		`millrace_callback_attempts_total{code_class="none"} 0`,
	)
}

func TestATaskIsCountedByItsModuleAndWhyItFailed(t *testing.T) {
	m := newMetrics(metrics.State{})
	begin := time.Now()
	task := func(module string, status engine.Status, f *engine.Failure) engine.TaskRun {
		return engine.TaskRun{Module: module, Status: status, Started: begin, Ended: begin.Add(2 * time.Second), Failure: f}
	}
	m.Job(metrics.Job{Tasks: []engine.TaskRun{
		task("shell", engine.Succeeded, nil),
		task("Shell", engine.Skipped, nil),
		task("Shell", engine.Failed, &engine.Failure{Reason: engine.Timeout}),
		task("Shell", engine.Failed, &engine.Failure{Kind: fault.Permanent}),
		task("Shell", engine.Failed, &engine.Failure{}),
	}})
	has(t, scrape(t, m),
		`millrace_task_duration_seconds_count{module="Shell"} 4`,
		`millrace_task_duration_seconds_sum{module="Shell"} 8`,
		`millrace_task_failures_total{module="Shell",reason="timeout"} 1`,
		`millrace_task_failures_total{module="Shell",reason="permanent"} 1`,
		`millrace_task_failures_total{module="Shell",reason="unknown"} 1`,
	)
}

// What a child says of its tasks may be a hostile job's doing.
func TestAJobMakesNoSeriesOfItsOwn(t *testing.T) {
	m := newMetrics(metrics.State{})
	before := strings.Count(scrape(t, m), "\n")
	for i := range 1000 {
		m.Job(metrics.Job{Tasks: []engine.TaskRun{{
			Module: fmt.Sprint("m", i), Status: engine.Failed, Started: time.Now(), Ended: time.Now().Add(-time.Hour),
			Failure: &engine.Failure{Reason: engine.Reason(fmt.Sprint("r", i)), Kind: fault.Kind(fmt.Sprint("k", i))},
		}}})
	}
	text := scrape(t, m)
	has(t, text, `millrace_task_failures_total{module="other",reason="other"} 1000`)
	require.Less(t, strings.Count(text, "\n"), before+100)
	require.NotContains(t, text, "millrace_task_duration_seconds_count", "it can't have ended before it began")
}

func TestAHugeCatalogueDoesNotMakeAHugeNumberOfSeries(t *testing.T) {
	m := newMetrics(metrics.State{})
	for i := range 2000 {
		m.Job(metrics.Job{Pipeline: fmt.Sprint("p", i), Outcome: "succeeded"})
	}
	text := scrape(t, m)
	require.Equal(t, 501, strings.Count(text, "\nmillrace_jobs_total{"))
	require.Contains(t, text, `millrace_jobs_total{outcome="succeeded",pipeline="other"} 1500`)
}

func TestWhereAWorkerStandsIsToldWhenItIsAsked(t *testing.T) {
	text := scrape(t, newMetrics(metrics.State{
		Slots: 4, Busy: 2, Jobs: 1, Oldest: time.Now().Add(-time.Hour), Receiving: true, Duplicates: 3, Children: 5, Reaped: 6, Leased: 1, Lost: 2,
		Queues: []queue.Count{{Name: "sqs:light", Messages: 10, Empty: 20, Failed: 30, Extended: 40, Refused: 50, Taken: 60, Late: 70, Limit: 80}},
		GPUs:   []metrics.GPU{{Model: "NVIDIA H200", Capability: "9.0", Count: 8, Memory: 1 << 40}},
		Disk:   &metrics.Disk{Size: 300, Free: 200, Reserved: 100},
	}))
	has(t, text,
		`millrace_slots 4`, `millrace_slots_busy 2`, `millrace_jobs_in_progress 1`, `millrace_receiving 1`, `millrace_receive_stalled 0`,
		`millrace_drain_seconds 0`, `millrace_duplicates_total 3`, `millrace_child_processes 5`, `millrace_zombies_reaped_total 6`,
		`millrace_receive_messages_total{queue="sqs:light"} 10`, `millrace_receive_empty_total{queue="sqs:light"} 20`,
		`millrace_receive_failures_total{queue="sqs:light"} 30`, `millrace_lease_extensions_total{queue="sqs:light",result="ok"} 40`,
		`millrace_lease_extensions_total{queue="sqs:light",result="failed"} 50`, `millrace_lease_lost_total{queue="sqs:light",reason="taken"} 60`,
		`millrace_lease_lost_total{queue="sqs:light",reason="late"} 70`, `millrace_lease_lost_total{queue="sqs:light",reason="limit"} 80`,
		`millrace_gpus{state="leased"} 1`, `millrace_gpus{state="lost"} 2`, `millrace_gpu_available{capability="9.0",model="NVIDIA H200"} 8`,
		`millrace_gpu_memory_bytes{capability="9.0",model="NVIDIA H200"} 1.099511627776e+12`,
		`millrace_scratch_bytes{state="free"} 200`, `millrace_build_info{go="go1.26",version="1.2.3"} 1`,
	)
	require.Regexp(t, `\nmillrace_oldest_job_seconds 36\d\d\.`, text)
}

func TestCallbacksAreCountedByTheirAnswers(t *testing.T) {
	m := newMetrics(metrics.State{})
	for _, status := range []int{204, 200, 503, 0, 999, -1} {
		m.CallbackTried(status)
	}
	m.CallbackDelivered(90 * time.Second)
	m.CallbackGivenUp()
	m.ColdStart("ready", 1500*time.Millisecond)
	has(t, scrape(t, m),
		`millrace_callback_attempts_total{code_class="2xx"} 2`, `millrace_callback_attempts_total{code_class="5xx"} 1`,
		`millrace_callback_attempts_total{code_class="none"} 3`, `millrace_callback_lag_seconds_sum 90`,
		`millrace_callbacks_given_up_total 1`, `millrace_cold_start_seconds{phase="ready"} 1.5`,
	)
}

func TestUploadsAreCountedByTheRuleThatTookThem(t *testing.T) {
	m := newMetrics(metrics.State{})
	has(t, scrape(t, m), `millrace_uploads_total{outcome="ignored",route=""} 0`)
	for _, route := range []string{"cad", "cad", "", "zip"} {
		m.Uploaded(route)
	}
	for i := range 1000 {
		m.Uploaded(fmt.Sprint("generated", i))
	}
	has(t, scrape(t, m),
		`millrace_uploads_total{outcome="routed",route="cad"} 2`, `millrace_uploads_total{outcome="routed",route="zip"} 1`,
		`millrace_uploads_total{outcome="ignored",route=""} 1`, `millrace_uploads_total{outcome="routed",route="other"} 502`)
}

func TestHistogramsAreNativeOnesForWhoAsksForThem(t *testing.T) {
	m := newMetrics(metrics.State{})
	m.CallbackDelivered(time.Second)
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	text := strings.ReplaceAll(w.Body.String(), "  ", " ") // protobuf's text has one blank or two, at its whim
	_, family, ok := strings.Cut(text, `name: "millrace_callback_lag_seconds"`)
	require.True(t, ok)
	require.Contains(t, family, "positive_span", "a native histogram")
	require.Contains(t, family, "upper_bound", "and a classic one")
}

// Package metrics counts, for Prometheus, what a worker does.
//
// Its labels are from small closed sets: pipelines are those of the operator's catalogue and modules those that there are,
// whatever messages and jobs name. All histograms are classic and native ones at once.
package metrics

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
)

// maxPipelines is how many pipelines have a label of their own, and so many routes; those that come after are "other".
const maxPipelines = 500

// other is the label of what is in no closed set.
const other = "other"

// A Job is an attempt that is over, as a worker tells of it.
type Job struct {
	Pipeline    string // its name in the catalogue, or a word for one that has none
	Outcome     string // a word of a small set, and so is Reason
	Reason      string // why it was interrupted or quarantined; else empty
	Quarantined bool
	Duration    time.Duration // of the attempt
	Waited      time.Duration // from the message's sending to here; 0 where it is not the first attempt
	Latency     time.Duration // since the message was sent; 0 where the job is not over
	GPUSeconds  float64
	Published   int64            // bytes of outputs
	Tasks       []engine.TaskRun // what a child said of them, which may be a hostile job's doing
}

// Config is what a worker's metrics are made of.
type Config struct {
	State   func() State             // asked when they are read
	Module  func(name string) string // what a module is called that a task names; empty where there is none
	Version string                   // of this program
	Go      string                   // that it was built with
}

// Metrics are those of one worker.
type Metrics struct {
	registry *prometheus.Registry
	module   func(name string) string

	jobs, interruptions, quarantined  *prometheus.CounterVec
	duration, waited, latency, task   *prometheus.HistogramVec
	taskFailures, gpuSeconds, gpuLost *prometheus.CounterVec
	moved, callbackTries, uploads     *prometheus.CounterVec
	callbackLag                       prometheus.Histogram
	callbacksGivenUp                  prometheus.Counter
	coldStart                         *prometheus.GaugeVec

	mu        sync.Mutex
	pipelines map[string]bool // that have a label, guarded by mu
	routes    map[string]bool // likewise
}

// New returns metrics that stand at 0.
func New(c Config) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), module: c.Module, pipelines: map[string]bool{}, routes: map[string]bool{}}
	m.countJobs()
	m.countTasks()
	m.countRest()
	m.registry.MustRegister(newStateCollector(c), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// add registers a metric.
func add[C prometheus.Collector](m *Metrics, c C) C {
	m.registry.MustRegister(c)
	return c
}

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: "millrace_" + name, Help: help}
}

// histogram is a classic and a native one. Native buckets are a tenth wide, and 100 at most.
func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: "millrace_" + name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}
}

func (m *Metrics) countJobs() {
	longs := []float64{0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600, 3 * 3600, 12 * 3600}
	pipeline := []string{"pipeline"}
	m.jobs = add(m, prometheus.NewCounterVec(counter("jobs_total", "Attempts at jobs that are over, by what became of them."), []string{"pipeline", "outcome"}))
	m.duration = add(m, prometheus.NewHistogramVec(histogram("job_duration_seconds", "How long attempts took.", longs), pipeline))
	m.waited = add(m, prometheus.NewHistogramVec(histogram("job_queue_age_seconds", "From the sending of a message to the start of its job's first attempt.", longs), pipeline))
	m.latency = add(m, prometheus.NewHistogramVec(histogram("job_latency_seconds", "From the sending of a message to the end of its job.", longs), pipeline))
	m.gpuSeconds = add(m, prometheus.NewCounterVec(counter("gpu_seconds_total", "How long jobs have had GPUs, times how many."), pipeline))
	m.interruptions = add(m, prometheus.NewCounterVec(counter("interruptions_total", "Attempts that ended by none of their job's doing."), []string{"reason"}))
	m.quarantined = add(m, prometheus.NewCounterVec(counter("quarantined_total", "Jobs that are not run any more because they take down what runs them."), []string{"reason"}))
	for _, r := range interrupting {
		m.interruptions.WithLabelValues(r)
	}
	for _, r := range poisoning {
		m.quarantined.WithLabelValues(r)
	}
}

func (m *Metrics) countTasks() {
	longs := []float64{0.01, 0.1, 1, 10, 60, 600, 3600, 4 * 3600}
	m.task = add(m, prometheus.NewHistogramVec(histogram("task_duration_seconds", "How long tasks took, all tries together.", longs), []string{"module"}))
	m.taskFailures = add(m, prometheus.NewCounterVec(counter("task_failures_total", "Tasks that failed, by a named outcome, else by whether it may pass."), []string{"module", "reason"}))
}

func (m *Metrics) countRest() {
	m.gpuLost = add(m, prometheus.NewCounterVec(counter("gpu_lost_total", "Failures of GPUs, by NVIDIA's number of the failure; 0 is none."), []string{"xid"}))
	m.moved = add(m, prometheus.NewCounterVec(counter("transfer_bytes_total", "Bytes that tasks fetched from buckets (in), that they sent there and that were stored as outputs (out)."), []string{"dir"}))
	m.moved.WithLabelValues("in")
	m.callbackTries = add(m, prometheus.NewCounterVec(counter("callback_attempts_total", "Tries at completion callbacks, by the class of the answer; none is no answer."), []string{"code_class"}))
	for _, class := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		m.callbackTries.WithLabelValues(class)
	}
	m.callbackLag = add(m, prometheus.NewHistogram(histogram("callback_lag_seconds", "From the end of a job to the delivery of its completion callback.",
		[]float64{0.1, 1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 72 * 3600})))
	m.callbacksGivenUp = add(m, prometheus.NewCounter(counter("callbacks_given_up_total", "Completion callbacks that are not sent any more.")))
	m.uploads = add(m, prometheus.NewCounterVec(counter("uploads_total",
		"Uploads that messages told of, by the route that made jobs of them; those that no route takes are ignored."), []string{"route", "outcome"}))
	m.uploads.WithLabelValues("", "ignored")
	m.coldStart = add(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "millrace_cold_start_seconds", Help: "From the start of the process to the end of a phase of it.",
	}, []string{"phase"}))
}

// Begin has a series for all that may become of an attempt at a pipeline's job, by these outcomes. A pod may run one job and go:
// of what begins at 1 when the attempt is over, Prometheus would see no increase.
func (m *Metrics) Begin(pipeline string, outcomes []string) {
	label := m.label(pipeline)
	for _, o := range outcomes {
		m.jobs.WithLabelValues(label, o)
	}
	for _, h := range []*prometheus.HistogramVec{m.duration, m.waited, m.latency} {
		h.WithLabelValues(label)
	}
}

// Job counts an attempt.
func (m *Metrics) Job(j Job) {
	pipeline := m.label(j.Pipeline)
	m.jobs.WithLabelValues(pipeline, j.Outcome).Inc()
	m.duration.WithLabelValues(pipeline).Observe(j.Duration.Seconds())
	if j.Waited > 0 {
		m.waited.WithLabelValues(pipeline).Observe(j.Waited.Seconds())
	}
	if j.Latency > 0 {
		m.latency.WithLabelValues(pipeline).Observe(j.Latency.Seconds())
	}
	if j.GPUSeconds > 0 {
		m.gpuSeconds.WithLabelValues(pipeline).Add(j.GPUSeconds)
	}
	switch {
	case j.Quarantined:
		m.quarantined.WithLabelValues(reason(j.Reason)).Inc()
	case j.Reason != "":
		m.interruptions.WithLabelValues(reason(j.Reason)).Inc()
	}
	m.moved.WithLabelValues("out").Add(float64(j.Published))
	for _, t := range j.Tasks {
		m.countTask(t)
	}
}

func (m *Metrics) countTask(t engine.TaskRun) {
	module := cmp.Or(m.module(t.Module), other)
	m.moved.WithLabelValues("in").Add(credible(t.BytesIn))
	m.moved.WithLabelValues("out").Add(credible(t.BytesOut))
	if d := t.Ended.Sub(t.Started); !t.Started.IsZero() && d >= 0 && t.Status != engine.Skipped {
		m.task.WithLabelValues(module).Observe(d.Seconds())
	}
	if f := t.Failure; f != nil && t.Status == engine.Failed {
		why := string(f.Reason)
		if why == "" {
			why = kind(f.Kind)
		}
		m.taskFailures.WithLabelValues(module, reason(why)).Inc()
	}
}

// mostBytes is more than a task moves: a hostile job may say that it has moved anything.
const mostBytes = 1 << 50

func credible(bytes int64) float64 { return float64(min(max(bytes, 0), mostBytes)) }

// WorkerDied counts an attempt that ended with its worker, as the one finds who makes the next.
func (m *Metrics) WorkerDied() { m.interruptions.WithLabelValues(died).Inc() }

// died is why an attempt ended that nobody is left to tell of.
const died = "died"

func kind(k fault.Kind) string {
	if k == fault.Unknown {
		return "unknown"
	}
	return string(k)
}

// Why something happened. Of what is rare and alerted on there is a series from the start: of one that begins at 1,
// Prometheus sees no increase.
var (
	interrupting = []string{string(engine.Shutdown), string(engine.LeaseLost), string(engine.Unfit), string(engine.GPULost), "worker", "unsettled", died}
	poisoning    = []string{string(engine.Crash), string(engine.GPULost), "history"}
	failing      = []string{
		string(engine.Timeout), string(engine.Deadline), string(engine.Crash), string(engine.Bug), string(engine.OOM), string(engine.Cancel),
		string(engine.DiskFull), string(engine.TooLarge), string(fault.Transient), string(fault.Permanent), string(fault.Canceled), "unknown",
	}
)

// reason is the label of a word.
func reason(word string) string {
	if slices.Contains(interrupting, word) || slices.Contains(poisoning, word) || slices.Contains(failing, word) {
		return word
	}
	return other
}

// GPULost counts a failure of a GPU.
func (m *Metrics) GPULost(xid uint64) { m.gpuLost.WithLabelValues(strconv.FormatUint(xid, 10)).Inc() }

// CallbackTried counts a try at a completion callback, by the HTTP status of the answer; 0 is none.
func (m *Metrics) CallbackTried(status int) {
	class := "none"
	if status/100 >= 1 && status/100 <= 5 {
		class = strconv.Itoa(status/100) + "xx"
	}
	m.callbackTries.WithLabelValues(class).Inc()
}

// CallbackDelivered counts a completion callback that its receiver has, so long after the end of its job.
func (m *Metrics) CallbackDelivered(lag time.Duration) { m.callbackLag.Observe(lag.Seconds()) }

// CallbackGivenUp counts one that is not sent any more.
func (m *Metrics) CallbackGivenUp() { m.callbacksGivenUp.Inc() }

// ColdStart says how long after the start of the process a phase of it was over.
func (m *Metrics) ColdStart(phase string, d time.Duration) {
	m.coldStart.WithLabelValues(phase).Set(d.Seconds())
}

// Uploaded counts an upload by the route that made a job of it; empty is none.
func (m *Metrics) Uploaded(route string) {
	if route == "" {
		m.uploads.WithLabelValues("", "ignored").Inc()
		return
	}
	m.uploads.WithLabelValues(m.labelIn(m.routes, route), "routed").Inc()
}

// label is a pipeline's label.
func (m *Metrics) label(pipeline string) string { return m.labelIn(m.pipelines, pipeline) }

// labelIn is the label of a name, which all are that have one.
func (m *Metrics) labelIn(all map[string]bool, name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !all[name] && len(all) >= maxPipelines {
		return other
	}
	all[name] = true
	return name
}

// Handler answers with the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

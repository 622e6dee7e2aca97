// Package metrics counts, for Prometheus, what a worker does.
//
// Its labels are from small closed sets: pipelines are those of the operator's catalogue, whatever messages name.
package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxPipelines is how many pipelines have a label of their own; those that come after are "other".
const maxPipelines = 500

// A Job is an attempt that is over.
type Job struct {
	Pipeline   string // its name in the catalogue, or a word for one that has none
	Verdict    string
	Duration   time.Duration // of the attempt
	Latency    time.Duration // from the sending of the message to the end of the job; 0 where that is not over
	GPUSeconds float64
	LeaseLost  bool
}

// GPUs are those that jobs have, and those that failed.
type GPUs struct{ Leased, Lost int }

// Metrics are those of one worker.
type Metrics struct {
	registry  *prometheus.Registry
	jobs      *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	latency   *prometheus.HistogramVec
	gpu       *prometheus.CounterVec
	leaseLost prometheus.Counter
	gpuLost   *prometheus.CounterVec

	mu        sync.Mutex
	pipelines map[string]bool // that have a label, guarded by mu
}

// New returns metrics that stand at 0. gpus is asked when they are read.
func New(gpus func() GPUs) *Metrics {
	longs := []float64{0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600, 3 * 3600, 12 * 3600}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_jobs_total", Help: "Attempts at jobs that are over, by what became of the message.",
		}, []string{"pipeline", "verdict"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "millrace_job_seconds", Help: "How long attempts took.", Buckets: longs,
		}, []string{"pipeline"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "millrace_job_latency_seconds", Help: "From the sending of a message to the end of its job.", Buckets: longs,
		}, []string{"pipeline"}),
		gpu: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_gpu_seconds_total", Help: "How long jobs have had GPUs, times how many.",
		}, []string{"pipeline"}),
		leaseLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "millrace_lease_lost_total", Help: "Attempts whose message was given to another worker while they ran.",
		}),
		gpuLost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_gpu_lost_total", Help: "Failures of GPUs, by NVIDIA's number of the failure; 0 is none.",
		}, []string{"xid"}),
		pipelines: map[string]bool{},
	}
	state := func(name string, count func(GPUs) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "millrace_gpus", Help: "GPUs that jobs have (leased) and that are out of service (lost).", ConstLabels: prometheus.Labels{"state": name},
		}, func() float64 { return float64(count(gpus())) })
	}
	m.registry.MustRegister(m.jobs, m.seconds, m.latency, m.gpu, m.leaseLost, m.gpuLost,
		state("leased", func(g GPUs) int { return g.Leased }), state("lost", func(g GPUs) int { return g.Lost }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Job counts an attempt.
func (m *Metrics) Job(j Job) {
	pipeline := m.label(j.Pipeline)
	m.jobs.WithLabelValues(pipeline, j.Verdict).Inc()
	m.seconds.WithLabelValues(pipeline).Observe(j.Duration.Seconds())
	if j.Latency > 0 {
		m.latency.WithLabelValues(pipeline).Observe(j.Latency.Seconds())
	}
	if j.GPUSeconds > 0 {
		m.gpu.WithLabelValues(pipeline).Add(j.GPUSeconds)
	}
	if j.LeaseLost {
		m.leaseLost.Inc()
	}
}

// GPULost counts a failure of a GPU.
func (m *Metrics) GPULost(xid uint64) { m.gpuLost.WithLabelValues(strconv.FormatUint(xid, 10)).Inc() }

// label is a pipeline's label.
func (m *Metrics) label(pipeline string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.pipelines[pipeline] && len(m.pipelines) >= maxPipelines {
		return "other"
	}
	m.pipelines[pipeline] = true
	return pipeline
}

// Handler answers with the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Request is one that a gateway has answered.
type Request struct {
	Operation string // one of a closed set; empty is a path or method that there is not
	Status    int
	Refused   string // one of a closed set; empty where it was not refused
	In, Out   int64  // bytes of the bodies
	Duration  time.Duration
}

// Gateway are the metrics of one gateway.
type Gateway struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec
	refused  *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	flying   prometheus.Gauge
}

// NewGateway returns metrics that stand at 0, with a series for what alerts count: each of these refusals, and operations that fail.
func NewGateway(operations, refusals []string) *Gateway {
	g := &Gateway{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(counter("gateway_requests_total", "Requests, by the class of the answer; none is no answer."), []string{"operation", "code_class"}),
		refused:  prometheus.NewCounterVec(counter("gateway_refused_total", "Requests that were not served, by the reason."), []string{"reason"}),
		bytes:    prometheus.NewCounterVec(counter("gateway_bytes_total", "Bytes of bodies that came (in) and were answered (out)."), []string{"operation", "dir"}),
		duration: prometheus.NewHistogramVec(histogram("gateway_request_duration_seconds", "From the headers of a request to the end of its answer.",
			[]float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 10, 60, 600}), []string{"operation"}),
		flying: prometheus.NewGauge(prometheus.GaugeOpts{Name: "millrace_gateway_requests_in_flight", Help: "Requests that are being answered."}),
	}
	g.registry.MustRegister(g.requests, g.refused, g.bytes, g.duration, g.flying,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, o := range operations {
		g.requests.WithLabelValues(o, "5xx")
	}
	for _, r := range refusals {
		g.refused.WithLabelValues(r)
	}
	return g
}

// Begun counts a request whose answer Ended will tell of.
func (g *Gateway) Begun() { g.flying.Inc() }

// Ended counts a request.
func (g *Gateway) Ended(r Request) {
	g.flying.Dec()
	operation := r.Operation
	if operation == "" {
		operation = other
	}
	class := "none"
	if slices.Contains([]int{1, 2, 3, 4, 5}, r.Status/100) {
		class = strconv.Itoa(r.Status/100) + "xx"
	}
	g.requests.WithLabelValues(operation, class).Inc()
	g.bytes.WithLabelValues(operation, "in").Add(float64(r.In))
	g.bytes.WithLabelValues(operation, "out").Add(float64(r.Out))
	g.duration.WithLabelValues(operation).Observe(r.Duration.Seconds())
	if r.Refused != "" {
		g.refused.WithLabelValues(r.Refused).Inc()
	}
}

// Handler answers Prometheus.
func (g *Gateway) Handler() http.Handler {
	return promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{})
}

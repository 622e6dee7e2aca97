package keda

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A gauge is a metric that is read off a watch.
type gauge struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	label string // of its second label, besides queue; empty: there is none
	value func(w *watch) map[string]float64
}

// A collector reads all watches when Prometheus asks.
type collector struct {
	scaler *Scaler
	gauges []gauge
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range c.gauges {
		ch <- g.desc
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, name := range c.scaler.names {
		for _, g := range c.gauges {
			for label, v := range g.value(c.scaler.watches[name]) {
				labels := []string{name}
				if g.label != "" {
					labels = append(labels, label)
				}
				ch <- prometheus.MustNewConstMetric(g.desc, g.kind, v, labels...)
			}
		}
	}
}

// metrics answers Prometheus. To read them is not to ask for a queue: nothing is looked at for it.
func (s *Scaler) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(&collector{s, gauges()}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if p := s.cfg.Pods; p != nil {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "millrace_scaler_kubernetes_errors_total", Help: "Requests that the Kubernetes API server did not do.",
		}, func() float64 { return float64(p.Errors()) }))
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// gauges are those of each queue. What depends on what the broker said is missing until it has said something.
func gauges() []gauge {
	one := func(f func(w *watch) float64) func(*watch) map[string]float64 {
		return func(w *watch) map[string]float64 { return map[string]float64{"": f(w)} }
	}
	known := func(f func(r reading) map[string]float64) func(*watch) map[string]float64 {
		return func(w *watch) map[string]float64 {
			w.mu.Lock()
			r := w.known
			w.mu.Unlock()
			if r.counted.IsZero() {
				return nil
			}
			return f(r)
		}
	}
	define := func(name, help string, kind prometheus.ValueType, label string, value func(w *watch) map[string]float64) gauge {
		labels := []string{"queue"}
		if label != "" {
			labels = append(labels, label)
		}
		return gauge{prometheus.NewDesc("millrace_"+name, help, labels, nil), kind, label, value}
	}
	return []gauge{
		define("scaler_age_seconds", "For how long the broker has not said how much there is to do.", prometheus.GaugeValue, "",
			known(func(r reading) map[string]float64 { return map[string]float64{"": r.age().Seconds()} })),
		define("queue_messages", "Messages, as the broker counts them; on SQS what was handed back for later is inflight.", prometheus.GaugeValue, "state",
			known(func(r reading) map[string]float64 {
				return map[string]float64{
					"visible": float64(r.load.Visible), "inflight": float64(r.load.InFlight), "delayed": float64(r.load.Delayed), "later": float64(r.load.Later),
				}
			})),
		define("scaler_pods", "Pods of the queue's class, by what they say; silent ones do not answer, and count as busy.", prometheus.GaugeValue, "state",
			known(func(r reading) map[string]float64 {
				c := r.census
				return map[string]float64{"idle": float64(c.Pods - c.Busy - c.Silent), "busy": float64(c.Busy), "silent": float64(c.Silent)}
			})),
		define("scaler_watched", "Whether somebody wants to know of the queue.", prometheus.GaugeValue, "", one((*watch).interested)),
		define("scaler_requests_total", "Requests to the broker.", prometheus.CounterValue, "", one(func(w *watch) float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return float64(w.requests)
		})),
		define("scaler_errors_total", "Times that the broker did not say how much there is to do.", prometheus.CounterValue, "", one(func(w *watch) float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return float64(w.errors)
		})),
	}
}

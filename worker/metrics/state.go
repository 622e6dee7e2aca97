package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace/worker/queue"
)

// A State is where a worker stands when somebody asks.
type State struct {
	Slots, Busy, Jobs int
	Oldest            time.Time // start of the oldest attempt; zero when idle
	Draining          time.Time // since when; zero is not
	Receiving         bool      // messages are taken, or would be were a slot free
	Stalled           bool      // receiving hangs
	Duplicates        int64     // deliveries so far of jobs that had ended, or ran already
	Queues            []queue.Count

	Children int   // processes that run jobs, or wait for one
	Reaped   int64 // processes so far that jobs left behind

	Leased, Lost int // GPUs that jobs have, and that failed
	GPUs         []GPU
	Disk         *Disk // nil where it can't be read
}

// GPUs of one kind that are in service.
type GPU struct {
	Model, Capability string
	Count             int
	Memory            int64 // bytes of all of them
}

// Disk is that of the workspaces, in bytes.
type Disk struct{ Size, Free, Reserved int64 }

// A stateCollector makes metrics of a State.
type stateCollector struct {
	config Config
	descs  map[string]*prometheus.Desc // by name, without its prefix
}

func newStateCollector(c Config) *stateCollector {
	s := &stateCollector{config: c, descs: map[string]*prometheus.Desc{}}
	for _, d := range []struct {
		name, help string
		labels     []string
	}{
		{"build_info", "What this worker was built from; always 1.", []string{"version", "go"}},
		{"slots", "Jobs that the worker runs at once.", nil},
		{"slots_busy", "Slots that have a message.", nil},
		{"jobs_in_progress", "Jobs that are being run, or settled.", nil},
		{"oldest_job_seconds", "How long the oldest of them has been; 0 is none.", nil},
		{"drain_seconds", "How long the worker has been draining; 0 is not.", nil},
		{"receiving", "Whether messages are taken, or would be were a slot free.", nil},
		{"receive_stalled", "Whether receiving hangs: then no message is taken until the worker is started anew.", nil},
		{"receive_messages_total", "Messages that were received.", []string{"queue"}},
		{"receive_empty_total", "Receives that brought no message.", []string{"queue"}},
		{"receive_failures_total", "Receives that the broker did not answer.", []string{"queue"}},
		{"lease_extensions_total", "Extensions of leases: ok, or failed; one that failed is tried again.", []string{"queue", "result"}},
		{"lease_lost_total", "Leases that were lost: taken (the broker calls the message another's), late (not extended in time), limit (the queue's own).", []string{"queue", "reason"}},
		{"duplicates_total", "Deliveries of jobs that had ended, or ran already.", nil},
		{"child_processes", "Processes that run jobs, or wait for one.", nil},
		{"zombies_reaped_total", "Processes that jobs left behind, and that were ended.", nil},
		{"gpus", "GPUs that jobs have (leased) and that are out of service (lost).", []string{"state"}},
		{"gpu_available", "GPUs in service, as of the last look at them.", []string{"model", "capability"}},
		{"gpu_memory_bytes", "Memory of the GPUs in service.", []string{"model", "capability"}},
		{"scratch_bytes", "The disk of the workspaces: its size, what is free, what running tasks have reserved.", []string{"state"}},
	} {
		s.descs[d.name] = prometheus.NewDesc("millrace_"+d.name, d.help, d.labels, nil)
	}
	return s
}

func (s *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

func (s *stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(name string, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.descs[name], prometheus.GaugeValue, v, labels...)
	}
	count := func(name string, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.descs[name], prometheus.CounterValue, float64(v), labels...)
	}
	now := s.config.State()
	gauge("build_info", 1, s.config.Version, s.config.Go)
	gauge("slots", float64(now.Slots))
	gauge("slots_busy", float64(now.Busy))
	gauge("jobs_in_progress", float64(now.Jobs))
	gauge("oldest_job_seconds", since(now.Oldest))
	gauge("drain_seconds", since(now.Draining))
	gauge("receiving", bit(now.Receiving))
	gauge("receive_stalled", bit(now.Stalled))
	count("duplicates_total", now.Duplicates)
	gauge("child_processes", float64(now.Children))
	count("zombies_reaped_total", now.Reaped)
	gauge("gpus", float64(now.Leased), "leased")
	gauge("gpus", float64(now.Lost), "lost")
	for _, g := range now.GPUs {
		gauge("gpu_available", float64(g.Count), g.Model, g.Capability)
		gauge("gpu_memory_bytes", float64(g.Memory), g.Model, g.Capability)
	}
	if d := now.Disk; d != nil {
		gauge("scratch_bytes", float64(d.Size), "size")
		gauge("scratch_bytes", float64(d.Free), "free")
		gauge("scratch_bytes", float64(d.Reserved), "reserved")
	}
	for _, q := range now.Queues {
		count("receive_messages_total", q.Messages, q.Name)
		count("receive_empty_total", q.Empty, q.Name)
		count("receive_failures_total", q.Failed, q.Name)
		count("lease_extensions_total", q.Extended, q.Name, "ok")
		count("lease_extensions_total", q.Refused, q.Name, "failed")
		count("lease_lost_total", q.Taken, q.Name, "taken")
		count("lease_lost_total", q.Late, q.Name, "late")
		count("lease_lost_total", q.Limit, q.Name, "limit")
	}
}

func since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return time.Since(t).Seconds()
}

func bit(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

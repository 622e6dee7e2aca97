package main

import (
	"sync"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/metrics"
)

// A sight is where metrics see a worker stand. Its fields are set before anybody looks.
type sight struct {
	worker  *worker.Worker
	machine *launch.Machine
	pool    *launch.Pool // nil where jobs have no process of their own
}

func (v *sight) state() metrics.State {
	s := v.worker.Status()
	m := metrics.State{
		Slots: s.Slots, Busy: s.Busy, Jobs: s.Jobs, Oldest: s.Oldest, Draining: s.Draining, Receiving: notReceiving(s) == nil, Stalled: s.Stalled != nil,
		Duplicates: s.Duplicates, Queues: s.Queues, Leased: v.machine.Leased(),
	}
	if v.pool != nil {
		m.Children, m.Reaped = v.pool.Children(), v.pool.Reaped()
	}
	if size, free, reserved, err := v.machine.Disk.Usage(); err == nil {
		m.Disk = &metrics.Disk{Size: size, Free: free, Reserved: reserved}
	}
	if v.machine.GPUs != nil {
		m.Lost, m.GPUs = v.machine.GPUs.Lost(), v.gpus()
	}
	return m
}

// gpus are those in service, by kind, as of the last look at them.
func (v *sight) gpus() (kinds []metrics.GPU) {
	seen := v.machine.GPUs.Seen()
	if seen.Unfit != "" {
		return nil
	}
	at := map[[2]string]int{}
	for _, r := range seen.Devices {
		if r.Unfit != "" {
			continue
		}
		kind := [2]string{r.Name, r.Capability}
		i, ok := at[kind]
		if !ok {
			i = len(kinds)
			at[kind] = i
			kinds = append(kinds, metrics.GPU{Model: r.Name, Capability: r.Capability})
		}
		kinds[i].Count++
		kinds[i].Memory += r.Memory
	}
	return kinds
}

// moduleName returns what modules are called that tasks name.
func moduleName(r *modules.Registry) func(string) string {
	return func(name string) string {
		m, ok := r.Lookup(name)
		if !ok {
			return ""
		}
		return m.Spec().Name
	}
}

// beginJobs returns what hears of attempts that begin: of the first, when.
func beginJobs(m *metrics.Metrics) func(pipeline string) {
	var first sync.Once
	return func(pipeline string) {
		first.Do(func() { m.ColdStart("first_job", sinceStart()) })
		m.Begin(pipeline, worker.Outcomes())
	}
}

// countJobs returns what counts what becomes of attempts.
func countJobs(m *metrics.Metrics, read *readings) func(worker.Settlement) {
	return func(s worker.Settlement) {
		m.Job(metrics.Job(s))
		read.count()
	}
}

// countCallbacks has a sender's callbacks counted; nil stays nil.
func countCallbacks(s *callback.Sender, m *metrics.Metrics) *callback.Sender {
	if s != nil {
		s.Tried, s.Delivered, s.GivenUp = m.CallbackTried, m.CallbackDelivered, m.CallbackGivenUp
	}
	return s
}

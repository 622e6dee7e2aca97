//go:build linux

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/historytest"
)

// An ordeal is what a fleet goes through.
type ordeal struct {
	workers, slots, jobs int
	torment              time.Duration // faults happen for so long
	drain                time.Duration // and all must be done so long after
}

// seed is what MILLRACE_SEED says, or chance. It decides which faults happen to which worker, in which order.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("MILLRACE_SEED"); text != "" {
		var err error
		s, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "MILLRACE_SEED")
	}
	t.Logf("MILLRACE_SEED=%d", s)
	return s
}

// drain is how long the last messages may take: back-offs of 30 and 60 s where a fault hit a job's second try as well, and
// leases of workers that are gone.
const drain = 2 * time.Minute

// Workers that are killed, stopped, cut off and slowed down, at random and at every boundary, keep all promises.
func TestChaosKeepsEveryPromise(t *testing.T) {
	sqs := func(server func(testing.TB) string) func(*testing.T, ...string) *fleet {
		return func(t *testing.T, args ...string) *fleet { return newFleet(t, server(t), 3*time.Second, args...) }
	}
	bucket := func(t *testing.T, args ...string) *fleet { return newBucketFleet(t, 3*time.Second, args...) }
	for _, tt := range []struct {
		name   string
		fleet  func(t *testing.T, args ...string) *fleet
		ordeal ordeal
	}{
		{"one worker", sqs(servertest.Fauxqs), ordeal{workers: 1, slots: 4, jobs: 80, torment: 12 * time.Second, drain: drain}},
		{"two workers", sqs(servertest.Fauxqs), ordeal{workers: 2, slots: 3, jobs: 100, torment: 12 * time.Second, drain: drain}},
		{"five workers", sqs(servertest.Fauxqs), ordeal{workers: 5, slots: 2, jobs: 120, torment: 12 * time.Second, drain: drain}},
		{"two workers on ElasticMQ", sqs(servertest.ElasticMQ), ordeal{workers: 2, slots: 2, jobs: 30, torment: 6 * time.Second, drain: drain}},
		{"two workers on a bucket", bucket, ordeal{workers: 2, slots: 2, jobs: 30, torment: 6 * time.Second, drain: drain}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := tt.fleet(t, "--slots="+strconv.Itoa(tt.ordeal.slots), "--grace=2s")
			t.Log(f.endure(tt.ordeal, seed(t)))
		})
	}
}

// endure sends jobs, torments workers while they run them, has them finish, and verifies. It says what happened.
func (f *fleet) endure(o ordeal, seed uint64) string {
	f.t.Helper()
	f.receiver.On(moody(seed))
	jobs := make([]historytest.Job, o.jobs)
	fates := make([]string, o.jobs)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range jobs {
		fates[i] = "fine"
		switch n := random.IntN(100); {
		case n < 5:
			fates[i] = "fails"
		case n < 8 && i < o.jobs/2:
			fates[i] = "wavers" // comes back after half a minute
		}
		jobs[i] = historytest.Job{ID: fmt.Sprintf("job-%04d", i), Callback: i%3 == 0, Succeeds: fates[i] != "fails", Shares: i%8 < 3}
	}
	began := time.Now()
	over := make(chan struct{})
	var wg sync.WaitGroup
	deeds := make([]int, o.workers)
	for slot := range o.workers {
		wg.Go(func() { deeds[slot] = f.torment(slot, rand.New(rand.NewPCG(seed, uint64(slot)+1)), over) })
	}
	f.send("chaotic", jobs, func(i int) map[string]any {
		return map[string]any{"fate": fates[i], "nap": fmt.Sprintf("%.2f", float64(i%10)/25)}
	})
	lets(o.torment)
	close(over)
	wg.Wait()
	f.drained(o.drain)
	f.stop()
	f.verify()
	faults := 0
	for _, n := range deeds {
		faults += n
	}
	return fmt.Sprintf("%d jobs, %d faults, %d workers started, %d calls, %d callbacks, %s",
		o.jobs, faults, f.born, len(f.h.Calls()), len(f.h.Callbacks()), time.Since(began).Round(time.Second))
}

// moody is a receiver that does not always take what it gets.
func moody(seed uint64) func(string) int {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 1<<32))
	return func(string) int {
		mu.Lock()
		n := random.IntN(100)
		mu.Unlock()
		switch {
		case n < 5:
			return http.StatusInternalServerError
		case n < 8:
			return http.StatusTooManyRequests
		case n < 10:
			return 0
		case n < 15:
			lets(time.Second)
		}
		return http.StatusOK
	}
}

// torment keeps a worker running in a slot and does things to it until over is closed; it says how many. The worker that
// runs then is left running, and whole.
func (f *fleet) torment(slot int, random *rand.Rand, over <-chan struct{}) (faults int) {
	w := f.start(slot)
	for {
		select {
		case <-over:
			for w.says("worker ready"); !w.runs(); w.says("worker ready") { // it met the last fault at its start
				w = f.start(slot)
			}
			return faults
		case <-time.After(time.Duration(300+random.IntN(900)) * time.Millisecond):
		}
		faults++
		f.misfortune(w, random)
		if !w.runs() {
			w = f.start(slot)
		}
	}
}

// misfortune does one thing to a worker. What it breaks it mends, unless the worker is gone.
func (f *fleet) misfortune(w *fleetWorker, random *rand.Rand) {
	a := w.queue
	if random.IntN(2) == 0 {
		a = w.store
	}
	d := time.Duration(200+random.IntN(3000)) * time.Millisecond
	toxics := []string{historytest.Silence, historytest.Resets, historytest.Latency, historytest.SlowClose, historytest.Narrow}
	toxic := toxics[random.IntN(len(toxics))]
	b := boundaries[random.IntN(len(boundaries))]
	switch n := random.IntN(100); {
	case n < 20:
		w.kill()
	case n < 45:
		select {
		case <-w.killAt(b):
			<-w.ended
		case <-time.After(2 * time.Second): // it never came there
			w.queue.On(nil)
			w.store.On(nil)
		}
		w.reap()
	case n < 55: // spot
		w.term()
		w.within(d)
		w.kill()
	case n < 62:
		w.term()
		<-w.ended
	case n < 72:
		a.On(answering(503, "ServiceUnavailable"))
		w.within(d)
		a.On(nil)
	case n < 80:
		a.Cut()
		w.within(d)
		w.mend(a)
	default:
		a.Break(toxic)
		w.within(d)
		w.mend(a)
	}
}

// reap waits for a worker that was struck as the time for it ran out.
func (w *fleetWorker) reap() {
	for _, a := range w.fleet.h.Acts() {
		if a.Worker == w.name && a.Deed == historytest.Killed {
			<-w.ended
		}
	}
}

// mend heals a wire, unless the worker is gone, and the wire with it.
func (w *fleetWorker) mend(a *historytest.Wire) {
	if w.runs() {
		a.Heal()
	}
}

// within waits for the worker's end, at most for d.
func (w *fleetWorker) within(d time.Duration) {
	select {
	case <-w.ended:
	case <-time.After(d):
	}
}

func (w *fleetWorker) runs() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

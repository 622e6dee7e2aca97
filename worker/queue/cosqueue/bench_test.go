//go:build bench

package cosqueue

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// What is promised of a message that meets no failure: sent, received and acked. A server that is slow or busy is so for
// the bare requests too: the rate is held to what a loop of nothing else reaches in the same run, where that is less.
const (
	requestsBar = 6.5
	rateBar     = 200 // messages per second
	bareBar     = 0.5 // of the rate of the bare requests
)

// TestBenchQueueCOS sends 2,000 messages of 200 bytes, and then 8 receivers take and ack them, each message alone as a
// worker with one slot does: all in one process first, then each in a worker of its own that knows nothing of the others.
// Every request counts, those of the looks too.
func TestBenchQueueCOS(t *testing.T) {
	const messages, receivers = 2000, 8
	bare := bareRate(t, messages/4, receivers)
	fmt.Printf("%-52s %10.0f /s\n", "bucket: the six bare requests of a message", bare)
	for _, workers := range []int{1, receivers} {
		c := gateway(t)
		c.Visibility = 30 * time.Second
		var drivers []*Driver
		for range workers {
			drivers = append(drivers, start(t, c))
		}
		probes := requests(drivers)
		began := time.Now()
		each(messages, func(int) {
			_, err := drivers[0].Send(t.Context(), queue.Draft{Body: make([]byte, 200)})
			require.NoError(t, err)
		})
		sent := time.Since(began)
		var acked atomic.Int64
		var wg sync.WaitGroup
		for i := range receivers {
			wg.Go(func() { drain(t, drivers[i%workers], &acked, messages) })
		}
		wg.Wait()
		all := time.Since(began)
		each := float64(requests(drivers)-probes) / messages
		rate := messages / all.Seconds()
		fmt.Printf("%-52s %10.2f (bar: ≤ %.1f)\n", fmt.Sprintf("bucket queue, workers: %d: requests per message", workers), each, requestsBar)
		fmt.Printf("%-52s %10.0f /s (bar: ≥ %d; without the sending: %.0f /s)\n",
			fmt.Sprintf("bucket queue, workers: %d: sent, received, acked", workers), rate, rateBar, messages/(all-sent).Seconds())
		require.Equal(t, int64(messages), acked.Load())
		require.LessOrEqual(t, each, requestsBar)
		require.GreaterOrEqual(t, rate, min(rateBar, bareBar*bare))
	}
}

// bareRate is how many messages a second there would be if the six requests that none can do without were all.
func bareRate(t *testing.T, messages, workers int) float64 {
	b := start(t, gateway(t)).bucket
	message := func(i int) {
		job, held := fmt.Sprintf("%s%d", jobs, i), fmt.Sprintf("%s%d", leases, i)
		for _, key := range []string{job, held, held} {
			_, err := b.put(t.Context(), key, make([]byte, heldSize), condition{})
			require.NoError(t, err)
		}
		_, _, err := b.get(t.Context(), job, maxObject)
		require.NoError(t, err)
		require.NoError(t, b.remove(t.Context(), job))
		require.NoError(t, b.remove(t.Context(), held))
	}
	began := time.Now()
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < messages; i += workers {
				message(i)
			}
		})
	}
	wg.Wait()
	return float64(messages) / time.Since(began).Seconds()
}

// drain receives and acks one message after the other until all are acked.
func drain(t *testing.T, d *Driver, acked *atomic.Int64, messages int64) {
	for acked.Load() < messages {
		ms, err := d.Receive(t.Context(), 1, 100*time.Millisecond)
		if err != nil {
			t.Error(err)
			return
		}
		for _, m := range ms {
			if err := d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0]; err != nil {
				t.Error(err)
				return
			}
			acked.Add(1)
		}
	}
}

func requests(drivers []*Driver) (n int64) {
	for _, d := range drivers {
		n += total(d)
	}
	return n
}

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

// What is promised of a message that meets no failure: sent, received and acked.
const (
	requestsBar = 6.5
	rateBar     = 200 // messages per second
)

// TestBenchQueueCOS sends 2,000 messages, and then receives and acks them with 8 receivers in one process, each message
// alone as a worker with one slot does. Every request counts, those of the looks too.
func TestBenchQueueCOS(t *testing.T) {
	const messages, receivers = 2000, 8
	c := gateway(t)
	c.Visibility = 30 * time.Second
	d := start(t, c)
	before := total(d)
	began := time.Now()
	each(messages, func(i int) {
		_, err := d.Send(t.Context(), queue.Draft{Body: make([]byte, 200)})
		require.NoError(t, err)
	})
	sent := time.Since(began)
	var acked atomic.Int64
	var wg sync.WaitGroup
	for range receivers {
		wg.Go(func() {
			for acked.Load() < messages {
				ms, err := d.Receive(t.Context(), 1, 0)
				require.NoError(t, err)
				for _, m := range ms {
					require.NoError(t, d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0])
					acked.Add(1)
				}
			}
		})
	}
	wg.Wait()
	all := time.Since(began)
	require.Equal(t, int64(messages), acked.Load())
	each := float64(total(d)-before) / messages
	rate := messages / all.Seconds()
	fmt.Printf("%-52s %10.2f (bar: ≤ %.1f): %v\n", "queue in a bucket: requests per message", each, requestsBar, d.Requests())
	fmt.Printf("%-52s %10.0f /s (bar: ≥ %d; received and acked alone: %.0f /s)\n", "queue in a bucket: sent, received and acked",
		rate, rateBar, messages/(all-sent).Seconds())
	require.LessOrEqual(t, each, requestsBar)
	require.GreaterOrEqual(t, rate, float64(rateBar))
}

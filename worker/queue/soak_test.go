//go:build soak

package queue_test

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

// soakers is how many messages are worked on at once.
const soakers = 16

// A level is what a process uses at one moment.
type level struct {
	at                     time.Duration
	heap                   uint64 // bytes in use after a collection
	goroutines, descriptor int
}

// A queue that is busy for ten minutes uses no more at its end than near its beginning. MILLRACE_SOAK_MESSAGES (100000)
// go through in MILLRACE_SOAK_TIME (10m).
func TestSoakTheQueueLayerStaysFlat(t *testing.T) {
	messages, err := strconv.Atoi(cmp.Or(os.Getenv("MILLRACE_SOAK_MESSAGES"), "100000"))
	require.NoError(t, err)
	lasts, err := time.ParseDuration(cmp.Or(os.Getenv("MILLRACE_SOAK_TIME"), "10m"))
	require.NoError(t, err)
	d, feed := soakQueue(t)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var done atomic.Int64
	began := time.Now()
	for range soakers {
		wg.Go(func() { consume(ctx, feed, &done) })
	}
	wg.Go(func() { produce(ctx, t, d, messages, lasts) })

	var levels []level
	tick := time.NewTicker(lasts / 20)
	defer tick.Stop()
	for len(levels) < 20 {
		<-tick.C
		levels = append(levels, measure(time.Since(began)))
	}
	for end := time.Now().Add(time.Minute); done.Load() < int64(messages) && time.Now().Before(end); {
		<-tick.C
	}
	stop()
	wg.Wait()
	require.EqualValues(t, messages, done.Load(), "every message, once")
	left, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Zero(t, left.Visible+left.InFlight+left.Dead)

	early, late := mean(levels[4:8]), mean(levels[16:]) // the first fifth is for pools and caches to fill
	t.Logf("figure: queue soak %d messages in %s, heap %.1f → %.1f MiB, goroutines %d → %d, descriptors %d → %d",
		messages, time.Since(began).Round(time.Second), float64(early.heap)/(1<<20), float64(late.heap)/(1<<20),
		early.goroutines, late.goroutines, early.descriptor, late.descriptor)
	require.Less(t, float64(late.heap), float64(early.heap)*1.2+2<<20, "memory grows: %+v", levels)
	require.LessOrEqual(t, late.goroutines, early.goroutines+10, "goroutines grow: %+v", levels)
	require.LessOrEqual(t, late.descriptor, early.descriptor+10, "descriptors grow: %+v", levels)
}

func soakQueue(t *testing.T) (*sqsqueue.Driver, *queue.Feed) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", servertest.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", servertest.SecretKey)
	conf := sdk.AWS{Region: "us-east-1", Endpoint: servertest.Fauxqs(t)}
	c, err := conf.Load(t.Context())
	require.NoError(t, err)
	_, err = sqs.NewFromConfig(c).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("soak")})
	require.NoError(t, err)
	d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: "soak", AWS: conf})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	q, err := queue.New(queue.Config{Driver: d})
	require.NoError(t, err)
	feed, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Queue: q, Name: "soak"}}})
	require.NoError(t, err)
	return d, feed
}

// consume takes messages, holds each as a worker does, and settles it: one in fifty only when it comes again.
func consume(ctx context.Context, feed *queue.Feed, done *atomic.Int64) {
	for ctx.Err() == nil {
		leases, _ := feed.Receive(ctx, 10, time.Second) // it ends with ctx alone
		var wg sync.WaitGroup
		for i, l := range leases {
			wg.Go(func() {
				ctx := context.WithoutCancel(ctx)
				_, release := l.Hold(ctx)
				defer release()
				if i == 7 && l.Delivery == 1 {
					_ = l.Nack(ctx, 0) // else its lease ends, and it comes again too
					return
				}
				if l.Ack(ctx) == nil {
					done.Add(1)
				}
			})
		}
		wg.Wait()
	}
}

// produce sends messages over nine tenths of the time.
func produce(ctx context.Context, t *testing.T, d *sqsqueue.Driver, messages int, lasts time.Duration) {
	const burst = 20
	tick := time.NewTicker(lasts * 9 / 10 / time.Duration(max(1, messages/burst)))
	defer tick.Stop()
	body := []byte(`{"pad": "` + strings.Repeat("x", 180) + `"}`)
	for sent := 0; sent < messages && ctx.Err() == nil; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var wg sync.WaitGroup
		for range min(burst, messages-sent) {
			wg.Go(func() {
				if _, err := d.Send(ctx, queue.Draft{Body: body}); err != nil {
					t.Error(err)
				}
			})
			sent++
		}
		wg.Wait()
	}
}

// measure counts goroutines when the fewest messages are worked on.
func measure(at time.Duration) level {
	fewest := runtime.NumGoroutine()
	for range 100 {
		time.Sleep(5 * time.Millisecond)
		fewest = min(fewest, runtime.NumGoroutine())
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	open, _ := filepath.Glob("/proc/self/fd/*")
	return level{at, m.HeapInuse, fewest, len(open)}
}

func mean(levels []level) level {
	var sum level
	for _, l := range levels {
		sum.heap += l.heap
		sum.goroutines += l.goroutines
		sum.descriptor += l.descriptor
	}
	n := len(levels)
	return level{heap: sum.heap / uint64(n), goroutines: sum.goroutines / n, descriptor: sum.descriptor / n}
}

//go:build bench

package sqsqueue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

const (
	benchMessages  = 20_000
	benchReceivers = 16
	benchPollers   = 8 // of sqs-consumer
	benchRounds    = 3
)

// A took is what it cost to receive and delete all messages.
type took struct{ Seconds, CPU float64 }

func (c took) rate() float64   { return benchMessages / c.Seconds }
func (c took) perCPU() float64 { return benchMessages / c.CPU }

// TestBenchQueueSQS measures three consumers of one server in turns; the median of each counts.
func TestBenchQueueSQS(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	client := s.client(t)
	consumers := []struct {
		name string
		run  func(t *testing.T, name, url string) took
	}{
		{"raw SDK loop, 16 goroutines, batch delete", func(t *testing.T, _, url string) took { return benchRaw(t, s.client(t), url) }},
		{"queue.Queue on sqsqueue, 16 receivers", func(t *testing.T, name, _ string) took { return benchOurs(t, s, name) }},
		{"sqs-consumer, 8 pollers, batch", func(t *testing.T, _, url string) took { return benchNode(t, s, url) }},
	}
	all := make([][]took, len(consumers))
	for range benchRounds {
		for i, c := range consumers {
			name, _ := s.queues(t, 100) // a new one each time: a poll that was given up takes messages that come later
			url := s.open(t, name).Name()
			fill(t, client, url)
			c := c.run(t, name, url)
			t.Logf("%s: %.2f s, %.2f s of CPU", consumers[i].name, c.Seconds, c.CPU)
			all[i] = append(all[i], c)
		}
	}
	var rate, perCPU [3]float64
	for i, c := range consumers {
		rate[i], perCPU[i] = median(all[i], took.rate), median(all[i], took.perCPU)
		t.Logf("figure: SQS, %s: %.0f messages/s, %.0f messages per CPU-second", c.name, rate[i], perCPU[i])
	}
	t.Logf("figure: SQS, ours against raw: %.2f in messages/s, %.2f per CPU-second (bar 0.80); against sqs-consumer: %.1f and %.1f (bar 3)",
		rate[1]/rate[0], perCPU[1]/perCPU[0], rate[1]/rate[2], perCPU[1]/perCPU[2])
	require.GreaterOrEqual(t, rate[1], 0.8*rate[0])
	require.GreaterOrEqual(t, perCPU[1], 0.8*perCPU[0])
	require.GreaterOrEqual(t, rate[1], 3*rate[2])
	require.GreaterOrEqual(t, perCPU[1], 3*perCPU[2])
}

func median(all []took, f func(took) float64) float64 {
	var vs []float64
	for _, c := range all {
		vs = append(vs, f(c))
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}

func fill(t *testing.T, client *sqs.Client, url string) {
	t.Helper()
	body := strings.Repeat("x", 200)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for next.Add(10) <= benchMessages {
				var entries []types.SendMessageBatchRequestEntry
				for i := range 10 {
					entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body})
				}
				out, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
				if err != nil || len(out.Failed) > 0 {
					t.Error("send", err)
				}
			}
		})
	}
	wg.Wait()
}

// meter measures this process until the last message is gone.
type meter struct {
	start, cpu float64
	left       atomic.Int64
	done       context.CancelFunc
	took       took
}

func newMeter(t *testing.T) (*meter, context.Context) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &meter{start: now(), cpu: cpu(), done: cancel}
	m.left.Store(benchMessages)
	return m, ctx
}

func (m *meter) gone(n int) {
	if left := m.left.Add(-int64(n)); left <= 0 && left+int64(n) > 0 {
		m.took = took{now() - m.start, cpu() - m.cpu}
		m.done()
	}
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// benchRaw asks for what a worker must know of a message: whose it is, how old, how often delivered.
func benchRaw(t *testing.T, client *sqs.Client, url string) took {
	m, ctx := newMeter(t)
	var wg sync.WaitGroup
	for range benchReceivers {
		wg.Go(func() {
			for ctx.Err() == nil {
				out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
					QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
					MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount", "SentTimestamp", "MessageGroupId", "AWSTraceHeader"},
				})
				if err != nil || len(out.Messages) == 0 {
					continue
				}
				var entries []types.DeleteMessageBatchRequestEntry
				for i, m := range out.Messages {
					entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
				}
				deleted, err := client.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
				if err != nil || len(deleted.Failed) > 0 {
					t.Error("delete", err)
					return
				}
				m.gone(len(entries))
			}
		})
	}
	wg.Wait()
	return m.took
}

// benchOurs acks each lease by itself, as a worker whose jobs end at the same time.
func benchOurs(t *testing.T, s server, name string) took {
	d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: name, AWS: s.aws()})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	q, err := queue.New(queue.Config{Driver: d})
	require.NoError(t, err)
	m, ctx := newMeter(t)
	var wg sync.WaitGroup
	for range benchReceivers {
		wg.Go(func() {
			for ctx.Err() == nil {
				ls, err := q.Receive(ctx, 10)
				if err != nil {
					continue
				}
				var jobs sync.WaitGroup
				for _, l := range ls {
					jobs.Go(func() {
						if err := l.Ack(t.Context()); err != nil {
							t.Error("ack", err)
						}
						m.gone(1)
					})
				}
				jobs.Wait()
			}
		})
	}
	wg.Wait()
	return m.took
}

func benchNode(t *testing.T, s server, url string) (c took) {
	folder, err := filepath.Abs("../../../.tools/sqs-consumer")
	require.NoError(t, err)
	require.DirExists(t, folder, "`deploy/tools/install bench` installs it")
	cmd := exec.CommandContext(t.Context(), "node", "testdata/consume.cjs", folder, s.endpoint, url, fmt.Sprint(benchMessages), fmt.Sprint(benchPollers))
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &c))
	return c
}

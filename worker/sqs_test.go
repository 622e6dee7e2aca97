package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

// sqsQueues makes queues of these names on an SQS and returns their drivers.
func sqsQueues(t *testing.T, names ...string) []*sqsqueue.Driver {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", servertest.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", servertest.SecretKey)
	at := cloud.AWS{Region: "us-east-1", Endpoint: servertest.Fauxqs(t)}
	cfg, err := at.Load(t.Context())
	require.NoError(t, err)
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &at.Endpoint })
	var drivers []*sqsqueue.Driver
	for _, name := range names {
		_, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		require.NoError(t, err)
		d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: name, AWS: at})
		require.NoError(t, err)
		t.Cleanup(func() { d.Close() })
		drivers = append(drivers, d)
	}
	return drivers
}

func TestAFeedServesTwoQueuesOfSQSByTheirWeights(t *testing.T) {
	var sources []queue.Source
	for i, d := range sqsQueues(t, "feed-heavy", "feed-light") {
		for range 40 {
			_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
			require.NoError(t, err)
		}
		sources = append(sources, queue.Source{Queue: queueOn(t, d), Name: d.Name(), Weight: 3 - 2*i})
	}
	f, err := queue.NewFeed(queue.FeedConfig{Sources: sources})
	require.NoError(t, err)
	for range 40 {
		ls, err := f.Receive(t.Context(), 1, 20*time.Second)
		require.NoError(t, err)
		require.Len(t, ls, 1)
		require.NoError(t, ls[0].Ack(t.Context()))
	}
	for i, want := range []int{10, 30} {
		d, err := sources[i].Queue.Depth(t.Context())
		require.NoError(t, err)
		require.InDelta(t, want, d.Visible, 2)
	}
}

// F06, with a broker that gives messages to a poll whose client is about to go.
func TestADrainLeavesNoMessageOfSQSHidden(t *testing.T) {
	p := newPlant(t, succeed)
	d := sqsQueues(t, "feed-drain")[0]
	p.cfg.Feed, p.cfg.ExitWhenIdle = feedOn(t, d), 0
	ctx, stop := context.WithCancel(t.Context())
	ready := make(chan struct{})
	p.cfg.Ready = func() error { close(ready); return nil } // asked once: the first poll is the last
	go func() {
		<-ready
		time.AfterFunc(300*time.Millisecond, func() { // the poll is under way
			stop()
			if _, err := d.Send(context.Background(), queue.Draft{Body: []byte(`{"pipeline": "p"}`)}); err != nil {
				t.Error(err)
			}
		})
	}()
	began := time.Now()
	p.runUntil(ctx)
	require.Less(t, time.Since(began), 10*time.Second, "not as long as the poll")
	require.Zero(t, p.runs.Load())
	ls, err := queueOn(t, d).Receive(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, ls, 1)
	require.Less(t, time.Since(began), 10*time.Second, "it was hidden for 30 s")
}

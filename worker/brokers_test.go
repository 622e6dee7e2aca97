package worker_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/cosqueue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
	"github.com/millrace/millrace/worker/record"
)

// unique is a name that nothing had before: the servers are those of all tests.
func unique(name string) string { return name + "-" + strings.ToLower(rand.Text()) }

// sqsQueues makes queues on an SQS and returns their drivers. Their names begin with these.
func sqsQueues(t *testing.T, names ...string) []*sqsqueue.Driver {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", servertest.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", servertest.SecretKey)
	at := sdk.AWS{Region: "us-east-1", Endpoint: servertest.Fauxqs(t)}
	cfg, err := at.Load(t.Context())
	require.NoError(t, err)
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &at.Endpoint })
	var drivers []*sqsqueue.Driver
	for _, name := range names {
		name = unique(name)
		_, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		require.NoError(t, err)
		d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: name, AWS: at})
		require.NoError(t, err)
		t.Cleanup(func() { d.Close() })
		drivers = append(drivers, d)
	}
	return drivers
}

// cosQueue makes a bucket on an S3, whose name begins with this one, and returns the driver of a queue in it.
func cosQueue(t *testing.T, bucket string) *cosqueue.Driver {
	t.Helper()
	bucket = unique(bucket)
	c := cosqueue.Config{
		COS:        sdk.COS{Endpoint: servertest.Versitygw(t), AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey},
		Bucket:     bucket,
		Visibility: time.Second,
	}
	client, err := c.COS.Open(t.Context())
	require.NoError(t, err)
	_, err = client.CreateBucketWithContext(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	d, err := cosqueue.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
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

// classQueues are two queues of each broker, for workers of different classes.
var classQueues = []struct {
	name string
	open func(t *testing.T) (here, there queue.Broker)
}{
	{"local", func(t *testing.T) (here, there queue.Broker) {
		here, _ = classQueue(t)
		there, _ = classQueue(t)
		return here, there
	}},
	{"SQS", func(t *testing.T) (here, there queue.Broker) {
		ds := sqsQueues(t, "class-cpu", "class-gpu")
		return ds[0], ds[1]
	}},
	{"COS", func(t *testing.T) (here, there queue.Broker) {
		return cosQueue(t, "class-cpu"), cosQueue(t, "class-gpu")
	}},
}

func TestAJobOfAnotherClassIsSentOnToItsQueueAsTheSameJob(t *testing.T) {
	for _, tt := range classQueues {
		t.Run(tt.name, func(t *testing.T) {
			here, there := tt.open(t)
			p := newPlant(t, succeed)
			p.cfg.ExitWhenIdle = 300 * time.Millisecond
			p.cfg.Feed = feedOn(t, here)
			p.cfg.Labels = map[string]string{"class": "cpu"}
			p.cfg.Classes = map[string]*queue.Queue{"GPU": queueOn(t, there)}
			id, err := here.Send(t.Context(), queue.Draft{Body: []byte(`{"pipeline": "p", "class": "gpu"}`)})
			require.NoError(t, err)
			sent := time.Now()
			p.runUntil(t.Context())
			require.Zero(t, p.runs.Load())
			for broker, want := range map[queue.Broker]queue.Depth{here: {}, there: {Visible: 1}} {
				d, err := broker.Depth(t.Context())
				require.NoError(t, err)
				require.Equal(t, want, d)
			}

			p.cfg.Labels = map[string]string{"class": "gpu"}
			p.cfg.Feed = feedOn(t, there)
			p.runUntil(t.Context())
			require.EqualValues(t, 1, p.runs.Load())
			r := p.load(id)
			require.Equal(t, record.Succeeded, r.Status)
			require.False(t, r.Enqueued.After(sent), "it keeps its age")
		})
	}
}

// The broker gives messages to a poll whose client is about to go.
func TestF06ADrainLeavesNoMessageOfSQSHidden(t *testing.T) {
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

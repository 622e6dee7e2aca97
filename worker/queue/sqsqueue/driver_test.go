package sqsqueue_test

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/queuetest"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

const visibility = 2 * time.Second

var names atomic.Int64

// A server is an SQS and a kind of queue on it.
type server struct {
	endpoint string
	fifo     bool
}

// group is what becomes of a message's group: fauxqs takes it in a standard queue, as SQS does, but does not return it.
func (s server) group(t *testing.T, g string) string {
	if s.endpoint == servertest.Fauxqs(t) && !s.fifo {
		return ""
	}
	return g
}

// queues makes a queue and its dead-letter queue, and returns their names.
func (s server) queues(t *testing.T, maxReceives int) (name, dead string) {
	t.Helper()
	n := names.Add(1)
	name, dead = fmt.Sprintf("jobs-%d", n), fmt.Sprintf("jobs-%d-dead", n)
	attributes := map[string]string{}
	if s.fifo {
		name, dead = name+".fifo", dead+".fifo"
		attributes["FifoQueue"] = "true"
	}
	client := s.client(t)
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &dead, Attributes: attributes})
	require.NoError(t, err)
	got, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	require.NoError(t, err)
	policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": got.Attributes["QueueArn"], "maxReceiveCount": fmt.Sprint(maxReceives)})
	require.NoError(t, err)
	attributes["RedrivePolicy"] = string(policy)
	if s.endpoint == servertest.ElasticMQ(t) {
		attributes["ReceiveMessageWaitTimeSeconds"] = "20" // as SQS advises: no call may count on 0
	}
	_, err = client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return name, dead
}

func (s server) aws() sdk.AWS { return sdk.AWS{Region: "us-east-1", Endpoint: s.endpoint} }

func (s server) client(t *testing.T) *sqs.Client {
	t.Helper()
	conf, err := s.aws().Load(t.Context())
	require.NoError(t, err)
	return sqs.NewFromConfig(conf)
}

func (s server) open(t *testing.T, name string) *sqsqueue.Driver {
	t.Helper()
	d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: name, AWS: s.aws(), Visibility: visibility})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestMain(m *testing.M) {
	os.Setenv("AWS_ACCESS_KEY_ID", servertest.AccessKey)
	os.Setenv("AWS_SECRET_ACCESS_KEY", servertest.SecretKey)
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	os.Exit(m.Run())
}

func TestTheDriverKeepsWhatEveryDriverPromises(t *testing.T) {
	t.Parallel()
	const (
		noDelay    = "a FIFO queue delays no single message (SQS)"
		anyReceipt = "fauxqs takes stale receipts on a delete; SQS and ElasticMQ do not"
		noEmoji    = "fauxqs takes no characters beyond U+FFFF in a body; SQS and ElasticMQ do"
		noGroups   = "a standard queue shares fairly between groups and keeps no order (SQS)"
		noOrder    = "a FIFO queue keeps an order within a group alone, and these messages have none in common (SQS)"
	)
	const (
		delayed, depth = "a delayed message is hidden until its delay is over", "depth counts what is visible, in flight, delayed and dead"
		stale, acks    = "a stale receipt changes nothing", "acks are answered one by one"
		groups         = "one message of a group is in flight at a time, in order"
		bytes, order   = "a body may hold any bytes, or none", "messages come roughly in the order they were sent"
	)
	options := func(deviations map[string]string) queuetest.Options {
		return queuetest.Options{Visibility: visibility, Wait: time.Second, HandedBackInFlight: true, Deviations: deviations}
	}
	runs := []struct {
		name string
		server
		queuetest.Options
	}{
		{"fauxqs standard", server{endpoint: servertest.Fauxqs(t)}, options(map[string]string{stale: anyReceipt, acks: anyReceipt, bytes: noEmoji, groups: noGroups})},
		{"fauxqs FIFO", server{servertest.Fauxqs(t), true}, options(map[string]string{
			stale: anyReceipt, acks: anyReceipt, bytes: noEmoji, delayed: noDelay, depth: noDelay, order: noOrder,
		})},
		{"ElasticMQ standard", server{endpoint: servertest.ElasticMQ(t)}, options(map[string]string{groups: noGroups})},
		{"ElasticMQ FIFO", server{servertest.ElasticMQ(t), true}, options(map[string]string{delayed: noDelay, depth: noDelay, order: noOrder})},
	}
	var all []queuetest.Options
	var wg sync.WaitGroup
	for _, r := range runs {
		all = append(all, r.Options)
		wg.Go(func() { // not t.Parallel: they wait, and two cores would let two of them
			t.Run(r.name, func(t *testing.T) {
				r.Reopen = func(t *testing.T, d queue.Driver) queue.Driver {
					require.NoError(t, d.(*sqsqueue.Driver).Close())
					return r.open(t, d.(*sqsqueue.Driver).Name())
				}
				queuetest.Run(t, func(t *testing.T) queue.Driver {
					name, _ := r.queues(t, 100)
					return r.open(t, name)
				}, r.Options)
			})
		})
	}
	wg.Wait()
	queuetest.Kept(t, all...)
}

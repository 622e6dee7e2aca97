package sqsqueue_test

import (
	"context"
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

// everyServer runs a test on both servers, with both kinds of queue.
func everyServer(t *testing.T, test func(t *testing.T, s server)) {
	for name, s := range map[string]server{
		"fauxqs standard":    {endpoint: servertest.Fauxqs(t)},
		"fauxqs FIFO":        {servertest.Fauxqs(t), true},
		"ElasticMQ standard": {endpoint: servertest.ElasticMQ(t)},
		"ElasticMQ FIFO":     {servertest.ElasticMQ(t), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// one receives the only message there must be. A message that is renewed is not returned by the Receive that renews it.
func one(t *testing.T, d *sqsqueue.Driver) queue.Message {
	t.Helper()
	return oneUntil(t, t.Context(), d)
}

func oneUntil(t *testing.T, ctx context.Context, d *sqsqueue.Driver) queue.Message {
	t.Helper()
	for range 5 {
		ms, err := d.Receive(ctx, 1, time.Second)
		require.NoError(t, err)
		if len(ms) == 1 {
			return ms[0]
		}
	}
	require.Fail(t, "the queue gives no message")
	return queue.Message{}
}

func TestAHealthyMessageOutlivesThirtyHandBacksAndThirtyDrains(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, s server) {
		const maxReceives = 10
		name, _ := s.queues(t, maxReceives)
		d := s.open(t, name)
		draft := queue.Draft{Body: []byte("\x00 healthy"), Attributes: map[string]string{"a": "1", "empty": ""}, Group: "customer-7"}
		id, err := d.Send(t.Context(), draft)
		require.NoError(t, err)
		var first queue.Message
		draining, drain := context.WithCancel(t.Context())
		drain()
		for i := range 60 {
			ctx := t.Context()
			if i%2 == 1 {
				ctx = draining // what a poll brings after the drain has begun is handed back
			}
			m := oneUntil(t, ctx, d)
			if i == 0 {
				first = m
			}
			require.Equal(t, i+1, m.Delivery)
			require.Equal(t, []any{id, draft.Body, draft.Attributes, s.group(t, draft.Group), first.Enqueued}, []any{m.ID, m.Body, m.Attributes, m.Group, m.Enqueued})
			require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
		}
		m := one(t, d)
		require.NoError(t, d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0])
		depth, err := d.Depth(t.Context())
		require.NoError(t, err)
		require.Equal(t, queue.Depth{}, depth, "it ran, and nothing is in the dead-letter queue")
	})
}

func TestAnOriginThatIsNotOursIsIgnored(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 10)
	d := s.open(t, name)
	client := s.client(t)
	for _, origin := range []string{
		"{", "null", `{"id":""}`, `{"id":"../../etc","deliveries":1}`, `{"id":"x","deliveries":-1}`,
		`{"id":"x","deliveries":99999999999}`, `{"id":"x","deliveries":1,"enqueued":99999999999999}`, `{"id":["x"]}`,
	} {
		text := aws.String("String")
		out, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(d.Name()), MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"millrace.origin":     {DataType: text, StringValue: &origin},
				"millrace.encoding":   {DataType: text, StringValue: aws.String("gzip+base64")},
				"millrace.attributes": {DataType: text, StringValue: aws.String(`[1,2]`)},
				"number":              {DataType: aws.String("Number"), StringValue: aws.String("42")},
				"binary":              {DataType: aws.String("Binary.png"), BinaryValue: []byte{1, 2}},
			},
		})
		require.NoError(t, err)
		m := one(t, d)
		require.Equal(t, *out.MessageId, m.ID, origin)
		require.Equal(t, "x", string(m.Body))
		require.Equal(t, map[string]string{"number": "42", "binary": "AQI="}, m.Attributes)
		require.Equal(t, 1, m.Delivery)
		require.NoError(t, d.Ack(t.Context(), []queue.Receipt{m.Receipt})[0])
	}
}

func TestAMessageThatSQSBuriesSoonIsRenewedAsWhatItWas(t *testing.T) {
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 2)
	d := s.open(t, name)
	id, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	for delivery := 1; delivery <= 4; delivery++ {
		m := one(t, d)
		require.Equal(t, id, m.ID)
		require.Equal(t, delivery, m.Delivery)
		require.Equal(t, m.Limit.Sub(m.Deadline).Round(time.Minute), 12*time.Hour)
		require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
	}
}

func TestWithoutARedrivePolicyNothingIsRenewed(t *testing.T) {
	s := server{endpoint: servertest.ElasticMQ(t)}
	_, dead := s.queues(t, 2)
	d := s.open(t, dead)
	id, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	for range 5 {
		ms, err := d.Receive(t.Context(), 1, time.Second)
		require.NoError(t, err)
		require.Len(t, ms, 1)
		require.Equal(t, id, ms[0].ID)
		require.NoError(t, d.Nack(t.Context(), ms[0].Receipt, 0))
	}
}

// An ack that fails for a reason of its own says nothing about the renewals of others.
func TestAnAckThatIsCutOffKeepsNoMessageFromBeingRenewed(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 3)
	d := s.open(t, name)
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("healthy")})
	require.NoError(t, err)
	m := one(t, d)
	gone, cut := context.WithCancel(t.Context())
	cut()
	require.Error(t, d.Ack(gone, []queue.Receipt{m.Receipt})[0])
	for range 6 {
		require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
		m = oneUntil(t, t.Context(), d)
	}
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Zero(t, depth.Dead)
}

package sqsqueue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

func TestABuriedMessageKeepsAllThatItWasAndCanBeRevived(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, s server) {
		name, _ := s.queues(t, 100)
		d := s.open(t, name)
		attributes := map[string]string{}
		for i := range 10 {
			attributes[fmt.Sprintf("k%d", i)] = fmt.Sprint(i)
		}
		id, err := d.Send(t.Context(), queue.Draft{Body: []byte("{}"), Attributes: attributes, Group: "g"})
		require.NoError(t, err)
		m := one(t, d)
		reason := "no such pipeline\x00 " + strings.Repeat("é", 2000)
		require.NoError(t, d.Bury(t.Context(), m, reason))

		for range 2 { // listing twice shows it twice
			bs, err := d.Dead(t.Context(), 100)
			require.NoError(t, err)
			require.Len(t, bs, 1)
			b := bs[0]
			require.Equal(t, []any{id, attributes, "{}", s.group(t, "g"), 1}, []any{b.ID, b.Attributes, string(b.Body), b.Group, b.Delivery})
			require.WithinDuration(t, m.Enqueued, b.Enqueued, time.Second)
			require.WithinDuration(t, time.Now(), b.Buried, 10*time.Second)
			require.True(t, strings.HasPrefix(b.Reason, "no such pipeline"), b.Reason)
			require.LessOrEqual(t, len(b.Reason), 1024)
		}
		bs, err := d.Dead(t.Context(), 1)
		require.NoError(t, err)
		again, err := d.Revive(t.Context(), bs[0], queue.Draft{Body: bs[0].Body, Attributes: bs[0].Attributes, Group: bs[0].Group})
		require.NoError(t, err)
		depth, err := d.Depth(t.Context())
		require.NoError(t, err)
		require.Equal(t, queue.Depth{Visible: 1}, depth)
		revived := one(t, d)
		require.Equal(t, []any{again, attributes, 1}, []any{revived.ID, revived.Attributes, revived.Delivery})
	})
}

// fauxqs forgets the system attribute.
func TestATraceGoesWithAMessageWhereverItGoes(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	trace := map[string]string{
		"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
		"traceparent":    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x"), Attributes: trace})
	require.NoError(t, err)
	m := one(t, d)
	require.Equal(t, trace, m.Attributes)
	require.NoError(t, d.Bury(t.Context(), m, "no"))
	dead, err := d.Dead(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Equal(t, trace, dead[0].Attributes)
	_, err = d.Revive(t.Context(), dead[0], queue.Draft{Body: dead[0].Body, Attributes: dead[0].Attributes})
	require.NoError(t, err)
	require.Equal(t, trace, one(t, d).Attributes)
}

func TestAMessageOfTheGreatestLengthCanBeBuried(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	body := strings.Repeat(`{"asset":1}`, 1<<20/11)
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte(body)})
	require.NoError(t, err)
	require.NoError(t, d.Bury(t.Context(), one(t, d), "too much"))
	bs, err := d.Dead(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, bs, 1)
	require.Equal(t, body, string(bs[0].Body))
}

func TestWithoutADeadLetterQueueAMessageIsNotBuriedAndStays(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.Fauxqs(t)}
	_, alone := s.queues(t, 100)
	d := s.open(t, alone)
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	err = d.Bury(t.Context(), one(t, d), "no")
	require.ErrorContains(t, err, "redrive policy")
	require.Equal(t, fault.Permanent, fault.Of(err))
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, depth.InFlight)
	_, err = d.Dead(t.Context(), 1)
	require.ErrorContains(t, err, "it has no dead-letter queue")
}

func TestADeadLetterQueueCanBeNamed(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.Fauxqs(t)}
	_, alone := s.queues(t, 100)
	_, dead := s.queues(t, 100)
	d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: alone, DeadQueue: dead, AWS: s.aws()})
	require.NoError(t, err)
	_, err = d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	require.NoError(t, d.Bury(t.Context(), one(t, d), "no"))
	depth, err := s.open(t, dead).Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, depth.Visible)
	require.NoError(t, d.Close())
}

func TestAMessageThatIsGoneCanNotBeRevived(t *testing.T) {
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, dead := s.queues(t, 100)
	d := s.open(t, name)
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	require.NoError(t, d.Bury(t.Context(), one(t, d), "no"))
	bs, err := d.Dead(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, s.open(t, dead).Purge(t.Context()))
	_, err = d.Revive(t.Context(), bs[0], queue.Draft{Body: bs[0].Body})
	require.ErrorIs(t, err, queue.ErrNotFound)
}

func TestPeekShowsWhatWaitsAndLeavesItThere(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	for i := range 12 {
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte(fmt.Sprint(i)), Group: "g"})
		require.NoError(t, err)
	}
	ws, err := d.Peek(t.Context(), 11)
	require.NoError(t, err)
	require.Len(t, ws, 11)
	require.Equal(t, []any{queue.Visible, 1, "g"}, []any{ws[0].State, ws[0].Delivery, ws[0].Group})
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Visible: 12}, depth)
	require.NoError(t, d.Purge(t.Context()))
	depth, err = d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{}, depth)
}

func TestMoreThanTenMessagesComeInOneReceive(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	for i := range 35 {
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte(fmt.Sprint(i))})
		require.NoError(t, err)
	}
	ms, err := d.Receive(t.Context(), 32, time.Second)
	require.NoError(t, err)
	require.Len(t, ms, 32)
	var rs []queue.Receipt
	for _, m := range ms {
		rs = append(rs, m.Receipt)
	}
	rs = append(rs, rs[0], "nobody's")
	errs := d.Ack(t.Context(), rs)
	for _, err := range errs[:32] {
		require.NoError(t, err)
	}
	require.ErrorIs(t, errs[33], queue.ErrLeaseLost)
}

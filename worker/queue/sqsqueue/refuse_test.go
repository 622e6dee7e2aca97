package sqsqueue_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
)

// undeletable is the server, which denies deletes while denying is set.
func (s server) undeletable(t *testing.T, denying *atomic.Bool) server {
	t.Helper()
	return s.through(t, func(w http.ResponseWriter, call string) bool {
		return call == "DeleteMessageBatch" && denying.Load() && refuse(w, http.StatusForbidden, "AccessDeniedException")
	}, nil)
}

func TestARenewalWhoseDeleteIsDeniedLeavesOneCopyAtMost(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 4)
	var denying atomic.Bool
	denying.Store(true)
	d := s.undeletable(t, &denying).open(t, name)
	began := time.Now()
	id, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	for range 12 {
		ms, err := d.Receive(t.Context(), 10, time.Second)
		require.NoError(t, err)
		require.LessOrEqual(t, len(ms), 1, "the message and its continuation are handed out together")
		for _, m := range ms {
			require.Equal(t, id, m.ID)
			require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
		}
	}
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	// Whether it may delete by now is tried once a minute, and each try leaves a copy: a busy machine takes longer than one.
	tries := 1 + int(time.Since(began)/time.Minute)
	require.LessOrEqual(t, depth.Visible+depth.InFlight+depth.Dead, 1+tries)
}

func TestABurialThatIsTriedAgainBuriesOnce(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 100)
	var denying atomic.Bool
	d := s.undeletable(t, &denying).open(t, name)
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	m := one(t, d)
	denying.Store(true)
	for range 3 {
		require.Error(t, d.Bury(t.Context(), m, "poison"))
	}
	require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
	denying.Store(false)
	ms, err := d.Receive(t.Context(), 1, time.Second)
	require.NoError(t, err)
	require.Empty(t, ms, "it is buried: what comes again is deleted")
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Dead: 1}, depth)
}

func TestReceiveEndsSoonAfterItsContextAlsoWhileItRenews(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 2)
	hang, sending := make(chan struct{}), make(chan struct{}, 1)
	d := s.through(t, func(_ http.ResponseWriter, call string) bool {
		if call != "SendMessage" {
			return false
		}
		sending <- struct{}{}
		<-hang
		return true
	}, nil).open(t, name)
	t.Cleanup(func() { close(hang) })
	_, err := s.open(t, name).Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	require.NoError(t, d.Nack(t.Context(), one(t, d).Receipt, 0))
	ctx, cancel := context.WithCancel(t.Context())
	var ended time.Time
	go func() {
		<-sending
		ended = time.Now()
		cancel()
	}()
	ms, err := d.Receive(ctx, 1, 20*time.Second)
	require.NoError(t, err)
	require.Len(t, ms, 1, "what is not renewed by then is returned, to be handed back")
	require.Less(t, time.Since(ended), 3*time.Second)
}

func TestAMessageThatCanBeSentCanBeRenewedAndBuried(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 2)
	d := s.open(t, name)
	raw := make([]byte, 1<<20)
	_, err := rand.Read(raw)
	require.NoError(t, err)
	text := base64.StdEncoding.EncodeToString(raw)
	long := 1<<20 - 60
	_, err = d.Send(t.Context(), queue.Draft{Body: []byte(text[:long])})
	require.ErrorContains(t, err, "into a store")
	require.Equal(t, fault.Permanent, fault.Of(err))
	long -= 400
	_, err = d.Send(t.Context(), queue.Draft{Body: []byte(text[:long])})
	require.NoError(t, err)
	for delivery := 1; delivery <= 3; delivery++ { // the second is a renewed one
		m := one(t, d)
		require.Equal(t, delivery, m.Delivery)
		if delivery == 3 {
			require.NoError(t, d.Bury(t.Context(), m, "poison "+strings.Repeat("x", 1000)))
			break
		}
		require.NoError(t, d.Nack(t.Context(), m.Receipt, 0))
	}
	bs, err := d.Dead(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, bs, 1)
	require.True(t, strings.HasPrefix(bs[0].Reason, "poison x"), bs[0].Reason)
}

func TestAFIFOReceiveWhoseAnswerIsLostIsTheSameAttemptAgain(t *testing.T) {
	t.Parallel()
	s := server{servertest.ElasticMQ(t), true}
	name, _ := s.queues(t, 100)
	var lose atomic.Bool
	d := s.through(t, nil, func(call, body string) string {
		if call == "ReceiveMessage" && lose.CompareAndSwap(true, false) {
			return body[:len(body)/2]
		}
		return body
	}).open(t, name)
	id, err := d.Send(t.Context(), queue.Draft{Body: []byte("x"), Group: "g"})
	require.NoError(t, err)
	lose.Store(true)
	_, err = d.Receive(t.Context(), 1, time.Second)
	require.Equal(t, fault.Transient, fault.Of(err), "%v", err)
	ms, err := d.Receive(t.Context(), 1, time.Second)
	require.NoError(t, err)
	require.Len(t, ms, 1, "the group is locked until the lease ends that nobody holds")
	require.Equal(t, id, ms[0].ID)
}

func TestTheDepthIsKnownWhereTheDeadLetterQueueMayNotBeRead(t *testing.T) {
	t.Parallel()
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	var asked atomic.Int64
	d := s.through(t, func(w http.ResponseWriter, call string) bool {
		return call == "GetQueueAttributes" && asked.Add(1) == 3 && refuse(w, http.StatusForbidden, "AccessDenied")
	}, nil).open(t, name) // which is the first
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Dead: -1}, depth)
}

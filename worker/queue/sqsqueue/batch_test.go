package sqsqueue_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
)

func TestMessagesThatAreSentAtTheSameTimeShareCallsAndOneThatIsRefusedIsAlone(t *testing.T) {
	const senders = 64
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	var began sync.WaitGroup
	began.Add(senders)
	var first, calls, refusals atomic.Int32
	d := s.through(t, func(_ http.ResponseWriter, call string) bool {
		if call == "SendMessage" && first.Add(1) == 1 {
			began.Wait() // what is sent meanwhile shares calls
		}
		if call == "SendMessage" || call == "SendMessageBatch" {
			calls.Add(1)
		}
		return false
	}, func(call, body string) string {
		if call != "SendMessageBatch" {
			return body
		}
		var answer map[string][]map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		refused := answer["Successful"][0]
		answer["Successful"] = answer["Successful"][1:]
		answer["Failed"] = append(answer["Failed"], map[string]any{"Id": refused["Id"], "Code": "InvalidMessageContents", "Message": "no", "SenderFault": true})
		refusals.Add(1)
		b, err := json.Marshal(answer)
		require.NoError(t, err)
		return string(b)
	}).open(t, name)
	ids, errs := make([]string, senders), make([]error, senders)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			began.Done()
			ids[i], errs[i] = d.Send(t.Context(), queue.Draft{Body: fmt.Append(nil, i), Attributes: map[string]string{"n": fmt.Sprint(i)}})
		})
	}
	wg.Wait()
	require.Less(t, calls.Load(), int32(senders/2))
	seen, failed := map[string]bool{}, int32(0)
	for i, err := range errs {
		if err != nil {
			require.Equal(t, fault.Permanent, fault.Of(err), "%v", err)
			require.ErrorContains(t, err, "InvalidMessageContents")
			failed++
			continue
		}
		require.False(t, seen[ids[i]] || ids[i] == "", "each message has an ID of its own")
		seen[ids[i]] = true
	}
	require.Equal(t, refusals.Load(), failed)
	require.Positive(t, failed)
}

func TestWhatIsRefusedTogetherIsSentOneByOne(t *testing.T) {
	const senders = 16
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	var began sync.WaitGroup
	began.Add(senders)
	var first, refusals atomic.Int32
	d := s.through(t, func(w http.ResponseWriter, call string) bool {
		if call == "SendMessage" && first.Add(1) == 1 {
			began.Wait() // what is sent meanwhile shares calls
		}
		if call == "SendMessageBatch" {
			refusals.Add(1)
			return refuse(w, http.StatusBadRequest, "AWS.SimpleQueueService.BatchRequestTooLong")
		}
		return false
	}, nil).open(t, name)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			began.Done()
			if _, err := d.Send(t.Context(), queue.Draft{Body: []byte("x")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Positive(t, refusals.Load())
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, senders, depth.Visible)
}

func TestMessagesThatAreLongTogetherGoInCallsOfTheirOwn(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t)}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := d.Send(t.Context(), queue.Draft{Body: make700k()}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	depth, err := d.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, 6, depth.Visible)
}

func make700k() []byte {
	b := make([]byte, 700<<10)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

package sqsqueue_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

// tolled is a server of which every request is counted.
func tolled(t *testing.T, to server) (server, *atomic.Int64) {
	target, err := url.Parse(to.endpoint)
	require.NoError(t, err)
	var n atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return server{endpoint: s.URL}, &n
}

func TestACountIsOneRequest(t *testing.T) {
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	for range 3 {
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte("work")})
		require.NoError(t, err)
	}
	_, err := d.Send(t.Context(), queue.Draft{Body: []byte("later"), Delay: time.Minute})
	require.NoError(t, err)
	ms, err := d.Receive(t.Context(), 1, 0)
	require.NoError(t, err)
	require.Len(t, ms, 1)

	toll, n := tolled(t, s)
	c, err := sqsqueue.NewCounter(t.Context(), sqsqueue.Config{Queue: name, AWS: toll.aws()})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	require.Zero(t, n.Load(), "nothing is asked before somebody wants to know")
	want := queue.Load{Visible: 2, InFlight: 1, Delayed: 1}
	for _, requests := range []int{2, 1, 1} { // the first finds the queue
		n.Store(0)
		l, err := c.Count(t.Context())
		require.NoError(t, err)
		want.Requests = requests
		require.Equal(t, want, l)
		require.EqualValues(t, requests, n.Load())
	}
}

func TestACountThatFailsSaysWhatItCost(t *testing.T) {
	c, err := sqsqueue.NewCounter(t.Context(), sqsqueue.Config{Queue: "jobs", AWS: sdk.AWS{Region: "us-east-1", Endpoint: "http://127.0.0.1:1"}})
	require.NoError(t, err)
	l, err := c.Count(t.Context())
	require.True(t, cloud.Is(err, cloud.Unreachable), "%v", err)
	require.Equal(t, queue.Load{Requests: 1}, l)
	_, err = sqsqueue.NewCounter(t.Context(), sqsqueue.Config{Queue: "no queue"})
	require.ErrorContains(t, err, "at most 80")
}

func TestACountThatIsNoNumberIsNotZero(t *testing.T) {
	for name, says := range map[string]string{
		"missing":  `{"ApproximateNumberOfMessages":"2","ApproximateNumberOfMessagesDelayed":"0"}`,
		"a word":   `{"ApproximateNumberOfMessages":"2","ApproximateNumberOfMessagesDelayed":"0","ApproximateNumberOfMessagesNotVisible":"many"}`,
		"negative": `{"ApproximateNumberOfMessages":"2","ApproximateNumberOfMessagesDelayed":"0","ApproximateNumberOfMessagesNotVisible":"-2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				fmt.Fprintf(w, `{"Attributes":%s}`, says)
			}))
			t.Cleanup(s.Close)
			c, err := sqsqueue.NewCounter(t.Context(), sqsqueue.Config{Queue: s.URL + "/000000000000/jobs", AWS: server{endpoint: s.URL}.aws()})
			require.NoError(t, err)
			l, err := c.Count(t.Context())
			require.ErrorContains(t, err, "ApproximateNumberOfMessagesNotVisible is")
			require.Equal(t, queue.Load{Requests: 1}, l)
		})
	}
}

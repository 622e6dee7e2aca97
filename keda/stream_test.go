package keda

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/millrace/millrace/keda/externalscaler"
	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/keda/podstest"
	"github.com/millrace/millrace/worker/queue"
)

// A stream keeps what is sent, in a bubble, where there is no network.
type stream struct {
	grpc.ServerStream
	ctx  context.Context
	sent []bool
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) Send(r *externalscaler.IsActiveResponse) error {
	s.sent = append(s.sent, r.GetResult())
	return nil
}

func TestAStreamEndsWellNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Queues: []Queue{{Name: "light", Count: func(context.Context) (queue.Load, error) {
			return queue.Load{Visible: 1, Requests: 1}, nil
		}}}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.Run(ctx)
		pushed, began := &stream{ctx: ctx}, time.Now()
		ref := &externalscaler.ScaledObjectRef{ScalerMetadata: map[string]string{"queue": "light"}}
		require.NoError(t, answerer{Scaler: s}.StreamIsActive(ref, pushed))
		require.Equal(t, 5*time.Minute, time.Since(began))
		require.Equal(t, []bool{true}, pushed.sent)
	})
}

func TestAStreamKeepsALongQueueLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		s, err := New(Config{Queues: []Queue{{Name: "light", Count: func(context.Context) (queue.Load, error) {
			return queue.Load{Visible: int(looks.Add(1)) % 2, Requests: 120}, nil // two minutes until the next
		}}}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.Run(ctx)
		pushed := &stream{ctx: ctx}
		ref := &externalscaler.ScaledObjectRef{ScalerMetadata: map[string]string{"queue": "light"}}
		require.NoError(t, answerer{Scaler: s}.StreamIsActive(ref, pushed))
		require.Equal(t, []bool{true, false, true}, pushed.sent)
		time.Sleep(time.Hour)
		require.EqualValues(t, 3, looks.Load(), "after it nobody wants to know")
	})
}

func TestAMarkIsTakenBackThoughNobodyAsksAnyMore(t *testing.T) {
	cluster := podstest.New(t)
	worker := podstest.NewWorker(t)
	worker.Has(1, 0)
	name := cluster.Add("light", worker)
	known, err := pods.New(pods.Config{API: kubernetes.API{URL: cluster.URL}, Namespace: podstest.Namespace})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { known.Run(ctx) })
	<-known.Known()
	w := newWatch(Queue{Name: "light"}, Config{Pods: known}) // it has no broker to ask
	known.Unmark(ctx, "light")
	require.Empty(t, cluster.Annotations(name), "it makes none")
	_, mark := known.Census(ctx, "light")
	mark(ctx)
	worker.Has(1, time.Hour)
	known.Unmark(ctx, "light")
	require.Equal(t, 1, cluster.Requests("patch"), "it takes back none that are right")
	worker.Has(0, 0)
	wg.Go(func() { w.run(ctx) })
	cluster.Await(t, func() bool { return cluster.Annotations(name)["millrace/busy"] == "" })
}

func TestThatNoPodMayHaveWhatIsInFlightIsSaidOnce(t *testing.T) {
	for _, tt := range []struct {
		name     string
		censuses []pods.Census
		said     int
	}{
		{"no pod was ever seen", []pods.Census{{Complete: true}, {Complete: true}}, 1},
		{"one was", []pods.Census{{Complete: true, Pods: 1}, {Complete: true}}, 0},
		{"it is not known which there are", []pods.Census{{}, {}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			w := newWatch(Queue{Name: "light"}, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
			for _, c := range tt.censuses {
				w.miss(t.Context(), 1, c)
			}
			require.Equal(t, tt.said, strings.Count(log.String(), `"in flight without pods" queue=light label="millrace/class=light"`), log.String())
		})
	}
}

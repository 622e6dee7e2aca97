package keda

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/millrace/millrace/keda/externalscaler"
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

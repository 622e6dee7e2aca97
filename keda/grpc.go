package keda

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/millrace/millrace/keda/externalscaler"
)

const (
	maxRequest = 64 << 10 // bytes of a request: a ScaledObject's metadata
	maxStreams = 256      // of one client: KEDA has one for each ScaledObject
	endFor     = 3 * time.Second
	// streamFor is how long a stream lasts. After a good end KEDA comes back in 2 s; after an error it takes twice as long as
	// after the one before, up to a minute, until there is a good end (KEDA v2.21).
	streamFor = 5 * time.Minute
)

// An answerer is a Scaler as KEDA asks it.
type answerer struct {
	externalscaler.UnimplementedExternalScalerServer
	*Scaler
}

// Serve answers KEDA on l until ctx ends, and looks at queues and pods meanwhile: so what was asked before is still answered.
func (s *Scaler) Serve(ctx context.Context, l net.Listener) error {
	looking, end := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(looking) })
	defer wg.Wait()
	defer end()
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxRequest), grpc.MaxConcurrentStreams(maxStreams), grpc.ConnectionTimeout(10 * time.Second),
		// a client that is gone without a word must not keep a queue watched
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.ReadBufferSize(4 << 10), grpc.WriteBufferSize(4 << 10),
	}
	if s.cfg.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.cfg.TLS)))
	}
	server := grpc.NewServer(options...)
	externalscaler.RegisterExternalScalerServer(server, answerer{Scaler: s})
	h := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, h)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	h.Shutdown()
	close(s.ending)
	t := time.AfterFunc(endFor, server.Stop)
	defer t.Stop()
	server.GracefulStop()
	if err := <-served; !errors.Is(err, grpc.ErrServerStopped) { // else it was to end before it began
		return err
	}
	return nil
}

// trigger is what a ScaledObject wants to know.
func (a answerer) trigger(ref *externalscaler.ScaledObjectRef) (trigger, *watch, error) {
	t, err := parseTrigger(ref.GetScalerMetadata())
	if err != nil {
		return t, nil, status.Error(codes.InvalidArgument, err.Error())
	}
	t.elsewhere = a.cfg.Pods != nil && ref.GetNamespace() != "" && ref.GetNamespace() != a.cfg.Pods.Namespace()
	w, err := a.find(t)
	if err != nil {
		return t, nil, status.Error(codes.NotFound, err.Error())
	}
	return t, w, nil
}

// work is how much there is; an error where it was never known.
func (a answerer) work(ctx context.Context, ref *externalscaler.ScaledObjectRef) (int, error) {
	t, w, err := a.trigger(ref)
	if err != nil {
		return 0, err
	}
	r, _, err := w.read(ctx)
	if err != nil {
		return 0, status.Error(codes.Unavailable, err.Error())
	}
	return r.work(t), nil
}

// IsActive says whether there is work.
func (a answerer) IsActive(ctx context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.IsActiveResponse, error) {
	n, err := a.work(ctx, ref)
	return &externalscaler.IsActiveResponse{Result: n > 0}, err
}

// StreamIsActive says so at once, and whenever it changes, until it is time for another stream.
func (a answerer) StreamIsActive(ref *externalscaler.ScaledObjectRef, stream grpc.ServerStreamingServer[externalscaler.IsActiveResponse]) error {
	t, w, err := a.trigger(ref)
	if err != nil {
		return err
	}
	defer w.follow()()
	ctx := stream.Context()
	over := time.NewTimer(streamFor)
	defer over.Stop()
	for told := -1; ctx.Err() == nil; {
		r, next, unknown := w.read(ctx)
		now := min(r.work(t), 1)
		if unknown == nil && now != told {
			if err := stream.Send(&externalscaler.IsActiveResponse{Result: now > 0}); err != nil {
				return err
			}
			told = now
		}
		select {
		case <-next:
		case <-a.ending:
			return nil
		case <-over.C:
			return nil
		case <-ctx.Done():
		}
	}
	return status.FromContextError(ctx.Err()).Err()
}

// GetMetricSpec says how many messages make a replica.
func (a answerer) GetMetricSpec(_ context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.GetMetricSpecResponse, error) {
	t, _, err := a.trigger(ref)
	if err != nil {
		return nil, err
	}
	return &externalscaler.GetMetricSpecResponse{MetricSpecs: []*externalscaler.MetricSpec{
		{MetricName: "millrace-" + t.queue, TargetSize: int64(t.target), TargetSizeFloat: float64(t.target)},
	}}, nil
}

// GetMetrics says how many messages there are.
func (a answerer) GetMetrics(ctx context.Context, req *externalscaler.GetMetricsRequest) (*externalscaler.GetMetricsResponse, error) {
	n, err := a.work(ctx, req.GetScaledObjectRef())
	if err != nil {
		return nil, err
	}
	return &externalscaler.GetMetricsResponse{MetricValues: []*externalscaler.MetricValue{
		{MetricName: req.GetMetricName(), MetricValue: int64(n), MetricValueFloat: float64(n)},
	}}, nil
}

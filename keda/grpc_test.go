package keda_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/millrace/millrace/keda"
	"github.com/millrace/millrace/keda/externalscaler"
	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/keda/podstest"
	"github.com/millrace/millrace/worker/queue"
)

// serve answers by gRPC until stop, or the test's end.
func serve(t *testing.T, c keda.Config) (addr string, stop func()) {
	t.Helper()
	c.Every = 20 * time.Millisecond
	s, err := keda.New(c)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-served)
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func dial(t *testing.T, addr string, how credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(how))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func light(metadata ...string) *externalscaler.ScaledObjectRef {
	m := map[string]string{"queue": "light", "scalerAddress": "millrace-scaler:9090"}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	return &externalscaler.ScaledObjectRef{Name: "millrace-light", Namespace: "jobs", ScalerMetadata: m}
}

func queues(b *broker) []keda.Queue { return []keda.Queue{{Name: "light", Count: b.Count}} }

func TestKEDAIsToldHowMuchThereIsAndWhenThatBegins(t *testing.T) {
	b := &broker{}
	addr, stop := serve(t, keda.Config{Queues: queues(b)})
	client := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials()))

	spec, err := client.GetMetricSpec(t.Context(), light("target", "3"))
	require.NoError(t, err)
	require.Len(t, spec.GetMetricSpecs(), 1)
	require.Equal(t, "millrace-light", spec.GetMetricSpecs()[0].GetMetricName())
	require.EqualValues(t, 3, spec.GetMetricSpecs()[0].GetTargetSize())
	require.InDelta(t, 3, spec.GetMetricSpecs()[0].GetTargetSizeFloat(), 0)

	active, err := client.IsActive(t.Context(), light())
	require.NoError(t, err)
	require.False(t, active.GetResult())

	stream, err := client.StreamIsActive(t.Context(), light())
	require.NoError(t, err)
	pushed := func() bool {
		r, err := stream.Recv()
		require.NoError(t, err)
		return r.GetResult()
	}
	require.False(t, pushed(), "how it stands is said at once")
	b.says(queue.Load{Visible: 7}, nil)
	require.True(t, pushed())
	metrics, err := client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: light(), MetricName: "millrace-light"})
	require.NoError(t, err)
	require.Len(t, metrics.GetMetricValues(), 1)
	require.Equal(t, "millrace-light", metrics.GetMetricValues()[0].GetMetricName())
	require.EqualValues(t, 7, metrics.GetMetricValues()[0].GetMetricValue())
	require.InDelta(t, 7, metrics.GetMetricValues()[0].GetMetricValueFloat(), 0)
	b.says(queue.Load{}, errors.New("an outage"))
	b.says(queue.Load{Visible: 1}, nil)
	b.says(queue.Load{}, nil)
	require.False(t, pushed(), "what did not change is not said")

	stop()
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF, "after an error KEDA would take up to a minute to come back")
}

func TestWhatCannotBeAnsweredIsSaidInASentence(t *testing.T) {
	b := &broker{err: errors.New("find queue jobs: no answer")}
	addr, _ := serve(t, keda.Config{Queues: queues(b)})
	client := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials()))
	for _, tt := range []struct {
		name string
		ref  *externalscaler.ScaledObjectRef
		code codes.Code
		text string
	}{
		{"a queue that nobody named", &externalscaler.ScaledObjectRef{ScalerMetadata: map[string]string{"queue": "https://sqs.eu-west-1.amazonaws.com/1/theirs"}}, codes.NotFound, "metadata.queue must be one of light"},
		{"no queue", &externalscaler.ScaledObjectRef{}, codes.NotFound, "metadata.queue must be one of light"},
		{"a key that is misspelt", light("slot", "3"), codes.InvalidArgument, `there is no key "slot"`},
		{"metadata without end", light("queue", strings.Repeat("x", 64<<10)), codes.ResourceExhausted, "larger than max"},
		{"a queue that never answered", light(), codes.Unavailable, "find queue jobs: no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client.IsActive(t.Context(), tt.ref)
			require.Equal(t, tt.code, status.Code(err), "%v", err)
			require.ErrorContains(t, err, tt.text)
			_, err = client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: tt.ref})
			require.Equal(t, tt.code, status.Code(err), "%v", err)
		})
	}
	_, err := client.GetMetricSpec(t.Context(), light())
	require.NoError(t, err, "the target is known whatever the broker does")
	stream, err := client.StreamIsActive(t.Context(), light())
	require.NoError(t, err)
	b.says(queue.Load{Visible: 1}, nil)
	r, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, r.GetResult(), "nothing is pushed of what is not known")
}

func TestBusyPodsKeepTheirReplicasWhenNothingWaits(t *testing.T) {
	cluster := podstest.New(t)
	busy, idle := podstest.NewWorker(t), podstest.NewWorker(t)
	busy.Has(1, time.Minute)
	name := cluster.Add("light", busy)
	cluster.Add("light", idle)
	cluster.Add("gpu", busy)
	w, err := pods.New(pods.Config{API: kubernetes.API{URL: cluster.URL}, Namespace: podstest.Namespace})
	require.NoError(t, err)
	b := &broker{load: queue.Load{InFlight: 30}} // all but one hidden for back-off
	addr, _ := serve(t, keda.Config{Queues: queues(b), Pods: w})
	client := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials()))
	stream, err := client.StreamIsActive(t.Context(), light())
	require.NoError(t, err)
	r, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, r.GetResult())
	cluster.Await(t, func() bool { return cluster.Annotations(name)["millrace/busy"] != "" })
	metrics, err := client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: light(), MetricName: "m"})
	require.NoError(t, err)
	require.EqualValues(t, 5, metrics.GetMetricValues()[0].GetMetricValue())
	busy.Has(0, 0)
	r, err = stream.Recv()
	require.NoError(t, err)
	require.False(t, r.GetResult(), "what only waits for its back-off lets the class go to zero")
	b.says(queue.Load{Visible: 1, InFlight: 29}, nil)
	r, err = stream.Recv()
	require.NoError(t, err)
	require.True(t, r.GetResult(), "and brings it back when it is due")
	b.says(queue.Load{}, nil)
	r, err = stream.Recv()
	require.NoError(t, err)
	require.False(t, r.GetResult())
	b.says(queue.Load{}, errors.New("an outage"))
	busy.Has(1, 0)
	r, err = stream.Recv()
	require.NoError(t, err)
	require.True(t, r.GetResult(), "pods are asked though the broker does not answer")
}

func TestPodsOfAnotherNamespaceAreNotKnown(t *testing.T) {
	cluster := podstest.New(t)
	w, err := pods.New(pods.Config{API: kubernetes.API{URL: cluster.URL}, Namespace: podstest.Namespace})
	require.NoError(t, err)
	addr, _ := serve(t, keda.Config{Queues: queues(&broker{load: queue.Load{InFlight: 3}}), Pods: w})
	client := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials()))
	for namespace, active := range map[string]bool{podstest.Namespace: false, "": false, "media": true} {
		ref := light()
		ref.Namespace = namespace
		r, err := client.IsActive(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, active, r.GetResult(), namespace)
	}
}

func TestWhatWasAskedBeforeTheEndIsAnswered(t *testing.T) {
	asked := make(chan struct{}, 1)
	addr, stop := serve(t, keda.Config{Queues: []keda.Queue{{Name: "light", Count: func(context.Context) (queue.Load, error) {
		select {
		case asked <- struct{}{}:
			time.Sleep(500 * time.Millisecond) // until the end has begun
		default:
		}
		return queue.Load{Visible: 1, Requests: 1}, nil
	}}}})
	client := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials()))
	answered := make(chan error, 1)
	go func() {
		_, err := client.IsActive(t.Context(), light())
		answered <- err
	}()
	<-asked
	stop()
	require.NoError(t, <-answered)
}

func TestAScalerThatEndsAsItBeginsEndsWell(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		s, err := keda.New(keda.Config{Queues: queues(&broker{})})
		require.NoError(t, err)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		code, _ := get(t, s, "/readyz")
		require.Equal(t, http.StatusOK, code)
		require.NoError(t, s.Serve(ended, l))
		code, _ = get(t, s, "/readyz")
		require.Equal(t, http.StatusServiceUnavailable, code)
	}
}

func TestAnAnswerThatDoesNotComeHoldsUpTheEndForSeconds(t *testing.T) {
	asked := make(chan struct{})
	addr, stop := serve(t, keda.Config{Queues: []keda.Queue{{Name: "light", Count: func(ctx context.Context) (queue.Load, error) {
		close(asked)
		<-ctx.Done()
		return queue.Load{}, ctx.Err()
	}}}})
	stream, err := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials())).StreamIsActive(t.Context(), light())
	require.NoError(t, err)
	<-asked
	began := time.Now()
	stop()
	require.Less(t, time.Since(began), 5*time.Second)
	_, err = stream.Recv()
	require.Error(t, err)
}

func TestOneMessageIsWork(t *testing.T) {
	addr, _ := serve(t, keda.Config{Queues: queues(&broker{load: queue.Load{Visible: 1}})})
	active, err := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials())).IsActive(t.Context(), light())
	require.NoError(t, err)
	require.True(t, active.GetResult())
}

func TestAnAPIServerThatHangsDelaysNoAnswer(t *testing.T) {
	cluster := podstest.New(t)
	busy := podstest.NewWorker(t)
	busy.Has(1, time.Minute)
	cluster.Add("light", busy)
	cluster.Refuse("patch", podstest.Hangs)
	w, err := pods.New(pods.Config{API: kubernetes.API{URL: cluster.URL}, Namespace: podstest.Namespace})
	require.NoError(t, err)
	addr, _ := serve(t, keda.Config{Queues: queues(&broker{}), Pods: w})
	client := externalscaler.NewExternalScalerClient(dial(t, addr, insecure.NewCredentials()))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // a mark is given up after 5
	defer cancel()
	active, err := client.IsActive(ctx, light())
	require.NoError(t, err)
	require.True(t, active.GetResult())
	cluster.Await(t, func() bool { return cluster.Requests("patch") == 1 })
}

// pair is a certificate for 127.0.0.1 and for clients, its own authority.
func pair(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestWithMutualTLSOnlyKEDAIsAnswered(t *testing.T) {
	own, authority := pair(t)
	kedas, trusted := pair(t)
	stranger, _ := pair(t)
	addr, _ := serve(t, keda.Config{Queues: queues(&broker{}), TLS: &tls.Config{
		Certificates: []tls.Certificate{own}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	for _, tt := range []struct {
		name string
		how  credentials.TransportCredentials
		code codes.Code
	}{
		{"KEDA, by its certificate", credentials.NewTLS(&tls.Config{RootCAs: authority, Certificates: []tls.Certificate{kedas}}), codes.OK},
		{"somebody with another", credentials.NewTLS(&tls.Config{RootCAs: authority, Certificates: []tls.Certificate{stranger}}), codes.Unavailable},
		{"somebody with none", credentials.NewTLS(&tls.Config{RootCAs: authority}), codes.Unavailable},
		{"somebody in the clear", insecure.NewCredentials(), codes.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := externalscaler.NewExternalScalerClient(dial(t, addr, tt.how)).IsActive(t.Context(), light())
			require.Equal(t, tt.code, status.Code(err), "%v", err)
		})
	}
}

func TestTheHealthServiceIsServed(t *testing.T) {
	addr, _ := serve(t, keda.Config{Queues: queues(&broker{})})
	h, err := grpc_health_v1.NewHealthClient(dial(t, addr, insecure.NewCredentials())).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, h.GetStatus())
}

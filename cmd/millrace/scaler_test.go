//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/millrace/millrace/keda/externalscaler"
	"github.com/millrace/millrace/keda/podstest"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/cosqueue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

// A toll counts requests to a server, over TLS, and may let none pass.
type toll struct {
	url      string
	requests atomic.Int64
	closed   atomic.Bool
}

// newToll returns one that speaks TLS, and the environment that has its certificate believed beside the system's.
func newToll(t *testing.T, to string) (l *toll, env string) {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	l = &toll{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.requests.Add(1)
		if l.closed.Load() {
			http.Error(w, "closed", http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	l.url = s.URL
	certificates, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})...)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, certificates, 0o600))
	return l, "SSL_CERT_FILE=" + file
}

// A scaling is a scaler under way.
type scaling struct {
	t       *testing.T
	process *os.Process
	client  externalscaler.ExternalScalerClient
	http    string // its status address
	log     *bytes.Buffer
	wait    func() error
}

// startScaler starts a scaler, and waits until it is ready.
func startScaler(t *testing.T, env []string, args ...string) *scaling {
	t.Helper()
	free := func() string {
		port, hold, err := servertest.Reserve()
		require.NoError(t, err)
		t.Cleanup(func() { _ = hold.Close() })
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	listen, status := free(), free()
	cmd := exec.Command(binary, append([]string{"scaler", "--listen", listen, "--status", status}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stderr = w
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	s := &scaling{t: t, process: cmd.Process, http: "http://" + status, log: &bytes.Buffer{}, wait: sync.OnceValue(cmd.Wait)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = s.wait()
	})
	lines := bufio.NewReader(r)
	for line := ""; !strings.Contains(line, "scaler ready"); s.log.WriteString(line) {
		line, err = lines.ReadString('\n')
		require.NoError(t, err, "%s%s", s.log, line)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	conn, err := grpc.NewClient(listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	s.client = externalscaler.NewExternalScalerClient(conn)
	return s
}

// ref is a ScaledObject that is scaled by a queue.
func ref(queue string) *externalscaler.ScaledObjectRef {
	return &externalscaler.ScaledObjectRef{Name: queue, Namespace: "jobs", ScalerMetadata: map[string]string{"queue": queue, "slots": "4"}}
}

// follow returns what waits until the scaler has pushed that a queue is active, or not.
func (s *scaling) follow(queue string) func(active bool) {
	s.t.Helper()
	stream, err := s.client.StreamIsActive(s.t.Context(), ref(queue))
	require.NoError(s.t, err)
	return func(active bool) {
		s.t.Helper()
		r, err := stream.Recv()
		require.NoError(s.t, err)
		require.Equal(s.t, active, r.GetResult())
	}
}

// pushes holds the scaler to say soon that a message waits in b, which is empty, and that it is gone.
func (s *scaling) pushes(name string, b queue.Broker) {
	t := s.t
	pushed := s.follow(name)
	pushed(false)
	for range 3 {
		sent := time.Now()
		_, err := b.Send(t.Context(), queue.Draft{Body: []byte("{}")})
		require.NoError(t, err)
		pushed(true)
		took := time.Since(sent)
		t.Logf("%s: pushed after %v", name, took.Round(time.Millisecond))
		require.Less(t, took, 5*time.Second)
		ms, err := b.Receive(t.Context(), 1, time.Second)
		require.NoError(t, err)
		require.Len(t, ms, 1)
		require.NoError(t, b.Ack(t.Context(), []queue.Receipt{ms[0].Receipt})[0])
		pushed(false)
	}
}

// work is what the scaler says of a queue.
func (s *scaling) work(queue string) int64 {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	m, err := s.client.GetMetrics(ctx, &externalscaler.GetMetricsRequest{ScaledObjectRef: ref(queue), MetricName: "m"})
	require.NoError(s.t, err)
	return m.GetMetricValues()[0].GetMetricValue()
}

// comesTo waits until the scaler has seen so much work.
func (s *scaling) comesTo(queue string, want int64) {
	s.t.Helper()
	var got int64
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got = s.work(queue); got == want {
			return
		}
	}
	require.Equal(s.t, want, got)
}

// metrics is what Prometheus reads.
func (s *scaling) metrics() string {
	s.t.Helper()
	resp, err := http.Get(s.http + "/metrics")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return string(b)
}

// metric is a metric of one label, queue, or of state as well.
func (s *scaling) metric(name string) float64 {
	s.t.Helper()
	text := s.metrics()
	m := regexp.MustCompile(regexp.QuoteMeta(name) + ` (\S+)\n`).FindStringSubmatch(text)
	require.NotNil(s.t, m, "%s: %s", name, text)
	v, err := strconv.ParseFloat(m[1], 64)
	require.NoError(s.t, err)
	return v
}

// residentAnon is the memory, in bytes, that is the process's alone.
func (s *scaling) residentAnon() int {
	s.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid))
	require.NoError(s.t, err)
	m := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(s.t, m)
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(s.t, err)
	return n << 10
}

func TestTheScalerPushesSoonAndAsksItsBrokersOnceASecondAtMost(t *testing.T) {
	t.Parallel()
	p := withServers(t)
	cosRef := p.queue
	p.onSQS()
	sqsToll, trusted := newToll(t, servertest.Fauxqs(t))
	cosToll, _ := newToll(t, servertest.Versitygw(t)) // httptest has one certificate
	cluster := podstest.New(t)
	worker := podstest.NewWorker(t)
	s := startScaler(t, append(p.env, trusted, "MILLRACE_SQS_ENDPOINT="+sqsToll.url, "MILLRACE_COS_ENDPOINT="+cosToll.url),
		"--queue", "light="+p.queue+",gpu="+cosRef+",idle="+cosRef+"2", "--kubernetes-api", cluster.URL, "--namespace", podstest.Namespace)
	require.Zero(t, sqsToll.requests.Load()+cosToll.requests.Load(), "nobody has asked yet")

	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(cosRef, "cos://"), "/")
	onCOS, err := cosqueue.Open(t.Context(), cosqueue.Config{
		COS:    sdk.COS{Endpoint: servertest.Versitygw(t), AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey},
		Bucket: bucket, Prefix: prefix,
	})
	require.NoError(t, err)
	onSQS, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: queueName(t), AWS: sdk.AWS{
		Region: "us-east-1", Endpoint: servertest.Fauxqs(t),
		Keys: func(context.Context) (cloud.Keys, error) {
			return cloud.Keys{ID: servertest.AccessKey, Secret: servertest.SecretKey}, nil
		},
	}})
	require.NoError(t, err)

	began := time.Now()
	var wg sync.WaitGroup
	for name, b := range map[string]queue.Broker{"light": onSQS, "gpu": onCOS} {
		wg.Go(func() { s.pushes(name, b) })
	}
	wg.Wait()
	seconds := int64(time.Since(began).Seconds()) + 3 // the first, and finding the queue
	require.LessOrEqual(t, sqsToll.requests.Load(), seconds)
	require.LessOrEqual(t, cosToll.requests.Load(), seconds)
	require.Zero(t, s.metric(`millrace_scaler_requests_total{queue="idle"}`))

	_, err = onCOS.Send(t.Context(), queue.Draft{Body: []byte("{}")})
	require.NoError(t, err)
	_, err = onSQS.Send(t.Context(), queue.Draft{Body: []byte("{}")})
	require.NoError(t, err)
	ms, err := onSQS.Receive(t.Context(), 1, time.Second)
	require.NoError(t, err)
	require.Len(t, ms, 1)
	require.NoError(t, onSQS.Nack(t.Context(), ms[0].Receipt, 10*time.Minute))
	worker.Has(2, time.Minute)
	name := cluster.Add("gpu", worker)
	cluster.Await(t, func() bool { return cluster.Annotations(name)["millrace/busy"] != "" })
	s.comesTo("gpu", 3) // one waits, two run
	for state, n := range map[string]float64{"idle": 0, "busy": 1, "silent": 0} {
		require.InDelta(t, n, s.metric(`millrace_scaler_pods{queue="gpu",state="`+state+`"}`), 0, state)
	}
	s.comesTo("light", 0) // one is hidden for back-off, and no pod has it

	cosToll.closed.Store(true)
	for s.metric(`millrace_scaler_errors_total{queue="gpu"}`) == 0 {
		require.EqualValues(t, 3, s.work("gpu"), "what was known stands")
	}
	require.EqualValues(t, 3, s.work("gpu"))
	require.Positive(t, s.metric(`millrace_scaler_age_seconds{queue="gpu"}`))
	require.InDelta(t, 1, s.metric(`millrace_scaler_watched{queue="gpu"}`), 0)

	page := pageText(t, "docs/scaler.md")
	for _, m := range regexp.MustCompile(`# TYPE (millrace_\w+)`).FindAllStringSubmatch(s.metrics(), -1) {
		require.Contains(t, page, "`"+m[1], "docs/scaler.md lists the metrics")
	}
	for _, m := range regexp.MustCompile(`(?m)^\| .(millrace_\w+)`).FindAllStringSubmatch(page, -1) {
		require.Contains(t, s.metrics(), "# TYPE "+m[1]+" ")
	}

	t.Logf("RssAnon %.1f MiB", float64(s.residentAnon())/(1<<20))
	require.Less(t, s.residentAnon(), 20<<20)
	require.NoError(t, s.process.Signal(syscall.SIGTERM))
	require.NoError(t, s.wait())
}

func TestWhatAScalerCantWorkWithIsRefusedAllAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = []string{"MILLRACE_PODS=openstack"}
	r := p.millrace("scaler", "--queue", "light,gpu=local,a b=sqs:x,c=sqs:x,c=sqs:y,d=cos://b/x", "--listen", "9090", "--every", "100ms",
		"--tls-ca", "ca.pem", "--sqs-endpoint", "localhost")
	require.Equal(t, 2, r.code)
	for _, text := range []string{
		`--queue: "light" is not NAME=QUEUE, like light=sqs:jobs`,
		"gpu=local: the embedded queue is this machine's alone",
		`"a b=sqs:x" is not NAME=QUEUE`,
		"c is named twice",
		`--listen: "9090" is no address to listen on`,
		"--every: must be 1s or more, got 100ms",
		"a certificate needs its key (MILLRACE_TLS_KEY), and --tls-ca a certificate",
		`--sqs-endpoint: "localhost" is not the URL of a server`,
		"MILLRACE_COS_ENDPOINT: is empty",
		`MILLRACE_PODS: "openstack" is none of auto, kubernetes, none`,
	} {
		require.Contains(t, r.stderr, text)
	}
	p.env = nil
	require.Contains(t, p.millrace("scaler").stderr, "no queue is named")
	require.Contains(t, p.millrace("scaler", "--queue", "light=sqs:x", "--pods", "kubernetes").stderr, "--pods: this is no pod of Kubernetes")
	require.Contains(t, p.millrace("scaler", "--queue", "light=sqs:x", "--region", "eu-west-1", "--tls-cert", "nope", "--tls-key", "nope").stderr,
		"read the certificate nope and its key nope (MILLRACE_TLS_CERT, MILLRACE_TLS_KEY): no such file or directory")
}

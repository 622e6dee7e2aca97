//go:build e2e && linux

package e2e_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/millrace/millrace/keda/externalscaler"
)

// forget is longer than a scaler looks at a queue that nobody asks about any more.
const forget = 100 * time.Second

// said is what one scaler answers: by gRPC, as KEDA asks, and by HTTP.
type said struct {
	active       bool
	work, byHTTP int64
}

func everythingOf(t *testing.T, p kubePod, queue string) said {
	t.Helper()
	conn, err := grpc.NewClient(net.JoinHostPort(p.Status.IP, "9090"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	client, ref := externalscaler.NewExternalScalerClient(conn), &externalscaler.ScaledObjectRef{
		Name: "millrace-light", ScalerMetadata: map[string]string{"queue": queue, "target": "1", "slots": "1"},
	}
	active, err := client.IsActive(t.Context(), ref)
	require.NoError(t, err)
	values, err := client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: ref, MetricName: "millrace-" + queue})
	require.NoError(t, err)
	require.Len(t, values.GetMetricValues(), 1)
	return said{active.GetResult(), values.GetMetricValues()[0].GetMetricValue(), int64(ask(t, p, queue).Work)}
}

func TestTwoScalersAnswerTheSame(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	m := newMill(t, "same", plan{
		overlay: "dev", queue: "sqs", pipelines: map[string]string{gated: g.pipeline()}, settings: []string{g.allowed()},
		patches: []object{oneByOne, atMostTwo, oneSlot},
	})
	m.apply()
	m.zero(2*time.Minute, "light")
	asked := 0
	same := func(want int64) {
		t.Helper()
		m.await(30*time.Second, fmt.Sprintf("both scalers to say %d", want), func() bool {
			for _, p := range m.scalers() {
				if everythingOf(t, p, "light").work != want {
					return false
				}
			}
			return len(m.scalers()) == 2
		})
		m.lasts(t.Context(), 4*time.Second, fmt.Sprintf("both scalers say %d", want), func() bool {
			asked++
			for _, p := range m.scalers() {
				if (everythingOf(t, p, "light") != said{want > 0, want, want}) {
					return false
				}
			}
			return true
		})
	}
	same(0)
	ids := m.send(4, gated, nil)
	m.busy(90*time.Second, g, 2, ids)
	same(4) // two run, two wait
	m.await(time.Minute, "all four to be run", func() bool {
		g.release(g.holding()...)
		return len(m.finals(ids)) == 4
	})
	same(0)
	mustHold(t, "two replicas of the scaler answer the same, by gRPC and HTTP", asked >= 15, "%d times, at 0, 4 and 0 messages", asked)
}

func TestAnIdleScalerCostsNothing(t *testing.T) {
	t.Parallel()
	const watching = 30 * time.Second
	m := newMill(t, "idle", plan{
		overlay: "dev", queue: "sqs",
		patches: []object{quick},
	})
	unasked := m.name + "-nobodys"
	m.plan.patches = append(m.plan.patches, alsoWatch(m.refs["light"], unasked))
	count := newCounter(t, m.sqs)
	m.apply()
	m.zero(2*time.Minute, "light")

	before, _ := count.of(m.name + "-light")
	began := time.Now()
	m.lasts(t.Context(), watching, "the scaler is watched", func() bool { return watchedBy(t, m) > 0 })
	after, which := count.of(m.name + "-light")
	rate := float64(after-before) / time.Since(began).Seconds()
	nobodys, _ := count.of(unasked)
	mustHold(t, "an idle queue that KEDA watches: at most one broker request a second", rate <= 1.05*float64(watchedBy(t, m)),
		"%.2f a second of %d scaler (%s)", rate, watchedBy(t, m), which)
	mustHold(t, "none for queues nobody asks about", nobodys == 0, "%d requests since the scaler began", nobodys)

	worst := 0
	for _, p := range m.scalers() {
		worst = max(worst, rssAnon(t, m, p))
	}
	mustHold(t, "scaler RssAnon < 20 MiB", worst < 20<<10, "%.1f MiB", float64(worst)/1024)

	mustKubectl(t, nil, "-n", m.name, "delete", "scaledobject", "--all", "--timeout=30s")
	took := m.await(forget+20*time.Second, "the scalers to forget", func() bool { return watchedBy(t, m) == 0 })
	before, _ = count.of(m.name + "-light")
	m.lasts(t.Context(), 10*time.Second, "nobody watches", func() bool { return watchedBy(t, m) == 0 })
	after, _ = count.of(m.name + "-light")
	mustHold(t, "nobody asks any more: no request", after == before, "%d requests in 10 s, from %.0f s after the ScaledObject went", after-before, took.Seconds())
}

// watchedBy is how many scalers look at the queue of class light for somebody.
func watchedBy(t *testing.T, m *mill) int {
	t.Helper()
	n := 0
	for _, p := range m.scalers() {
		n += int(metrics(t, statusOf(p)+"/metrics")[`millrace_scaler_watched{queue="light"}`])
	}
	return n
}

// alsoWatch tells the scaler of one more queue, which no ScaledObject asks about.
func alsoWatch(light, name string) object {
	return object{
		"target": object{"kind": "Deployment", "labelSelector": "app.kubernetes.io/component=scaler"},
		"patch": fmt.Sprintf("{kind: Deployment, metadata: {name: any}, spec: {template: {spec: {containers: [{name: scaler, env: [{name: MILLRACE_QUEUE, valueFrom: null, value: %q}]}]}}}}",
			"light="+light+",nobodys=sqs:"+name),
	}
}

// rssAnon is the memory of its own that a pod's program has, in KiB.
func rssAnon(t *testing.T, m *mill, p kubePod) int {
	t.Helper()
	status := mustKubectl(t, nil, "-n", m.name, "exec", p.Meta.Name, "--", "cat", "/proc/1/status")
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(t, err)
			return n
		}
	}
	t.Fatal("the kernel does not say")
	return 0
}

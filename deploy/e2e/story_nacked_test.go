//go:build e2e && linux

package e2e_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// nackedFor is for how long a message is handed back: 90 s, or what MILLRACE_E2E_NACK says, such as 10m.
func nackedFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("MILLRACE_E2E_NACK")
	if text == "" {
		return 90 * time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, "MILLRACE_E2E_NACK")
	require.GreaterOrEqual(t, d, 90*time.Second, "MILLRACE_E2E_NACK: the class must have the time to go to zero")
	return d
}

// soon has KEDA ask every 5 s and stop after 5 s without work.
var soon = object{"target": object{"kind": "ScaledObject"}, "patch": operations(
	`{op: replace, path: /spec/pollingInterval, value: 5}`,
	`{op: replace, path: /spec/cooldownPeriod, value: 5}`,
)}

// A nacked is a mill whose worker hands its message back for long.
type nacked struct {
	*mill
	gate   *gate
	class  string
	id     string
	back   time.Time     // when the worker was told to
	least  int           // pods since then, until it is due
	zeroAt time.Duration // after back: when there was no pod
	woken  time.Duration // after back: when there was one again
}

// newNacked makes ours, of class gpu, and KEDA's own trigger beside it, both idle.
func newNacked(t *testing.T) (ours, own *nacked) {
	t.Helper()
	g := newGate(t)
	ours = &nacked{gate: g, class: "gpu", mill: newMill(t, "nacked", plan{
		overlay: "kubernetes", queue: "sqs", elastic: true, gpu: true, pipelines: map[string]string{gated: g.pipeline()},
		settings: []string{g.allowed(), noGPU}, patches: []object{soon},
	})}
	ours.apply()
	g = newGate(t)
	own = &nacked{gate: g, class: "light", mill: newMill(t, "nacked-keda", plan{
		overlay: "kubernetes", queue: "sqs", elastic: true, components: []string{"sqs-trigger"}, pipelines: map[string]string{gated: g.pipeline()},
		settings: []string{g.allowed()},
	})}
	own.plan.patches = []object{soon, own.kedasOwn()}
	own.create()
	for _, n := range []*nacked{ours, own} {
		n.zero(2*time.Minute, n.class)
	}
	return ours, own
}

// KEDA's own trigger takes a message that waits out its delay for one that runs; our scaler knows what runs.
func TestAMessageHandedBackForLongLetsItsClassGoToZero(t *testing.T) {
	t.Parallel()
	delay := nackedFor(t)
	earliest, latest := delay-delay/10, delay+delay/10 // the worker does not have all come back at once
	bareNode(t)
	gpus(t, "1")
	nodeLabels(t, hasGPU)
	ours, own := newNacked(t)
	both := []*nacked{ours, own}
	for _, n := range both {
		n.gate.sendAway(delay)
		n.id = n.sendTo(n.class, 1, gated, nil)[0]
	}
	for _, n := range both {
		n.await(time.Minute, "the worker to be told to come back later", func() bool { return n.gate.times() == 1 })
		n.back, n.least = time.Now(), 1
		n.gate.sendAway(0)
	}
	ours.await(latest+30*time.Second, "the job to begin again", func() bool {
		for _, n := range both {
			n.look()
		}
		return len(ours.gate.holding()) == 1
	})
	took := time.Since(ours.back)
	ours.gate.release(ours.gate.holding()...)
	ours.await(time.Minute, "its record", func() bool { return len(ours.finals([]string{ours.id})) == 1 })
	r := ours.finals([]string{ours.id})[0]
	require.Equal(t, record.Succeeded, r.Status)
	require.Len(t, r.Attempts, 2)
	mustHold(t, fmt.Sprintf("a message nacked for %v lets class gpu go to 0 and come back", delay), ours.least == 0 && ours.woken >= earliest,
		"0 pods after %.0f s, a pod again after %.0f s, the job begun again after %.0f s; KEDA's own trigger beside it kept %d pod or more",
		ours.zeroAt.Seconds(), ours.woken.Seconds(), took.Seconds(), own.least)
	require.Equal(t, 1, own.least, "KEDA's own trigger can tell it apart by now: docs/deploy.md says that it can't")
}

// look counts the pods of the class.
func (n *nacked) look() {
	n.t.Helper()
	pods := len(n.pods(n.class))
	if pods == 0 && n.zeroAt == 0 {
		n.zeroAt = time.Since(n.back)
	}
	if pods > 0 && n.zeroAt > 0 && n.woken == 0 {
		n.woken = time.Since(n.back)
	}
	n.least = min(n.least, pods)
}

// kedasOwn has KEDA's own trigger ask the emulator for class light.
func (m *mill) kedasOwn() object {
	return scaledObjects(
		fmt.Sprintf(`{op: replace, path: /spec/triggers/0/metadata/queueURL, value: %q}`, m.urls["light"]),
		`{op: replace, path: /spec/triggers/0/metadata/awsRegion, value: us-east-1}`,
		fmt.Sprintf(`{op: add, path: /spec/triggers/0/metadata/awsEndpoint, value: %q}`, m.sqs.url()))
}

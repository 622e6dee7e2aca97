//go:build e2e && linux

package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// quick lets a class go soon after its last work, so that stories are short. All else is as it ships.
var quick = scaledObjects(`{op: replace, path: /spec/cooldownPeriod, value: 5}`)

// A message wakes a class that has no pod: by push well before KEDA would ask again.
func TestAMessageStartsAJobInAPodThatDidNotExist(t *testing.T) {
	const limit, tries = 5 * time.Second, 4
	for _, queue := range []string{"sqs", "cos"} {
		t.Run(queue, func(t *testing.T) {
			m := newMill(t, "push-"+queue, plan{overlay: "kubernetes", queue: queue}) // KEDA asks every 30 s
			m.apply()
			var all []string
			longest := time.Duration(0)
			for range tries {
				mustKubectl(t, nil, "-n", m.name, "scale", "deployment/millrace-light", "--replicas=0") // sooner than the cooldown does
				m.idle(time.Minute)
				took, _ := m.started(time.Minute, m.send(1, "hello", nil)[0])
				all, longest = append(all, fmt.Sprintf("%.1f", took.Seconds())), max(longest, took)
			}
			mustHold(t, "message → job started in a pod that did not exist, "+queue+", pushed: ≤ 5 s", longest <= limit, "%s s", strings.Join(all, ", "))
		})
	}
}

// KEDA's own trigger, beside ours: it is not pushed, and waits for the next poll.
func TestKEDAsOwnTriggerWakesAClassToo(t *testing.T) {
	t.Parallel()
	m := newMill(t, "own-trigger", plan{overlay: "kubernetes", queue: "sqs", components: []string{"sqs-trigger"}, patches: []object{quick}})
	m.plan.patches = append(m.plan.patches, scaledObjects(
		fmt.Sprintf(`{op: replace, path: /spec/triggers/0/metadata/queueURL, value: %q}`, m.urls["light"]),
		`{op: replace, path: /spec/triggers/0/metadata/awsRegion, value: us-east-1}`,
		fmt.Sprintf(`{op: add, path: /spec/triggers/0/metadata/awsEndpoint, value: %q}`, m.sqs.url())))
	m.apply()
	m.idle(2 * time.Minute)
	took, _ := m.started(time.Minute, m.send(1, "hello", nil)[0])
	figure("message → job started in a pod that did not exist, KEDA's own trigger for SQS, which polls every 30 s and had 20 s before", "%.1f s", took.Seconds())
	m.idle(2 * time.Minute)
}

func TestThirtyMessagesRaisePodsByTheAutoscalerAndLeaveNone(t *testing.T) {
	t.Parallel()
	m := newMill(t, "thirty", plan{overlay: "dev", queue: "cos", pipelines: map[string]string{"sleeper": naps}})
	m.apply()
	m.idle(2 * time.Minute)
	pods := m.attend("light")
	began := time.Now()
	ids := m.send(30, "sleeper", object{"seconds": 40})
	m.await(5*time.Minute, "30 final records", func() bool { return len(m.finals(ids)) == 30 })
	ran := time.Since(began)
	m.idle(2 * time.Minute)
	most, _ := pods.counts(t)
	n := m.count(ids, 40*eachSecond)
	mustHold(t, "30 messages → N pods by HPA → 0", most > 1 && most <= 6 && n.succeeded == 30,
		"%d pods at most, 30 jobs of 40 s in %.0f s, the last pod gone %.0f s after the last job", most, ran.Seconds(), (time.Since(began) - ran).Seconds())
}

func TestLoadThatIsScaledAndRolledLosesNothing(t *testing.T) {
	t.Parallel()
	const jobs, seconds = 60, 20
	m := newMill(t, "load", plan{
		overlay: "kubernetes", queue: "sqs", pipelines: map[string]string{"sleeper": naps},
		patches: append(slots(2), quick, scaledObjects(`{op: replace, path: /spec/maxReplicaCount, value: 5}`)),
	})
	m.apply()
	m.idle(2 * time.Minute)
	pods := m.attend("light")
	began := time.Now()
	ids := m.send(jobs, "sleeper", object{"seconds": seconds})
	over := func(n int) func() bool { return func() bool { return len(m.finals(ids)) >= n } }
	m.await(5*time.Minute, "half of the final records", over(jobs/2))
	mustKubectl(t, nil, "-n", m.name, "rollout", "restart", "deployment/millrace-light")
	m.await(6*time.Minute, "60 final records", over(jobs))
	ran := time.Since(began)
	m.await(time.Minute, "an empty queue", func() bool { return m.settled("light") })
	_, stopped := pods.counts(t)
	m.idle(3 * time.Minute)
	most, _ := pods.counts(t)
	n := m.count(ids, seconds*eachSecond)
	figure("60 jobs of 20 s while KEDA scales and a rolling update happens", "%.0f s, %d pods at most, %d stopped before the last job's end", ran.Seconds(), most, stopped)
	mustHold(t, "KEDA scales 0→5→0", most == 5, "%d pods at most, then none", most)
	mustHold(t, "60 final records, one each", n.finals == jobs && n.succeeded == jobs, "%d finals, %d succeeded", n.finals, n.succeeded)
	mustHold(t, "no partial object under a final key", n.partial == 0, "%d", n.partial)
	mustHold(t, "interrupted runs ≤ pods killed", n.interrupted <= stopped && n.died == 0, "%d interrupted, %d died, %d pods stopped", n.interrupted, n.died, stopped)
	mustHold(t, "failure budget untouched", n.failed == 0, "%d attempts that count", n.failed)
	mustHold(t, "0 runs lost", m.settled("light"), "an empty queue, nothing given up")
}

// slots gives a pod of class light n jobs at once, and a pod for every n messages.
func slots(n int) []object {
	return []object{
		scaledObjects(
			fmt.Sprintf(`{op: replace, path: /spec/triggers/0/metadata/slots, value: "%d"}`, n),
			fmt.Sprintf(`{op: replace, path: /spec/triggers/0/metadata/target, value: "%d"}`, n)),
		workers(fmt.Sprintf(`env: [{name: MILLRACE_SLOTS, value: "%d"}]`, n)),
	}
}

// workers patches the container of class light.
func workers(container string) object {
	return object{
		"target": object{"kind": "Deployment", "labelSelector": "millrace/class=light"},
		"patch":  "kind: any\nmetadata: {name: any}\nspec: {template: {spec: {containers: [{name: worker, " + container + "}]}}}\n",
	}
}

// faster lets the autoscaler add what is missing at once.
var faster = scaledObjects(`{op: replace, path: /spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleUp/policies, value: [{type: Pods, value: 10, periodSeconds: 15}]}`)

// Three jobs that may be tried once are interrupted twice each, by a rolling update and by a drop to zero, with less grace
// than they need.
func TestPodsThatAreStoppedWithTooLittleGraceHandTheirJobsBack(t *testing.T) {
	t.Parallel()
	const jobs, seconds = 3, 40
	m := newMill(t, "stopped", plan{ // the grace is 15 s there
		overlay: "dev", queue: "cos", pipelines: map[string]string{"sleeper": naps}, patches: append(slots(1), faster),
	})
	m.apply()
	m.idle(2 * time.Minute)
	pods := m.attend("light")
	ids := make([]string, jobs)
	for i := range ids {
		ids[i] = m.post("light", object{"pipeline": "sleeper", "state": object{"seconds": seconds}, "max_attempts": 1})
	}
	m.await(2*time.Minute, "all jobs in their first attempt", func() bool { return m.running(ids, 1) })
	mustKubectl(t, nil, "-n", m.name, "rollout", "restart", "deployment/millrace-light")
	m.await(3*time.Minute, "all jobs in their second attempt", func() bool { return m.running(ids, 2) })
	mustKubectl(t, nil, "-n", m.name, "scale", "deployment/millrace-light", "--replicas=0")
	m.await(3*time.Minute, "final records", func() bool { return len(m.finals(ids)) == jobs })
	n := m.count(ids, seconds*eachSecond)
	_, stopped := pods.counts(t)
	mustHold(t, "rolling update, then N→0, with a grace too short: all jobs resumed, one final each, no truncated output",
		n.finals == jobs && n.succeeded == jobs && n.partial == 0, "%d finals, %d succeeded, %d partial objects", n.finals, n.succeeded, n.partial)
	mustHold(t, "jobs with one attempt outlive it: interrupted runs ≤ pods killed, failure budget untouched",
		n.interrupted >= jobs && n.interrupted <= stopped && n.failed == 0 && n.died == 0,
		"%d interrupted, %d pods stopped, %d failed, %d died", n.interrupted, stopped, n.failed, n.died)
	m.await(time.Minute, "an empty queue", func() bool { return m.settled("light") })
}

// running says whether every job is in an attempt of this number, or a later one, or over.
func (m *mill) running(ids []string, attempt int) bool {
	m.t.Helper()
	n := 0
	for _, r := range m.records(ids) {
		if r.Status.Final() || r.Tried() > attempt || (r.Tried() == attempt && r.Status == record.Running) {
			n++
		}
	}
	return n == len(ids)
}

// A node is drained while two pods have jobs that fit into their grace: one goes after the other, and both finish.
func TestANodeThatIsDrainedLetsJobsFinish(t *testing.T) {
	const jobs, seconds = 2, 20
	m := newMill(t, "drained", plan{
		overlay: "kubernetes", queue: "sqs", pipelines: map[string]string{"sleeper": naps},
		patches: append(slots(1), faster, scaledObjects(`{op: replace, path: /spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleUp/stabilizationWindowSeconds, value: 0}`)),
	})
	m.apply()
	m.idle(2 * time.Minute)
	pods := m.attend("light")
	ids := m.send(jobs, "sleeper", object{"seconds": seconds})
	m.await(time.Minute, "both jobs to run", func() bool { return m.running(ids, 1) })
	t.Cleanup(func() {
		_, err := afterwards(t, "uncordon", "localhost")
		require.NoError(t, err)
	})
	drained := make(chan error, 1)
	go func() {
		_, err := kubectl(t, nil, "drain", "localhost", "--pod-selector=app.kubernetes.io/name=millrace,millrace/class=light", "--delete-emptydir-data", "--timeout=85s")
		drained <- err
	}()
	m.await(time.Minute, "the node to be cordoned, and a pod to go", func() bool {
		_, stopped := pods.counts(t)
		return stopped > 0
	})
	mustKubectl(t, nil, "uncordon", "localhost") // the node is the only one: what comes back goes there
	m.await(2*time.Minute, "both final records", func() bool { return len(m.finals(ids)) == jobs })
	require.NoError(t, <-drained)
	n := m.count(ids, seconds*eachSecond)
	_, stopped := pods.counts(t)
	mustHold(t, "a drained node lets jobs finish that fit into their grace", n.succeeded == jobs && n.interrupted+n.failed+n.died == 0 && n.partial == 0,
		"%d succeeded, %d interrupted, %d pods stopped", n.succeeded, n.interrupted, stopped)
}

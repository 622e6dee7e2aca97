//go:build e2e && linux

package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// oneByOne has a pod for each message, as many at once as there are, and lets the autoscaler take them away at once.
var oneByOne = scaledObjects(
	`{op: replace, path: /spec/triggers/0/metadata/slots, value: "1"}`,
	`{op: replace, path: /spec/triggers/0/metadata/target, value: "1"}`,
	`{op: replace, path: /spec/cooldownPeriod, value: 5}`,
	`{op: replace, path: /spec/advanced/horizontalPodAutoscalerConfig/behavior, value: {`+
		`scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 10, periodSeconds: 1}]}, `+
		`scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Percent, value: 100, periodSeconds: 1}]}}}`,
)

// atMostTwo is for stories in which messages wait while two pods are busy.
var atMostTwo = scaledObjects(`{op: replace, path: /spec/maxReplicaCount, value: 2}`)

// oneSlot has the workers take one message at a time.
var oneSlot = object{
	"target": object{"kind": "Deployment", "labelSelector": "millrace/class=light"},
	"patch":  "{kind: Deployment, metadata: {name: any}, spec: {template: {spec: {containers: [{name: worker, env: [{name: MILLRACE_SLOTS, value: '1'}]}]}}}}",
}

// A scaleIn is a mill of five pods with the gate that keeps them busy.
type scaleIn struct {
	*mill
	gate *gate
	ids  []string // of the jobs of this try
	stay []string // the addresses of the pods that keep their job
}

// newScaleIn has its queue in a bucket: fauxqs hands messages to the long polls of pods that have just gone.
func newScaleIn(t *testing.T, name string) *scaleIn {
	t.Helper()
	g := newGate(t)
	return &scaleIn{gate: g, mill: newMill(t, name, plan{
		overlay: "dev", queue: "cos", pipelines: map[string]string{gated: g.pipeline()}, settings: []string{g.allowed()},
		patches: []object{oneByOne, oneSlot},
	})}
}

// Which pods go is for the ReplicaSet to choose: it takes those first that cost least, then the youngest. So the young are
// those that stay busy here.
func TestBusyPodsSurviveAScaleIn(t *testing.T) {
	t.Parallel()
	const (
		pods, busy, tries = 5, 2, 10
		busyFor           = 10 * time.Second
	)
	sides := []*scaleIn{newScaleIn(t, "scale-in-a"), newScaleIn(t, "scale-in-b")} // two at a time: most of it is waiting
	for _, s := range sides {
		s.apply()
	}
	for _, s := range sides {
		s.zero(2*time.Minute, "light")
	}
	survived, took := 0, []time.Duration{}
	for range tries / len(sides) {
		for _, s := range sides {
			s.ids = s.send(pods, gated, nil)
		}
		for _, s := range sides {
			s.busy(90*time.Second, s.gate, pods, s.ids)
		}
		sides[0].lasts(t.Context(), busyFor, "all pods are busy", func() bool {
			return !slices.ContainsFunc(sides, func(s *scaleIn) bool { return len(s.gate.holding()) != pods })
		})
		for _, s := range sides {
			s.choose(busy)
		}
		for _, s := range sides {
			took = append(took, s.await(time.Minute, "five pods to be two", func() bool { return len(s.pods("light")) <= busy }))
			if s.survivors() == busy {
				survived++
			}
		}
		for _, s := range sides {
			s.gate.release(s.stay...)
		}
		for _, s := range sides {
			s.await(time.Minute, "all jobs to end", func() bool { return len(s.finals(s.ids)) == pods })
			for _, r := range s.finals(s.ids) {
				require.Equal(t, record.Succeeded, r.Status)
				require.Len(t, r.Attempts, 1, "nobody took the job of a pod from it")
			}
		}
	}
	slices.Sort(took)
	mustHold(t, fmt.Sprintf("scale-in from %d to %d with %d pods busy for %v or more: the busy ones survive", pods, busy, busy, busyFor),
		survived == tries, "%d of %d tries; two pods were left after %.0f to %.0f s", survived, tries, took[0].Seconds(), took[len(took)-1].Seconds())
}

// choose lets the jobs of the oldest pods go, all but n.
func (s *scaleIn) choose(n int) {
	s.t.Helper()
	all := s.pods("light")
	slices.SortFunc(all, func(a, b kubePod) int { return a.Meta.Created.Compare(b.Meta.Created) })
	require.Len(s.t, all, len(s.ids))
	s.stay = nil
	for i, p := range all {
		if i < len(all)-n {
			s.gate.release(p.Status.IP)
		} else {
			s.stay = append(s.stay, p.Status.IP)
		}
	}
}

// survivors counts the pods that are left, neither ended nor ending, and whose job is still held.
func (s *scaleIn) survivors() int {
	s.t.Helper()
	s.await(time.Minute, "the others to be gone", func() bool { return len(s.allPods("millrace/class=light")) <= len(s.stay) })
	n := 0
	for _, p := range s.pods("light") {
		if slices.Contains(s.stay, p.Status.IP) && slices.Contains(s.gate.holding(), p.Status.IP) {
			n++
		}
	}
	return n
}

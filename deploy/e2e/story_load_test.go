//go:build e2e && linux

package e2e_test

import (
	"testing"
	"time"
)

// A message wakes a class that has no pod: by push well before KEDA would ask again.
func TestAMessageStartsAJobInAPodThatDidNotExist(t *testing.T) {
	const tries = 2
	for _, queue := range []string{"sqs", "cos"} {
		t.Run(queue, func(t *testing.T) {
			m := newMill(t, "push-"+queue, plan{
				overlay: "kubernetes", queue: queue, // KEDA asks every 30 s
				patches: []object{scaledObjects(`[{op: replace, path: /spec/cooldownPeriod, value: 5}]`)},
			})
			m.apply()
			for range tries {
				m.idle(2 * time.Minute)
				took := m.started(time.Minute, m.send(1, "hello", nil)[0])
				mustHold(t, "message → job started in a pod that did not exist, pushed ("+queue+"): ≤ 5 s", took <= 5*time.Second, "%.1f s", took.Seconds())
			}
		})
	}
}

//go:build e2e && linux

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// send puts n messages into the queue of class light; state may be nil. It returns the jobs' IDs.
func (m *mill) send(n int, pipeline string, state map[string]any) []string {
	m.t.Helper()
	return m.sendTo("light", n, pipeline, state)
}

func (m *mill) sendTo(class string, n int, pipeline string, state map[string]any) []string {
	m.t.Helper()
	message := object{"pipeline": pipeline}
	if state != nil {
		message["state"] = state
	}
	ids := make([]string, n)
	for i := range ids {
		ids[i] = m.post(class, message)
	}
	return ids
}

// post sends a message of any content, and gives it an ID.
func (m *mill) post(class string, message object) (id string) {
	m.t.Helper()
	id = fmt.Sprintf("%s-%03d", m.name, len(m.sent))
	message = maps.Clone(message)
	message["id"] = id
	body, err := json.Marshal(message)
	require.NoError(m.t, err)
	m.sent[id] = time.Now()
	_, err = m.queues[class].Send(m.t.Context(), queue.Draft{Body: body})
	require.NoError(m.t, err)
	return id
}

// finals returns the records of those jobs that are over.
func (m *mill) finals(ids []string) []*record.Record {
	var over []*record.Record
	for _, r := range m.records(ids) {
		if r.Status.Final() {
			over = append(over, r)
		}
	}
	return over
}

// records returns the jobs as they stand, those that anybody has begun.
func (m *mill) records(ids []string) []*record.Record {
	m.t.Helper()
	var found []*record.Record
	for _, id := range ids {
		if r := m.over[id]; r != nil {
			found = append(found, r)
			continue
		}
		r, err := m.book.Load(m.t.Context(), id)
		if errors.Is(err, record.ErrNotFound) {
			continue
		}
		require.NoError(m.t, err)
		found = append(found, r)
		if r.Status.Final() {
			m.over[id] = r
		}
	}
	return found
}

// started waits for a job's first attempt, and returns how long after its sending that began, and in which pod.
func (m *mill) started(limit time.Duration, id string) (after time.Duration, pod string) {
	m.t.Helper()
	m.await(limit, "job "+id+" to begin", func() bool {
		for _, r := range m.records([]string{id}) {
			after, pod = r.Started.Sub(m.sent[id]), r.PodName
		}
		return pod != ""
	})
	return after, pod
}

// pods returns those of a class that are not ending.
func (m *mill) pods(class string) []kubePod {
	m.t.Helper()
	var alive []kubePod
	for _, p := range m.allPods("millrace/class=" + class) {
		if p.alive() {
			alive = append(alive, p)
		}
	}
	return alive
}

func (m *mill) allPods(labels string) []kubePod {
	m.t.Helper()
	all, err := listPods(m.t.Context(), m.name, labels)
	require.NoError(m.t, err)
	return all
}

// idle waits until no pod of a class is left, ending ones neither, and nobody waits for its messages: fauxqs does not see
// that a connection was closed, and gives what comes within the 20 s of a long poll to a pod that is gone.
func (m *mill) idle(limit time.Duration, classes ...string) {
	m.t.Helper()
	if len(classes) == 0 {
		classes = []string{"light"}
	}
	for _, class := range classes {
		m.await(limit, "class "+class+" to be idle", func() bool { return len(m.allPods("millrace/class="+class)) == 0 })
	}
	if m.plan.queue == "sqs" && !m.plan.elastic {
		time.Sleep(20 * time.Second)
	}
}

// await looks ten times a second until a condition holds, and says how long that took. After limit the test fails.
func (m *mill) await(limit time.Duration, what string, holds func() bool) time.Duration {
	m.t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > limit {
			m.t.Fatalf("waited %s in vain for %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(began)
}

// picture is what there is in the namespace, for whoever reads why a story failed.
func (m *mill) picture() string {
	var text strings.Builder
	for _, args := range [][]string{
		{"get", "pods,deployments,scaledobjects,hpa", "-o", "wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "-l", "app.kubernetes.io/component=scaler", "--tail=20", "--prefix"},
		{"logs", "-l", "app.kubernetes.io/component=worker", "--tail=20", "--prefix"},
	} {
		out, err := afterwards(m.t, append([]string{"-n", m.name}, args...)...)
		fmt.Fprintf(&text, "--- kubectl %s\n%s", strings.Join(args, " "), last(out, 6000))
		if err != nil {
			fmt.Fprintln(&text, err)
		}
	}
	for class, q := range m.queues {
		d, err := q.Depth(context.WithoutCancel(m.t.Context()))
		fmt.Fprintf(&text, "--- queue %s: %+v %v\n", class, d, err)
	}
	return text.String()
}

// mustHold prints a promise, whether it holds and what was measured; the test fails where it does not.
func mustHold(t *testing.T, promise string, holds bool, measured string, args ...any) {
	t.Helper()
	verdict := "holds"
	if !holds {
		verdict = "DOES NOT HOLD"
	}
	fmt.Printf("MUST HOLD: %s: %s: measured %s\n", promise, verdict, fmt.Sprintf(measured, args...))
	require.True(t, holds, promise)
}

// figure prints what was measured beside a promise.
func figure(what, measured string, args ...any) {
	fmt.Printf("figure: %s: %s\n", what, fmt.Sprintf(measured, args...))
}

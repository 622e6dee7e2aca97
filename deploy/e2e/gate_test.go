//go:build e2e && linux

package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// A gate keeps jobs busy: those of its pipeline ask it, and go on when it answers. By the address that a job asks from, a
// story knows its pod.
type gate struct {
	port string

	mu    sync.Mutex
	held  map[string]chan struct{} // guarded by mu; by the pod's address: closed to let the job go
	later time.Duration            // guarded by mu: jobs are told to come back after so long, and not held
	asked int                      // guarded by mu: how many times
}

// gated is the pipeline that asks the gate.
const gated = "gated"

// newGate starts one that holds whoever asks.
func newGate(t *testing.T) *gate {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", gateway+":0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	g := &gate{port: port, held: map[string]chan struct{}{}}
	server := &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close() // what it holds goes with the pods
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return g
}

// pipeline is what a plan needs under the name gated.
func (g *gate) pipeline() string {
	return fmt.Sprintf("name: gated\ntasks:\n  - {module: Http, props: {url: \"http://%s:%s/\", timeout: 30m}}\n", gateway, g.port)
}

// allowed is the setting that lets jobs reach the gate, whose address is a private one.
func (g *gate) allowed() string { return "MILLRACE_ALLOW_HOSTS=" + gateway }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pod, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	g.mu.Lock()
	g.asked++
	later, open := g.later, make(chan struct{})
	if later == 0 {
		g.held[pod] = open
	}
	g.mu.Unlock()
	if later > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(later.Seconds())))
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // a job waits a minute for the beginning of an answer, and 30 for its end
	select {
	case <-open:
	case <-r.Context().Done(): // its pod is gone
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held[pod] == open {
		delete(g.held, pod)
	}
}

// sendAway has jobs be told from now on to come back after d; 0 is to hold them.
func (g *gate) sendAway(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.later = d
}

func (g *gate) times() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// holding are the addresses of pods whose job is held.
func (g *gate) holding() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.held))
}

// release lets the jobs of these pods go.
func (g *gate) release(pods ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, pod := range pods {
		if open := g.held[pod]; open != nil {
			delete(g.held, pod)
			close(open)
		}
	}
}

// zero waits until KEDA has put a class to zero: a Deployment that is new has one pod at first, which would take a message. None
// waits for one then.
func (m *mill) zero(limit time.Duration, class string) {
	m.t.Helper()
	m.await(limit, "KEDA to put class "+class+" to zero", func() bool {
		return mustKubectl(m.t, nil, "-n", m.name, "get", "deployment", "millrace-"+class, "-o", "jsonpath={.spec.replicas}") == "0" &&
			len(m.allPods("millrace/class="+class)) == 0
	})
	m.idle(limit, class)
}

// busy waits until n jobs are held. One that is over by then has failed.
func (m *mill) busy(limit time.Duration, g *gate, n int, ids []string) {
	m.t.Helper()
	began := time.Now()
	m.await(limit, fmt.Sprintf("%d busy pods", n), func() bool {
		for _, r := range m.finals(ids) {
			require.Equal(m.t, record.Succeeded, r.Status, r.Message)
		}
		if time.Since(began) > limit {
			for _, r := range m.records(ids) {
				m.t.Logf("job %s: %s %s, attempts %+v", r.ID, r.Status, r.Message, r.Attempts)
			}
		}
		return len(g.holding()) == n
	})
}

// lasts waits d for what must not happen; it says so as soon as it does.
func (m *mill) lasts(ctx context.Context, d time.Duration, what string, holds func() bool) {
	m.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		require.NoError(m.t, ctx.Err())
		if !holds() {
			m.t.Fatalf("it did not last that %s\n%s", what, m.picture())
		}
	}
}

//go:build e2e && linux

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	front "github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/record"
)

// A sender posts jobs to the gateway's Service.
type sender struct {
	url, secret string
	client      *http.Client

	mu      sync.Mutex
	taken   []string      // guarded by mu: jobs that were answered by 202
	refused []string      // guarded by mu: answers that are none, and connections that broke
	slowest time.Duration // guarded by mu
}

// post sends one job of the pipeline hello. The transport itself sends it again, by its key, where a connection ends that was idle.
func (s *sender) post(ctx context.Context, id string) {
	body := fmt.Sprintf(`{"pipeline": "hello", "id": %q}`, id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/jobs", strings.NewReader(body))
	if err != nil {
		s.note(id, err.Error(), 0)
		return
	}
	req.Header.Set("Authorization", "Bearer "+s.secret)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", id)
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		s.note(id, err.Error(), 0)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		s.note(id, fmt.Sprintf("%s: %s %v", resp.Status, text, err), 0)
		return
	}
	var answer struct{ Jobs []struct{ ID string } }
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Jobs) != 1 {
		s.note(id, fmt.Sprintf("%s is no answer: %v", text, err), 0)
		return
	}
	s.note(answer.Jobs[0].ID, "", time.Since(began))
}

func (s *sender) note(id, wrong string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wrong != "" {
		s.refused = append(s.refused, id+": "+wrong)
		return
	}
	s.taken, s.slowest = append(s.taken, id), max(s.slowest, took)
}

// keep sends jobs, a few each second over several connections, until ctx ends; those that were begun by then go on.
func (s *sender) keep(ctx context.Context, prefix string) {
	const connections, pause = 4, 400 * time.Millisecond
	var all sync.WaitGroup
	for c := range connections {
		all.Go(func() {
			again := time.NewTicker(pause)
			defer again.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-again.C:
					s.post(context.WithoutCancel(ctx), fmt.Sprintf("%s-%d-%d", prefix, c, n))
				}
			}
		})
	}
	all.Wait()
}

// withGateway is a plan with the gateway, and the secret of a key that may send.
func withGateway() (p plan, secret string) {
	secret, hash := front.NewSecret()
	row, err := front.Row{Name: "story", Hash: hash, Scopes: []front.Scope{front.Submit}}.Text()
	if err != nil {
		panic(err)
	}
	keys, err := json.Marshal(object{
		"apiVersion": "v1", "kind": "Secret", "metadata": object{"name": "millrace-keys"},
		"stringData": object{"keys.yaml": "keys:\n" + row},
	})
	if err != nil {
		panic(err)
	}
	return plan{
		overlay: "kubernetes", queue: "sqs", components: []string{"gateway", "gateway-ingress"}, resources: []string{string(keys)},
	}, secret
}

func TestTheGatewayIsRolledAndLosesNoJob(t *testing.T) {
	t.Parallel()
	p, secret := withGateway()
	m := newMill(t, "gateway", p)
	m.apply()
	rolled := func() {
		_, err := kubectl(t, nil, "-n", m.name, "rollout", "status", "deployment/millrace-gateway", "--timeout=80s")
		require.NoError(t, err, "the gateway is not ready")
	}
	rolled()
	m.zero(2*time.Minute, "light")
	s := &sender{url: serviceDoor(t, m.name, "millrace-gateway", 8080).url(), secret: secret, client: &http.Client{Timeout: 30 * time.Second}}

	s.post(t.Context(), "first")
	require.Empty(t, s.refused)
	took := m.await(time.Minute, "the job that was posted", func() bool { return len(m.finals(s.taken)) == 1 })
	mustHold(t, "a job that is posted to the gateway's Service wakes a worker, which runs it", m.finals(s.taken)[0].Status == record.Succeeded,
		"%s after 202", took.Round(100*time.Millisecond))

	before := m.gateways()
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { s.keep(ctx, "rolled") })
	mustKubectl(t, nil, "-n", m.name, "rollout", "restart", "deployment/millrace-gateway")
	rolled()
	m.await(time.Minute, "the old pods of the gateway to end", func() bool {
		return !slices.ContainsFunc(m.gateways(), func(uid string) bool { return slices.Contains(before, uid) })
	})
	stop()
	sending.Wait()
	require.Greater(t, len(s.taken), 20, "jobs were sent all the while")
	m.await(3*time.Minute, "all jobs that were answered by 202", func() bool { return len(m.finals(s.taken)) == len(s.taken) })
	mustHold(t, "a rolling restart of the gateway under load loses no 202", m.count(s.taken, 0).succeeded == len(s.taken),
		"%d jobs answered by 202 and as many run, the slowest answer after %s", len(s.taken), s.slowest.Round(time.Millisecond))
	mustHold(t, "and no request fails", len(s.refused) == 0, "%d failed: %s", len(s.refused), strings.Join(s.refused, "; "))
}

// gateways are the UIDs of the gateway's pods, also of those that end.
func (m *mill) gateways() (uids []string) {
	m.t.Helper()
	for _, p := range m.allPods("app.kubernetes.io/component=gateway") {
		uids = append(uids, p.Meta.UID)
	}
	return uids
}

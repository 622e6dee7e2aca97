//go:build linux

package main_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// statusOf asks a worker.
func statusOf(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// freeAddr is an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func TestAWorkerSaysWhereItStandsUntilItEnds(t *testing.T) {
	t.Parallel()
	m, addr := newMill(t), freeAddr(t)
	ear, said, release := holdingEar(t, "/long")
	w := m.start("--slots=2", "--status="+addr, "--allow-hosts=127.0.0.1", "--report=never")
	w.until("worker ready")
	m.job("long", steps("mkdir outputs; echo 12345 > outputs/five.txt"), ear)
	require.Equal(t, "/long", hear(t, said))

	var busy struct {
		Slots, Busy int
		Oldest      time.Time
		Draining    bool
	}
	ask := func() {
		code, body := statusOf(t, addr, "/busy")
		require.Equal(t, 200, code)
		busy.Oldest = time.Time{}
		require.NoError(t, json.Unmarshal([]byte(body), &busy), body)
	}
	ask()
	require.Equal(t, []int{2, 1}, []int{busy.Slots, busy.Busy})
	require.WithinDuration(t, time.Now(), busy.Oldest, time.Minute)
	require.False(t, busy.Draining)
	for _, path := range []string{"/healthz", "/readyz"} {
		code, body := statusOf(t, addr, path)
		require.Equal(t, 200, code)
		require.Equal(t, "ok\n", body)
	}
	_, text := statusOf(t, addr, "/metrics")
	for _, line := range []string{
		"millrace_slots 2", "millrace_slots_busy 1", "millrace_jobs_in_progress 1", "millrace_child_processes 2", "millrace_receiving 1",
		`millrace_receive_messages_total{queue="` + "local" + `"} 1`,
		`millrace_jobs_total{outcome="dead",pipeline="inline"} 0`,
	} {
		require.Contains(t, text, "\n"+line+"\n")
	}

	require.Contains(t, text, `millrace_cold_start_seconds{phase="first_job"} `)

	w.signal()
	w.until("draining")
	code, body := statusOf(t, addr, "/readyz")
	require.Equal(t, 503, code)
	require.Contains(t, body, "shutting down")
	code, _ = statusOf(t, addr, "/healthz")
	require.Equal(t, 200, code)
	ask()
	require.True(t, busy.Draining)
	require.Equal(t, 1, busy.Busy)
	release()
	w.until("job settled")
	for !strings.Contains(text, "\n"+`millrace_jobs_total{outcome="succeeded",pipeline="inline"} 1`+"\n") {
		_, text = statusOf(t, addr, "/metrics") // it waits for who has read before
	}
	w.end()
	_, err := http.Get("http://" + addr + "/healthz")
	require.Error(t, err)
}

package observability_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A prometheus is one that runs, and scrapes a worker, a scaler and a gateway.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus starts one, with the labels that the monitors give to what is scraped.
func startPrometheus(t *testing.T) prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	require.NoError(t, err, "prometheus is missing: `make tools` installs it")
	serve := func(text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
scrape_configs:
  - {job_name: worker, static_configs: [{targets: [%q], labels: {namespace: render, class: light, pod: light-1}}]}
  - {job_name: scaler, static_configs: [{targets: [%q], labels: {namespace: render, pod: scaler-1}}]}
  - {job_name: gateway, static_configs: [{targets: [%q], labels: {namespace: render, pod: gateway-1}}]}
`, serve(workerMetrics(t)), serve(scalerMetrics(t)), serve(gatewayMetrics(t)))
	file := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	cmd := exec.Command(path, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=error")
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // how it ended is no matter
	})
	p := prometheus{t, "http://" + addr}
	p.await(`count(count_over_time(millrace_slots[1m]) >= 2) and count(count_over_time(millrace_queue_messages[1m]) >= 2) and count(count_over_time(millrace_gateway_requests_in_flight[1m]) >= 2)`)
	return p
}

// await asks until there is an answer.
func (p prometheus) await(query string) {
	p.t.Helper()
	end := time.After(time.Minute)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		resp, err := http.Get(p.url + "/-/ready")
		if err == nil {
			require.NoError(p.t, resp.Body.Close())
			if resp.StatusCode == http.StatusOK && p.ask(query) > 0 {
				return
			}
		}
		select {
		case <-again.C:
		case <-end:
			p.t.Fatalf("Prometheus has no answer to %s", query)
		}
	}
}

// ask evaluates a query and returns how many series answer it.
func (p prometheus) ask(query string) int {
	p.t.Helper()
	resp, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(query))
	require.NoError(p.t, err)
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	require.NoError(p.t, json.NewDecoder(resp.Body).Decode(&answer))
	require.Equal(p.t, "success", answer.Status, "%s: %s", query, answer.Error)
	return len(answer.Data.Result)
}

// A real one scrapes what a worker, a scaler and a gateway say, and has an answer to whatever the dashboard asks.
func TestPrometheusAnswersEveryQueryOfTheDashboard(t *testing.T) {
	p := startPrometheus(t)
	require.Equal(t, 3, p.ask(`up == 1`))
	for _, panel := range dashboard(t) {
		for _, target := range panel.Targets {
			n := p.ask(filled(target.Expr))
			if strings.Contains(target.Expr, "keda_") || strings.Contains(target.Expr, "> 0)") || strings.Contains(target.Expr, "== 1)") {
				continue // nobody is KEDA here, drains or hangs
			}
			require.Positive(t, n, "%s: %s", panel.Title, target.Expr)
		}
	}
	_, alerts := rules(t)
	for _, r := range alerts {
		p.ask(r.Expr)
	}
}

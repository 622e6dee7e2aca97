//go:build linux

package main_test

import (
	"bufio"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// jobs is a command line about the mill's jobs, and the same through a gateway.
func (m *mill) jobs(d *doorway) (here, there *place) {
	here, there = newPlace(m.t), newPlace(m.t)
	here.env = []string{"MILLRACE_DATA=" + m.data}
	there.env = []string{"MILLRACE_SERVER=" + d.url}
	return here, there
}

func TestJobsLookTheSameThroughAGateway(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	here, there := m.jobs(m.gateway())
	there.write("broken.yaml", failing)
	good := id(t, there.succeeds("jobs", "run", "hello_world", "name=Ada", "--customer-id", "acme"))
	require.Equal(t, "order-7", id(t, there.succeeds("jobs", "run", "broken.yaml", "--max-attempts", "1", "--id", "order-7")))
	waits := there.millrace("jobs", "logs", good)
	require.Equal(t, 1, waits.code)
	require.Contains(t, waits.stderr, "has not begun")
	alike := func(args ...string) {
		t.Helper()
		want, have := here.millrace(args...), there.millrace(args...)
		require.Equal(t, want, have, args)
	}
	alike("jobs", "list")
	alike("jobs", "describe", good)
	m.work()
	for _, args := range [][]string{
		{"jobs", "list"},
		{"jobs", "list", "--json", "--limit", "1"},
		{"jobs", "list", "--from", "2026-01-31", "--limit", "0"},
		{"jobs", "describe", good},
		{"jobs", "describe", "order-", "--json"},
		{"jobs", "describe", "no-such-job"},
		{"jobs", "describe", "no such job"},
		{"jobs", "logs", good},
		{"jobs", "logs", "order-7", "--follow"},
		{"jobs", "cancel", good},
		{"jobs", "watch", "no-such-job"},
	} {
		alike(args...)
	}
	watched := there.millrace("jobs", "watch", "order-7")
	require.Equal(t, 1, watched.code)
	require.Contains(t, watched.stdout, "before it breaks")
	require.Contains(t, watched.stderr, "DEAD")
	polled := decoded[map[string]any](t, there.succeeds("jobs", "describe", good, "--json"))
	require.Equal(t, []any{"completed", good}, []any{polled["state"], polled["jobId"]})
}

func TestWhoWaitsThroughAGatewayIsToldWhenTheNextAttemptIsDue(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	_, there := m.jobs(m.gateway())
	there.write("broken.yaml", failing)
	job := id(t, there.succeeds("jobs", "run", "broken.yaml"))
	m.work()
	watch := exec.CommandContext(t.Context(), "timeout", "--preserve-status", "-s", "INT", "1", binary, "jobs", "watch", job)
	watch.Dir, watch.Env = there.dir, append(os.Environ(), there.env...)
	out, _ := watch.CombinedOutput() // it was interrupted
	require.Regexp(t, `RETRYING; the next attempt is due in \d+s, and .millrace work. makes it`, string(out))
	polled := decoded[map[string]any](t, there.succeeds("jobs", "describe", job, "--json"))
	require.Equal(t, []any{"RETRYING", "processing"}, []any{polled["status"], polled["state"]})
}

func TestWhoWaitsThroughAGatewayOutlastsItsRestart(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	target, err := url.Parse(m.gateway().url)
	require.NoError(t, err)
	const found, tries = 2, 4 // requests: those that find the job, and as often as the client asks by itself
	var asked atomic.Int32
	gone, back := make(chan struct{}), make(chan struct{})
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n <= found:
			forward.ServeHTTP(w, r)
			return
		case n == found+tries+1:
			close(gone)
		}
		select {
		case <-back:
			forward.ServeHTTP(w, r)
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(proxy.Close)
	p := newPlace(t)
	p.env = []string{"MILLRACE_SERVER=" + proxy.URL}
	order := id(t, p.succeeds("jobs", "run", "hello_world", "--server", target.String()))
	cmd := exec.CommandContext(t.Context(), binary, "jobs", "watch", order)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-gone:
	case err := <-ended:
		require.FailNow(t, "it did not wait", "%v: %s", err, stderr.String())
	}
	m.work()
	close(back)
	require.NoError(t, <-ended, stderr.String())
	require.Regexp(t, `^.* QUEUED\n.* the gateway can't be asked \(502 Bad Gateway\); waiting for it\n.* SUCCEEDED\n$`, stderr.String())
}

func TestARunningJobIsFollowedAndCanceledThroughAGateway(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	d := m.gateway()
	_, there := m.jobs(d)
	job := "follow-me"
	document := "tasks:\n- module: StdOut\n  props: {msg: it is at work}\n- {module: Shell, props: {command: sleep, args: [60]}}\n"
	r := there.millraceReading(document, "jobs", "run", "-", "--id", job)
	require.Equal(t, 0, r.code, r.stderr)
	follow, err := http.Get(d.url + "/v1/jobs/" + job + "/logs?follow=true")
	require.NoError(t, err)
	defer follow.Body.Close()
	events := bufio.NewScanner(follow.Body)
	until := func(text string) {
		t.Helper()
		for events.Scan() {
			if strings.Contains(events.Text(), text) {
				return
			}
		}
		require.Fail(t, "the stream ended before it said "+text)
	}
	worker := m.start("--exit-when-idle=1s")
	until("it is at work")
	require.Contains(t, there.succeeds("jobs", "cancel", job, "--why", "nobody wants it"), "its worker stops it")
	until("event: end")
	until("CANCELLED")
	watched := there.millrace("jobs", "watch", job)
	require.Equal(t, 1, watched.code)
	require.Contains(t, watched.stdout, "it is at work")
	require.Contains(t, watched.stderr, "CANCELLED")
	require.Contains(t, there.succeeds("jobs", "describe", job), "nobody wants it")
	worker.end()
}

func TestAGatewayIsReachedByTLSAndBelowAPath(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	d := m.gateway()
	target, err := url.Parse(d.url)
	require.NoError(t, err)
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.URL.Path, r.Out.URL.RawPath = strings.TrimPrefix(r.In.URL.Path, "/mill"), ""
	}}
	proxy := httptest.NewTLSServer(forward)
	t.Cleanup(proxy.Close)
	p := newPlace(t)
	r := p.millrace("jobs", "list", "--server", proxy.URL+"/mill")
	require.Equal(t, 5, r.code, r.stderr)
	require.Contains(t, r.stderr, "certificate")
	ca := filepath.Join(p.dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600))
	p.env = append(p.env, "SSL_CERT_FILE="+ca)
	job := id(t, p.succeeds("jobs", "run", "hello_world", "--server", proxy.URL+"/mill/"))
	require.Contains(t, p.succeeds("jobs", "list", "--server", proxy.URL+"/mill"), job)
}

func TestWhatAGatewayRefusesIsASentenceAndACode(t *testing.T) {
	t.Parallel()
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/denied/"):
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"title": "Forbidden", "status": 403, "detail": "this key lacks the scope read"}`)
		case strings.HasPrefix(r.URL.Path, "/keyed/"):
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"title": "Unauthorized", "status": 401, "detail": "send the header"}`)
		case strings.HasPrefix(r.URL.Path, "/moved/"):
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusMovedPermanently)
		default:
			_, _ = io.WriteString(w, "<html>")
		}
	}))
	t.Cleanup(answers.Close)
	p := newPlace(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a problem", []string{"--server", answers.URL + "/denied"}, 4, "this key lacks the scope read"},
		{"no key", []string{"--server", answers.URL + "/keyed"}, 4, "put an API key into MILLRACE_API_KEY"},
		{"a redirect", []string{"--server", answers.URL + "/moved"}, 1, "elsewhere.example"},
		{"no gateway", []string{"--server", answers.URL}, 1, "read the answer"},
		{"nobody", []string{"--server", "http://127.0.0.1:1"}, 5, "does not answer"},
		{"no URL", []string{"--server", "gateway"}, 2, "https://host/path"},
		{"a queue beside it", []string{"--server", answers.URL, "--queue", "local"}, 2, "--queue"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := p.millrace(append([]string{"jobs", "list"}, tt.args...)...)
			require.Equal(t, tt.code, r.code, r.stderr)
			require.Contains(t, r.stderr, tt.says)
		})
	}
}

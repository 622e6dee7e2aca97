//go:build linux

package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// A doorway is a gateway under way.
type doorway struct {
	*running
	url string
}

// gateway starts a gateway on the mill's queue and store.
func (m *mill) gateway(args ...string) *doorway {
	m.t.Helper()
	r := m.begin(exec.Command(binary, append([]string{"gateway", "--data", m.data, "--listen", "127.0.0.1:0"}, args...)...))
	r.until("gateway ready")
	at := regexp.MustCompile(`listen=(\S+)`).FindStringSubmatch(r.log.String())
	require.NotNil(m.t, at)
	return &doorway{running: r, url: "http://" + at[1]}
}

// post sends a body and returns the answer.
func (d *doorway) post(path, kind, body string) (status int, answer string) {
	d.t.Helper()
	res, err := http.Post(d.url+path, kind, strings.NewReader(body))
	require.NoError(d.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	return res.StatusCode, string(b)
}

// jobs are the IDs of an answer.
func (d *doorway) jobs(answer string) (ids []string) {
	d.t.Helper()
	var a struct{ Jobs []struct{ ID string } }
	require.NoError(d.t, json.Unmarshal([]byte(answer), &a), answer)
	for _, j := range a.Jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

func TestAJobThatIsPostedRuns(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	d := m.gateway()
	status, answer := d.post("/v1/jobs", "application/json", `{"pipeline": "hello_world", "state": {"name": "Ada"}}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	ids := d.jobs(answer)
	require.Len(t, ids, 1)
	require.JSONEq(t, `{"jobs":[{"id":"`+ids[0]+`","pipeline":"hello_world"}]}`, answer)

	status, answer = d.post("/v1/jobs", "text/plain", "hello_wrld name=Ada")
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, answer, "did you mean")

	d.signal()
	require.Contains(t, d.end(), "gateway draining")
	m.work()
	require.Equal(t, record.Succeeded, m.record(ids[0]).Status)
}

func TestWithoutKeysAGatewayListensToItsMachineAlone(t *testing.T) {
	t.Parallel()
	r := newPlace(t).millrace("gateway", "--data", t.TempDir(), "--listen", "0.0.0.0:0")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "without keys everybody who reaches it may do everything")
}

// Whoever heard 202 may forget the job: a gateway that is killed at any moment has lost none of them.
func TestAGatewayThatIsKilledLosesNoJobThatItTook(t *testing.T) {
	t.Parallel()
	const enough = 120
	m := newMill(t)
	d := m.gateway()
	go func() { // its log, until it is dead
		for range d.lines {
		}
	}()
	var mu sync.Mutex
	var taken []string // guarded by mu
	var wg sync.WaitGroup
	end := time.Now().Add(time.Minute)
	for range 16 {
		wg.Go(func() {
			for time.Now().Before(end) {
				res, err := http.Post(d.url+"/v1/jobs", "text/plain", strings.NewReader("hello_world name=Ada"))
				if err != nil {
					return // it is dead
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != http.StatusAccepted {
					continue
				}
				mu.Lock()
				taken = append(taken, d.jobs(string(b))...)
				if len(taken) == enough {
					_ = d.cmd.Process.Kill()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	_ = d.cmd.Process.Kill() // if it never took enough
	_ = d.cmd.Wait()
	require.GreaterOrEqual(t, len(taken), enough)
	m.work("--isolation", "none", "--slots", "16")
	for _, id := range taken {
		require.Equal(t, record.Succeeded, m.record(id).Status)
	}
}

func TestAKeyFromTheFileIsAskedFor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	made := p.millrace("gateway", "key", "ada", "--scope", "submit", "--rate", "1000")
	require.Zero(t, made.code, made.stderr)
	secret := strings.TrimSpace(made.stdout)
	require.NotContains(t, made.stderr, secret)
	for _, tt := range [][2]string{
		{"--rate=-1", "can't be less than 0"},
		{"--burst=-1", "can't be less than 0"},
		{"--burst=9", "say the rate too"},
		{"--valid=-1h", "can't be less than 0"},
		{"--max-upload=", "it is empty"},
		{"--type=", "is empty; leave it out"},
		{"--pipeline=", "is empty; leave it out"},
		{"--customer=", "--customer is empty; leave it out for a key of the operator's own"},
		{"--type=model /stl", "is neither the ending"},
		{"--max-body=-1", `"-1" is no size; write it like 512Mi or 2Gi`},
		{"--max-body=1Gi", "millrace: max_body must be a whole number from 1 to 16777216\n"},
		{"--type=stl", `"stl" is neither the ending of a file's name`},
		{"--customer=A", "customer must be 1 to 40 of a-z"},
	} {
		wrong := p.millrace("gateway", "key", "ada", "--scope", "submit", tt[0])
		require.Equal(t, 2, wrong.code, tt[0])
		require.Contains(t, wrong.stderr, tt[1])
		require.Empty(t, wrong.stdout)
	}
	keys := filepath.Join(p.dir, p.write("keys.yaml", "keys:\n"+made.stderr))

	m := newMill(t)
	d := m.gateway("--api-keys", keys, "--listen", "0.0.0.0:0")
	status, answer := d.post("/v1/jobs", "text/plain", "hello_world name=Ada")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, answer, "Authorization: Bearer")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/v1/jobs", strings.NewReader("hello_world name=Ada"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Authorization", "Bearer "+secret)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	d.signal()
	require.NotContains(t, d.end(), secret)
}

func TestAGatewayThatEndsSaysSoFirstAndAnswersWhatHasBegun(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	status := freeAddr(t)
	d := m.gateway("--status", status)
	code, _ := statusOf(t, status, "/readyz")
	require.Equal(t, http.StatusOK, code)

	for _, url := range []string{"http://169.254.169.254/latest", "http://localhost:9/", "http://[::ffff:10.0.0.1]/", "ftp://example.com/"} {
		answered, text := d.post("/v1/jobs", "application/json", `{"pipeline":"hello_world","callback":{"url":"`+url+`"}}`)
		require.Equal(t, http.StatusUnprocessableEntity, answered, "%s: %s", url, text)
	}
	_, text := statusOf(t, status, "/metrics")
	require.Contains(t, text, `millrace_gateway_refused_total{reason="invalid"} 4`)

	body, half := io.Pipe()
	answered := make(chan int, 1)
	go func() {
		res, err := http.Post(d.url+"/v1/jobs", "text/plain", body)
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	_, err := io.WriteString(half, "hello_world ") // returns when the client has taken it
	require.NoError(t, err)
	for begin := time.Now(); !strings.Contains(text, "millrace_gateway_requests_in_flight 1\n"); {
		require.Less(t, time.Since(begin), 10*time.Second, text)
		_, text = statusOf(t, status, "/metrics")
	}
	d.signal()
	d.until("gateway draining")
	code, text = statusOf(t, status, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "the gateway is ending\n", text)
	_, err = io.WriteString(half, "name=Ada")
	require.NoError(t, err)
	require.NoError(t, half.Close())
	require.Equal(t, http.StatusAccepted, <-answered)
	d.end()
}

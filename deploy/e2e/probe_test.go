//go:build e2e && linux

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda"
)

// fetch gets what a server says, and its status.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// metrics reads a page of Prometheus' text: series, as they are written there, and their values.
func metrics(t *testing.T, url string) map[string]float64 {
	t.Helper()
	status, text := fetch(t, url)
	require.Equal(t, http.StatusOK, status, text)
	values := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		require.NoError(t, err, line)
		values[line[:at]] = value
	}
	return values
}

// create is apply where there is no scaler to wait for.
func (m *mill) create() {
	m.t.Helper()
	m.t.Cleanup(m.remove)
	mustKubectl(m.t, []byte(m.manifests()), "apply", "--server-side", "-f", "-")
}

// scalers are the scaler's pods.
func (m *mill) scalers() []kubePod {
	m.t.Helper()
	var ready []kubePod
	for _, p := range m.allPods("app.kubernetes.io/component=scaler") {
		if p.alive() && p.ready() {
			ready = append(ready, p)
		}
	}
	return ready
}

// statusOf is where a scaler's pod tells about itself.
func statusOf(p kubePod) string { return "http://" + p.Status.IP + ":8082" }

// ask asks a scaler how much work there is, as KEDA's trigger metrics-api does.
func ask(t *testing.T, p kubePod, queue string) keda.Answer {
	t.Helper()
	status, text := fetch(t, statusOf(p)+"/metrics-api?target=1&slots=1&queue="+queue)
	require.Equal(t, http.StatusOK, status, text)
	var a keda.Answer
	require.NoError(t, json.Unmarshal([]byte(text), &a))
	return a
}

// A counter is a proxy before SQS that counts requests by action and queue.
type counter struct {
	mu    sync.Mutex
	count map[string]int // guarded by mu
}

// newCounter stands between the mill's door and its server.
func newCounter(t *testing.T, d *door) *counter {
	t.Helper()
	address, err := d.to(t.Context())
	require.NoError(t, err)
	c := &counter{count: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		var asked struct{ QueueUrl, QueueName string }
		_ = json.Unmarshal(body, &asked) // a request that is none of SQS' is counted under no queue
		name := asked.QueueName + asked.QueueUrl[strings.LastIndexByte(asked.QueueUrl, '/')+1:]
		c.mu.Lock()
		c.count[strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")+" "+name]++
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d.to = func(context.Context) (string, error) { return strings.TrimPrefix(server.URL, "http://"), nil }
	return c
}

// of is how many requests there were for a queue, and which.
func (c *counter) of(queue string) (n int, which string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, count := range c.count {
		if action, name, _ := strings.Cut(key, " "); name == queue {
			n += count
			which += fmt.Sprintf("%d %s ", count, action)
		}
	}
	return n, strings.TrimSpace(which)
}

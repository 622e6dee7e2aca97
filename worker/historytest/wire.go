package historytest

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

// A Wire is one worker's way to one server: a proxy that can break, and a Recorder behind it.
type Wire struct {
	*Recorder
	Endpoint string // for the worker

	t      testing.TB
	mu     sync.Mutex // one change at a time
	proxy  *toxiproxy.Proxy
	toxics int  // guarded by mu: so many were ever in place
	closed bool // guarded by mu
	server *httptest.Server
	port   io.Closer // keeps it for this wire while that is cut
}

// NewWire leads from a worker to a server, until Close.
func NewWire(t testing.TB, h *History, worker, server string) *Wire {
	t.Helper()
	r := NewRecorder(h, worker, server)
	s := httptest.NewUnstartedServer(r.Handler())
	s.Config.ErrorLog = nil
	s.Start()
	port, hold, err := servertest.Reserve()
	require.NoError(t, err)
	p, err := startProxy(fmt.Sprintf("127.0.0.1:%d", port), s)
	require.NoError(t, err)
	return &Wire{Recorder: r, Endpoint: "http://" + p.Listen, t: t, proxy: p, server: s, port: hold}
}

// Toxics that a Wire knows, for Break.
const (
	Silence   = `"type": "timeout", "attributes": {"timeout": 0}`                  // nothing passes and nothing is closed
	Resets    = `"type": "reset_peer", "attributes": {"timeout": 0}`               // every connection is reset
	Latency   = `"type": "latency", "attributes": {"latency": 150, "jitter": 100}` // milliseconds, each way
	SlowClose = `"type": "slow_close", "attributes": {"delay": 500}`               // milliseconds
	Narrow    = `"type": "bandwidth", "attributes": {"rate": 200}`                 // KB/s
)

// Break puts a toxic in place, both ways, until Heal.
func (w *Wire) Break(toxic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, stream := range []string{"upstream", "downstream"} {
		w.toxics++
		_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name": "t%d", "stream": %q, %s}`, w.toxics, stream, toxic)))
		require.NoError(w.t, err)
	}
}

// Cut refuses every connection until Heal.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proxy.Stop()
}

// Heal ends all that Break and Cut did. Connections are closed, for bytes were lost in them.
func (w *Wire) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.proxy.Stop()
	var err error
	w.proxy, err = startProxy(w.proxy.Listen, w.server) // a toxic taken away can hang on a connection that is stuck
	require.NoError(w.t, err)
}

// startProxy listens on a port that is ours. A process that is being started has, between fork and exec, a copy of the
// listener that was closed here, so that it is tried for a while.
func startProxy(listen string, to *httptest.Server) (p *toxiproxy.Proxy, err error) {
	s := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		p = toxiproxy.NewProxy(s, "wire", listen, strings.TrimPrefix(to.URL, "http://"))
		if err = p.Start(); err == nil {
			break
		}
	}
	return p, err
}

// Close ends the wire; what is under way is cut.
func (w *Wire) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.proxy.Stop()
	_ = w.port.Close() // it only held the port
	w.server.CloseClientConnections()
	w.server.Close()
	w.Recorder.Close()
}

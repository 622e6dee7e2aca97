package blobtest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// Silence is a toxic, as toxiproxy has them: no request arrives. Upstream is from us to the server.
const Silence = `"stream": "upstream", "type": "timeout", "attributes": {"timeout": 0}`

// A Wire is the way to a server, which can break.
type Wire struct {
	*toxiproxy.Proxy
	t *testing.T
}

// NewWire makes a way to an endpoint, such as http://127.0.0.1:9000.
func NewWire(t *testing.T, endpoint string) *Wire {
	t.Helper()
	w := &Wire{t: t}
	w.lay("127.0.0.1:0", strings.TrimPrefix(endpoint, "http://"))
	require.NoError(t, w.Start())
	t.Cleanup(func() { w.Stop() })
	return w
}

// lay makes a proxy that has no links yet.
func (w *Wire) lay(listen, upstream string) {
	s := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w.Proxy = toxiproxy.NewProxy(s, "bucket", listen, upstream)
}

// Endpoint is the server's, by way of the wire.
func (w *Wire) Endpoint() string { return "http://" + w.Listen }

// Add cuts every connection, and puts a toxic into the way of new ones. It does so in another proxy at the same address: to
// one that it has, a proxy adds it once each of its links has answered, and a link whose reader has gone never does
// (toxiproxy v2.5.0).
func (w *Wire) Add(toxic string) {
	w.t.Helper()
	w.Stop()
	w.lay(w.Listen, w.Upstream)
	_, err := w.Toxics.AddToxicJson(strings.NewReader(`{"name": "toxic", ` + toxic + `}`))
	require.NoError(w.t, err)
	require.NoError(w.t, w.Start())
}

// Cut ends every connection; new ones pass.
func (w *Wire) Cut() {
	w.t.Helper()
	w.Stop()
	require.NoError(w.t, w.Start())
}

// FallSilent takes some of a request, and neither reads on nor answers nor hangs up until the test ends.
func FallSilent(t *testing.T, w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 64<<10)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// An UploadFault is what befalls whoever uploads files of 18 MiB by way of a wire.
type UploadFault struct {
	Name  string
	toxic string
	cut   time.Duration // when every connection is cut; 0 is never
}

// UploadFaults are those that a wire can have.
func UploadFaults() []UploadFault {
	const (
		short = `"stream": "upstream", "type": "limit_data", "attributes": {"bytes": 17825792}` // more than a part, less than two
		slow  = `"stream": "upstream", "type": "bandwidth", "attributes": {"rate": 20000}`      // KB/s
	)
	return []UploadFault{
		{"connections that end in the middle", short, 0},
		{"a reset", slow, 300 * time.Millisecond},
	}
}

// Befall begins the fault.
func (f UploadFault) Befall(w *Wire) {
	w.t.Helper()
	w.Add(f.toxic)
	if f.cut == 0 {
		return
	}
	done := make(chan struct{})
	timer := time.AfterFunc(f.cut, func() {
		defer close(done)
		w.Stop()
		if err := w.Start(); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() {
		if !timer.Stop() {
			<-done
		}
	})
}

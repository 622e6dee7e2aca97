package bucket_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/servertest"
)

// Toxics, as toxiproxy has them: upstream is from us to the server.
const (
	silence = `"stream": "upstream", "type": "timeout", "attributes": {"timeout": 0}`         // no request arrives
	slow    = `"stream": "downstream", "type": "bandwidth", "attributes": {"rate": 10}`       // KB/s
	dead    = `"stream": "downstream", "type": "bandwidth", "attributes": {"rate": 1}`        // KB/s
	short   = `"stream": "downstream", "type": "limit_data", "attributes": {"bytes": 100000}` // a connection ends after so many bytes
)

// A wire is the way to a server, which can break.
type wire struct {
	*toxiproxy.Proxy
	t *testing.T
}

func newWire(t *testing.T, endpoint string) *wire {
	t.Helper()
	w := &wire{t: t}
	w.lay("127.0.0.1:0", strings.TrimPrefix(endpoint, "http://"))
	require.NoError(t, w.Start())
	t.Cleanup(func() { w.Stop() })
	return w
}

// lay makes a proxy that has no links yet.
func (w *wire) lay(listen, upstream string) {
	s := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w.Proxy = toxiproxy.NewProxy(s, "bucket", listen, upstream)
}

func (w *wire) endpoint() string { return "http://" + w.Listen }

// add cuts every connection, and puts a toxic into the way of new ones. It does so in another proxy at the same address: to
// one that it has a proxy waits for each of its links, and a link whose reader has gone never answers (toxiproxy v2.5.0).
func (w *wire) add(toxic string) {
	w.t.Helper()
	w.Stop()
	w.lay(w.Listen, w.Upstream)
	_, err := w.Toxics.AddToxicJson(strings.NewReader(`{"name": "toxic", ` + toxic + `}`))
	require.NoError(w.t, err)
	require.NoError(w.t, w.Start())
}

// cut ends every connection; new ones pass.
func (w *wire) cut() {
	w.t.Helper()
	w.Stop()
	require.NoError(w.t, w.Start())
}

// between answers requests itself where instead says so, and else lets them through to the server.
func between(t *testing.T, endpoint string, instead func(w http.ResponseWriter, r *http.Request, through http.Handler)) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { instead(w, r, proxy) }))
	t.Cleanup(s.Close)
	return s.URL
}

// A place is where a test's store lies.
type place struct {
	endpoint, bucket string
	stall            time.Duration
}

func onVersitygw(t *testing.T) place {
	t.Helper()
	endpoint := servertest.Versitygw(t)
	return place{endpoint: endpoint, bucket: blobtest.Bucket(t, endpoint)}
}

func (p place) by(endpoint string) place {
	p.endpoint = endpoint
	return p
}

func openS3(t *testing.T, p place) (blob.Store, error) {
	t.Helper()
	return s3blob.Open(t.Context(), s3blob.Config{AWS: blobtest.AWS(t, p.endpoint), Bucket: p.bucket, Prefix: "p", Stall: p.stall})
}

func openCOS(t *testing.T, p place) (blob.Store, error) {
	t.Helper()
	return cosblob.Open(t.Context(), cosblob.Config{COS: blobtest.COS(p.endpoint), Bucket: p.bucket, Prefix: "p", Stall: p.stall})
}

var drivers = map[string]func(*testing.T, place) (blob.Store, error){"s3blob": openS3, "cosblob": openCOS}

// each runs a test through both SDKs.
func each(t *testing.T, test func(t *testing.T, open func(*testing.T, place) blob.Store)) {
	t.Helper()
	for name, open := range drivers {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T, p place) blob.Store {
				t.Helper()
				s, err := open(t, p)
				require.NoError(t, err)
				return s
			})
		})
	}
}

// through opens a store by way of a wire.
func (p place) through(t *testing.T) (blob.Store, *wire) {
	t.Helper()
	w := newWire(t, p.endpoint)
	s, err := openS3(t, p.by(w.endpoint()))
	require.NoError(t, err)
	return s, w
}

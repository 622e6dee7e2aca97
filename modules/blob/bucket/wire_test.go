package bucket_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/servertest"
)

// Toxics, as toxiproxy has them: downstream is from the server to us.
const (
	slow  = `"stream": "downstream", "type": "bandwidth", "attributes": {"rate": 10}`       // KB/s
	dead  = `"stream": "downstream", "type": "bandwidth", "attributes": {"rate": 1}`        // KB/s
	short = `"stream": "downstream", "type": "limit_data", "attributes": {"bytes": 100000}` // a connection ends after so many bytes
)

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
func (p place) through(t *testing.T) (blob.Store, *blobtest.Wire) {
	t.Helper()
	w := blobtest.NewWire(t, p.endpoint)
	s, err := openS3(t, p.by(w.Endpoint()))
	require.NoError(t, err)
	return s, w
}

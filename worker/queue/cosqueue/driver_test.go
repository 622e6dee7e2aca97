package cosqueue

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/queuetest"
)

// A wire is a way for requests to go.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// memory is a bucket in this process, without a network, so that a synctest bubble can turn its time.
func memory(t *testing.T) Config {
	t.Helper()
	server := gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true), gofakes3.WithTimeSkewLimit(0)).Server()
	return Config{
		COS:        sdk.COS{Endpoint: "http://memory", AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey},
		Bucket:     "queue",
		Prefix:     "a/b",
		Visibility: 30 * time.Second,
		wrap: func(http.RoundTripper) http.RoundTripper {
			return wire(func(r *http.Request) (*http.Response, error) {
				if err := r.Context().Err(); err != nil {
					return nil, err
				}
				return answer(server, r)
			})
		},
	}
}

// answer is a handler's to a client's request.
func answer(h http.Handler, r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		body = b
	}
	in := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	in.Header = r.Header.Clone()
	in.Header.Set("Host", r.URL.Host)
	out := httptest.NewRecorder()
	h.ServeHTTP(out, in)
	return out.Result(), nil
}

const gatewayVisibility = 1500 * time.Millisecond

// gateway is a bucket of its own on a real server.
func gateway(t testing.TB) Config {
	t.Helper()
	c := Config{
		COS: sdk.COS{
			Endpoint: servertest.Versitygw(t), AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey,
		},
		Bucket:     "q" + newToken(),
		Prefix:     "jobs of mine",
		Visibility: gatewayVisibility,
	}
	client, err := c.COS.Open(t.Context())
	require.NoError(t, err)
	_, err = client.CreateBucketWithContext(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(c.Bucket)})
	require.NoError(t, err)
	return c
}

func start(t testing.TB, c Config) *Driver {
	t.Helper()
	d, err := Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func conforms(t *testing.T, config func(*testing.T) Config, o queuetest.Options) {
	var configs sync.Map // of each driver; the cases run side by side
	o.Reopen = func(t *testing.T, d queue.Driver) queue.Driver {
		c, _ := configs.Load(d)
		again := start(t, c.(Config))
		configs.Store(again, c)
		return again
	}
	o.Deviations = map[string]string{"one message of a group is in flight at a time, in order": "no groups"}
	queuetest.Run(t, func(t *testing.T) queue.Driver {
		c := config(t)
		d := start(t, c)
		configs.Store(d, c)
		return d
	}, o)
}

func TestTheDriverKeepsWhatEveryDriverPromisesInMemory(t *testing.T) {
	conforms(t, memory, queuetest.Options{Visibility: 30 * time.Second, Virtual: true})
}

func TestTheDriverKeepsWhatEveryDriverPromisesOnVersitygw(t *testing.T) {
	t.Parallel()
	conforms(t, func(t *testing.T) Config { return gateway(t) },
		queuetest.Options{Visibility: gatewayVisibility, Wait: gatewayVisibility / 2})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Amazon's own names are not reached from here.
func TestABucketWhoseRegionNobodyNamesIsAskedForInUSEast1(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	var host string
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		host = r.URL.Host
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("<ListBucketResult/>")), Request: r}, nil
	})}
	_, err := new(gate).reach(t.Context(), way{
		ref: modules.BucketRef{Service: cloud.ServiceAWS, Name: "assets"}, http: client,
		keys: func(context.Context) (cloud.Keys, error) { return cloud.Keys{ID: "i", Secret: "s"}, nil },
	})
	require.NoError(t, err)
	require.Equal(t, "assets.s3.us-east-1.amazonaws.com", host)
}

func TestABucketOfGoogleIsReachedAsTheGateSaysAndLetGoOf(t *testing.T) {
	closed := make(chan struct{}, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	none := func(context.Context, cloud.Service) (cloud.Keys, error) { return cloud.Keys{}, nil }
	g := &gate{access: cloud.Access{GCSEndpoint: server.URL, Keys: none}, unlisted: true}
	_, err := g.bucket(t.Context(), modules.BucketRef{Service: cloud.ServiceGCS, Name: "assets"})
	require.NoError(t, err)
	g.close()
	<-closed

	_, err = g.bucket(t.Context(), modules.BucketRef{Service: cloud.ServiceGCS, Name: "assets", Endpoint: "http://127.0.0.2:1"})
	require.ErrorContains(t, err, `host "127.0.0.2" is a loopback address; the operator can allow it`)
}

// A server that lists for ever must not fill the memory of a job.
func TestAServerOfATasksChoiceListsNoMoreThanAPage(t *testing.T) {
	contents := "<Contents><Key>" + strings.Repeat("k", 1<<10) + "</Key></Contents>"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const size = 9 << 20
		if !r.URL.Query().Has("list-type") {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = io.CopyN(w, zeros{}, size)
			return
		}
		fmt.Fprint(w, "<ListBucketResult>")
		for r.URL.Query().Get("prefix") != "" && r.Context().Err() == nil {
			_, _ = io.WriteString(w, contents)
		}
		fmt.Fprint(w, "</ListBucketResult>")
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	g := &gate{egress: egress.Policy{AllowHosts: []string{"127.0.0.1:" + port}}}
	for _, service := range []cloud.Service{cloud.ServiceAWS, cloud.ServiceCOS} {
		b, err := g.bucket(t.Context(), modules.BucketRef{Service: service, Name: "assets", Endpoint: server.URL, Keys: &cloud.Keys{ID: "i", Secret: "s"}})
		require.NoError(t, err)
		for _, last := range b.List(t.Context(), "a/", "") {
			err = last
		}
		require.ErrorContains(t, err, "answers with more than 8 MiB that are no object; check the endpoint")
		require.Equal(t, fault.Permanent, fault.Of(err))
		object, _, err := b.Open(t.Context(), "a/k")
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, object)
		require.NoError(t, errors.Join(err, object.Close()))
		require.EqualValues(t, 9<<20, n, "an object has any size")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestATaskThatActsForItselfReachesOnePortOfTheOperatorsServer(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://minio.internal": "minio.internal:443", "http://minio.internal": "minio.internal:80",
		"http://10.0.0.8:9000": "10.0.0.8:9000", "http://[fd00::1]": "[fd00::1]:80",
	} {
		g := &gate{access: cloud.Access{S3Endpoint: endpoint}, egress: egress.Policy{AllowHosts: []string{"a"}}}
		require.Equal(t, []string{"a", want}, g.policy(cloud.ServiceAWS).AllowHosts)
	}
	require.Empty(t, new(gate).policy(cloud.ServiceGCS).AllowHosts)
}

func TestAFencedBucketRefusesKeysOutsideByEveryMethod(t *testing.T) {
	fence := reflect.ValueOf(&fenced{name: "s3://assets", prefixes: []string{"team/"}}) // and no bucket: what passes panics
	methods := reflect.TypeFor[modules.Bucket]()
	for _, key := range []string{"", "other/a", "team", "teams/a"} {
		for i := range methods.NumMethod() {
			m := methods.Method(i)
			t.Run(m.Name+" "+key, func(t *testing.T) {
				args := []reflect.Value{reflect.ValueOf(t.Context())}
				for n := 1; n < m.Type.NumIn(); n++ {
					arg := reflect.New(m.Type.In(n)).Elem()
					if arg.Kind() == reflect.String {
						arg.SetString(key)
					}
					args = append(args, arg)
				}
				results := fence.MethodByName(m.Name).Call(args)
				err := results[len(results)-1].Interface()
				if list, ok := err.(iter.Seq2[blob.Info, error]); ok {
					for _, last := range list {
						err = last
					}
				}
				require.ErrorContains(t, err.(error), "of bucket s3://assets jobs may touch what is below team/ alone")
				require.Equal(t, fault.Permanent, fault.Of(err.(error)))
			})
		}
	}
}

// The variables of the renderer that COS tasks come from, with its defaults.
func TestG2COSIsWhereTheVariablesSay(t *testing.T) {
	for _, name := range []string{"COS_ENDPOINT", "COS_BUCKET", "COS_ACCESS_KEY", "COS_SECRET_KEY"} {
		t.Setenv(name, "")
	}
	a := new(accessConfig).access(t.Context(), new(cloudConfig))
	require.Equal(t, "https://s3.eu-de.cloud-object-storage.appdomain.cloud", a.COSEndpoint)
	require.Equal(t, "vg-videos-prod", a.COSBucket)
	_, err := a.Keys(t.Context(), cloud.ServiceCOS)
	require.ErrorContains(t, err, "no COS credentials are given")

	for name, value := range map[string]string{"COS_ENDPOINT": "https://cos.example", "COS_BUCKET": "videos", "COS_ACCESS_KEY": "id", "COS_SECRET_KEY": "s"} {
		t.Setenv(name, value)
	}
	a = new(accessConfig).access(t.Context(), new(cloudConfig))
	require.Equal(t, "https://cos.example", a.COSEndpoint)
	require.Equal(t, "videos", a.COSBucket)
	k, err := a.Keys(t.Context(), cloud.ServiceCOS)
	require.NoError(t, err)
	require.Equal(t, cloud.Keys{ID: "id", Secret: "s"}, k)
}

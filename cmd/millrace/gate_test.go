package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/egress"
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

package blob_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/servertest"
)

// unconditional is a way to the server on which conditions get lost. Requests are signed anew: the signature covers them.
func unconditional(t *testing.T, endpoint string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		for name := range r.Out.Header {
			if name != "X-Amz-Content-Sha256" {
				r.Out.Header.Del(name)
			}
		}
		creds := aws.Credentials{AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey}
		sum := r.Out.Header.Get("X-Amz-Content-Sha256")
		_ = v4.NewSigner().SignHTTP(r.Out.Context(), creds, r.Out, sum, "s3", "us-east-1", time.Now())
	}}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

// notImplemented is a server that knows no conditions, and says so.
func notImplemented(t *testing.T, endpoint string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == "" {
			proxy.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusNotImplemented)
		_, _ = w.Write([]byte(`<Error><Code>NotImplemented</Code><Message>A header implies what is not implemented</Message></Error>`))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func openS3(t *testing.T, endpoint, bucket string) blob.Store {
	t.Helper()
	s, err := s3blob.Open(t.Context(), s3blob.Config{AWS: blobtest.AWS(t, endpoint), Bucket: bucket})
	require.NoError(t, err)
	return s
}

func openCOS(t *testing.T, endpoint, bucket string) blob.Store {
	t.Helper()
	s, err := cosblob.Open(t.Context(), cosblob.Config{COS: blobtest.COS(endpoint), Bucket: bucket, Prefix: "a"})
	require.NoError(t, err)
	return s
}

func leaves(t *testing.T, s blob.Store) int {
	t.Helper()
	n := 0
	for _, err := range s.List(t.Context(), "", "") {
		require.NoError(t, err)
		n++
	}
	return n
}

func TestTheProbePassesWhereConditionsHold(t *testing.T) {
	dir, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	server := servertest.Versitygw(t)
	bucket := blobtest.Bucket(t, server)
	for name, s := range map[string]blob.Store{"folder": dir, "S3": openS3(t, server, bucket), "COS": openCOS(t, server, bucket)} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, blob.Probe(t.Context(), s))
			require.Zero(t, leaves(t, s))
		})
	}
}

// F22, of a store of records.
func TestF22TheProbeNamesAStoreThatIgnoresOrRefusesConditions(t *testing.T) {
	server := servertest.Versitygw(t)
	bucket := blobtest.Bucket(t, server)
	for _, tt := range []struct {
		name string
		way  func(*testing.T, string) string
		open func(*testing.T, string, string) blob.Store
		says string
	}{
		{"S3, ignored", unconditional, openS3, "probe s3://" + bucket + ": "},
		{"COS, ignored", unconditional, openCOS, "probe cos://" + bucket + "/a: "},
		{"S3, refused", notImplemented, openS3, "probe s3://" + bucket + ": "},
		{"COS, refused", notImplemented, openCOS, "probe cos://" + bucket + "/a: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.open(t, tt.way(t, server), bucket)
			err := blob.Probe(t.Context(), s)
			require.ErrorIs(t, err, blob.ErrUnconditional)
			require.ErrorContains(t, err, tt.says)
			require.ErrorContains(t, err, "two workers could both commit one job; use a folder")
			require.Zero(t, leaves(t, s))
		})
	}
}

func TestAProbeThatCanNotBeMadeSaysNothingAboutConditions(t *testing.T) {
	server := servertest.Versitygw(t)
	s := openS3(t, server, blobtest.Bucket(t, server))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := blob.Probe(ctx, s)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, blob.ErrUnconditional)
}

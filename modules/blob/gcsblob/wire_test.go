package gcsblob_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/gcsblob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
)

// between opens a store whose requests pass a wire, and are answered where instead says so, and else by the server.
func between(t *testing.T, stall time.Duration, instead func(w http.ResponseWriter, r *http.Request) (done bool)) (*gcsblob.Store, *blobtest.Wire) {
	t.Helper()
	endpoint := servertest.GCS(t)
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	through := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: func(r *http.Response) error { // an upload goes on by way of us
			if at, err := url.Parse(r.Header.Get("Location")); err == nil && at.Host == target.Host {
				at.Host = r.Request.Host
				r.Header.Set("Location", at.String())
			}
			return nil
		},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !instead(w, r) {
			through.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	wire := blobtest.NewWire(t, s.URL)
	conf := gcsblob.Config{Endpoint: wire.Endpoint(), Bucket: blobtest.GCSBucket(t, endpoint), Stall: stall}
	store, err := gcsblob.Open(t.Context(), conf)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store, wire
}

func TestF20AnUploadOverAWireThatBreaksIsWholeInTheEnd(t *testing.T) {
	for _, tt := range blobtest.UploadFaults() {
		t.Run(tt.Name, func(t *testing.T) {
			s, wire := between(t, 0, func(http.ResponseWriter, *http.Request) bool { return false })
			f, back := blobtest.File(t, 40<<20), blobtest.File(t, 1)
			tt.Befall(wire)
			_, err := s.Upload(t.Context(), f, "k", blob.PutOptions{})
			require.NoError(t, err)
			_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
			require.NoError(t, err)
			require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
		})
	}
}

func TestF19AnUploadThatMeetsSilenceIsGivenUpAndSentAgain(t *testing.T) {
	var began, window atomic.Int64
	// Longer than a busy machine takes to answer: this server knows nothing of a window that it has taken already.
	s, _ := between(t, 3*time.Second, func(w http.ResponseWriter, r *http.Request) bool {
		silent := r.URL.Query().Get("uploadType") == "resumable" && r.ContentLength < 1<<20 && began.Add(1) == 1 ||
			r.ContentLength >= 1<<20 && window.Add(1) == 1
		if silent {
			blobtest.FallSilent(t, w, r)
		}
		return silent
	})
	f, back := blobtest.File(t, 18<<20), blobtest.File(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	_, err := s.Upload(ctx, f, "k", blob.PutOptions{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, began.Load(), int64(2))
	require.GreaterOrEqual(t, window.Load(), int64(2))
	_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
}

func TestF21AnUploadThatIsRefusedForNowIsWholeInTheEnd(t *testing.T) {
	var refused atomic.Bool
	s, _ := between(t, 0, func(w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength < 1<<20 || refused.Swap(true) {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	f, back := blobtest.File(t, 40<<20), blobtest.File(t, 1)
	_, err := s.Upload(t.Context(), f, "k", blob.PutOptions{})
	require.NoError(t, err)
	require.True(t, refused.Load())
	_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
}

func TestF20ADownloadThatBreaksOffIsTakenUpAndADamagedOneIsNot(t *testing.T) {
	var damage, broken atomic.Bool
	s, _ := between(t, 0, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("alt") != "media" {
			return false
		}
		if damage.Load() {
			w.Header().Set("Content-Range", "bytes 0-999/1000")
			w.Header().Set("X-Goog-Generation", r.URL.Query().Get("generation"))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, 1000))
			return true
		}
		if !broken.Swap(true) {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	f, back := blobtest.File(t, 40<<20), blobtest.File(t, 1)
	_, err := s.Upload(t.Context(), f, "k", blob.PutOptions{})
	require.NoError(t, err)
	_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
	require.NoError(t, err)
	require.True(t, broken.Load())
	require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))

	_, err = s.Upload(t.Context(), blobtest.File(t, 1000), "small", blob.PutOptions{})
	require.NoError(t, err)
	damage.Store(true)
	_, err = s.Download(t.Context(), "small", back, math.MaxInt64)
	require.ErrorContains(t, err, "it came damaged from gs://")
	require.Equal(t, fault.Transient, fault.Of(err))
}

func TestAPartThatNobodyAskedForIsNoObject(t *testing.T) {
	s, _ := between(t, 0, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("alt") == "media" {
			r.Header.Set("Range", "bytes=0-4")
		}
		return false
	})
	require.NoError(t, s.Create(t.Context(), "k", []byte("0123456789")))
	_, _, err := s.Open(t.Context(), "k")
	require.ErrorContains(t, err, "another part of an object")
}

func TestKeysAreSentUntilTheyEndAndABucketIsMade(t *testing.T) {
	endpoint := servertest.GCS(t)
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	var said atomic.Value
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said.Store(r.Header.Get("Authorization"))
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	now := cloud.Keys{Token: "one", Expires: time.Now().Add(-time.Second)}
	conf := gcsblob.Config{
		Endpoint: server.URL, Bucket: "made-by-the-store", AutoCreate: true, Project: "p",
		Keys: func(context.Context) (cloud.Keys, error) { return now, nil },
	}
	s, err := gcsblob.Open(t.Context(), conf)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.Equal(t, "Bearer one", said.Load())
	now = cloud.Keys{Token: "two"}
	require.NoError(t, s.Create(t.Context(), "k", nil))
	require.Equal(t, "Bearer two", said.Load())
	now = cloud.Keys{Token: "too-soon"}
	require.ErrorIs(t, s.Create(t.Context(), "k", nil), blob.ErrExists)
	require.Equal(t, "Bearer two", said.Load())
}

func TestAStoreThatCanNotBeReachedIsNamed(t *testing.T) {
	_, err := gcsblob.Open(t.Context(), gcsblob.Config{Endpoint: servertest.GCS(t), Bucket: "none-at-all"})
	require.True(t, cloud.Is(err, cloud.Missing), "%v", err)
	require.ErrorContains(t, err, "gs://none-at-all: it does not exist")
	_, err = gcsblob.Open(t.Context(), gcsblob.Config{Endpoint: "http://127.0.0.1:1", Bucket: "b"})
	require.True(t, cloud.Is(err, cloud.Unreachable), "%v", err)
	require.ErrorContains(t, err, "connection refused")
	_, err = gcsblob.Open(t.Context(), gcsblob.Config{})
	require.ErrorContains(t, err, "no bucket is given")
	sad := func(context.Context) (cloud.Keys, error) { return cloud.Keys{}, errors.New("nobody knows us") }
	_, err = gcsblob.Open(t.Context(), gcsblob.Config{Endpoint: servertest.GCS(t), Bucket: "b", Keys: sad})
	require.True(t, cloud.Is(err, cloud.Denied), "%v", err)
}

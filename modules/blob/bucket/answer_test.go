package bucket_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
)

// An altered answer has other headers than the server gave it.
type altered struct {
	http.ResponseWriter
	change func(http.Header)
}

func (w *altered) WriteHeader(status int) {
	w.change(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

// No server here answers so; proxies before them do.
func TestWhatComesIsOneObjectAndAllOfIt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(http.Header)
		want   string // error; empty is none
	}{
		{"another range", func(h http.Header) {
			if h.Get("Content-Range") != "" {
				h.Set("Content-Range", fmt.Sprintf("bytes 1-%d/%d", 16<<20, fileSize))
			}
		}, "another part of an object"},
		{"another version", func(h http.Header) { // of a cache that knows no If-Match
			if strings.HasPrefix(h.Get("Content-Range"), fmt.Sprintf("bytes %d-", 16<<20)) {
				h.Set("Etag", `"another"`)
			}
		}, "replaced or deleted while it was read"},
		{"no length", func(h http.Header) { h.Del("Content-Length") }, "does not say how large"},
		{"no version", func(h http.Header) { h.Del("Etag") }, ""},
		{"a weak version", func(h http.Header) { h.Set("Etag", "W/"+h.Get("Etag")) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
				p := onVersitygw(t)
				f, back := blobtest.File(t, fileSize), blobtest.File(t, 1)
				_, err := mover(t, open, p, p.endpoint).Upload(t.Context(), f, "k", blob.PutOptions{})
				require.NoError(t, err)
				var asked atomic.Int64
				s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
					if strings.HasSuffix(r.URL.Path, "/k") {
						w = &altered{w, tt.change}
						asked.Add(1)
					}
					through.ServeHTTP(w, r)
				}))
				_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
				if tt.want != "" {
					require.ErrorContains(t, err, tt.want)
					return
				}
				require.NoError(t, err)
				require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
				require.EqualValues(t, 2, asked.Load(), "one look and one transfer: parts could be those of two objects")
			})
		})
	}
}

func TestAPartThatNobodyAskedForIsNoObject(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		put(t, open(t, p), "k", []byte("0123456789"))
		s := open(t, p.by(between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/k") {
				r.Header.Set("Range", "bytes=0-4")
			}
			through.ServeHTTP(w, r)
		})))
		_, _, err := s.Open(t.Context(), "k")
		require.ErrorContains(t, err, "another part of an object")
	})
}

func TestAnObjectThatIsLargerThanAnyIsRefused(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Length", fmt.Sprint(math.MaxInt64))
				return
			}
			fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
		}))
		t.Cleanup(server.Close)
		s := open(t, place{endpoint: server.URL, bucket: "b"}).(blob.Mover)
		_, err := s.Download(t.Context(), "k", blobtest.File(t, 1), math.MaxInt64)
		require.ErrorContains(t, err, "more bytes than one can have; check the endpoint")
		_, err = s.Stat(t.Context(), "k")
		require.ErrorContains(t, err, "more bytes than one can have")
	})
}

func TestAListingIsOfWhatWasAskedFor(t *testing.T) {
	for name, page := range map[string]string{
		"a key outside of the prefix": "<Contents><Key>p/b</Key></Contents>",
		"the same page for ever":      "<IsTruncated>true</IsTruncated><Contents><Key>p/a/x</Key></Contents>",
		"more, and nothing":           "<IsTruncated>true</IsTruncated>",
		"no order":                    "<Contents><Key>p/a/y</Key></Contents><Contents><Key>p/a/x</Key></Contents>",
		"less than nothing":           "<Contents><Key>p/a/x</Key><Size>-5</Size></Contents>",
		"more than any disk has":      "<Contents><Key>p/a/x</Key><Size>9223372036854775807</Size></Contents>",
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					fmt.Fprintf(w, "<ListBucketResult>%s</ListBucketResult>", page)
				}))
				t.Cleanup(server.Close)
				var last error
				for _, err := range open(t, place{endpoint: server.URL, bucket: "b"}).List(t.Context(), "a/", "") {
					last = err
				}
				require.ErrorContains(t, last, "lists other objects than it was asked for")
			})
		})
	}
}

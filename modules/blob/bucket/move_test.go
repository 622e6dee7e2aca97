package bucket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

const fileSize = 18 << 20 // two parts

// mover opens a store that moves files by way of an endpoint.
func mover(t *testing.T, open func(*testing.T, place) blob.Store, p place, endpoint string) blobtest.Bucketlike {
	t.Helper()
	s, ok := open(t, p.by(endpoint)).(blobtest.Bucketlike)
	require.True(t, ok)
	return s
}

// once says whether a request is the first of its kind.
type once struct{ seen sync.Map }

func (o *once) first(r *http.Request) bool {
	_, again := o.seen.LoadOrStore(r.Method+r.URL.String()+r.Header.Get("Range"), true)
	return !again
}

// A truncated answer ends after some bytes, with its connection.
type truncated struct {
	http.ResponseWriter
	left int
}

func (w *truncated) Write(b []byte) (int, error) {
	if len(b) > w.left {
		_, _ = w.ResponseWriter.Write(b[:w.left])
		panic(http.ErrAbortHandler)
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}

func TestF20ADownloadWhosePartsBreakOffIsTakenUpWhereTheyStopped(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		f := blobtest.File(t, fileSize)
		_, err := mover(t, open, p, p.endpoint).Upload(t.Context(), f, "k", blob.PutOptions{})
		require.NoError(t, err)
		var seen once
		var asked atomic.Int64
		s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			if r.Method == http.MethodGet && r.Header.Get("Range") != "" {
				asked.Add(1)
				if seen.first(r) && asked.Load() <= 2 {
					w = &truncated{w, 1 << 20}
				}
			}
			through.ServeHTTP(w, r)
		}))
		back := blobtest.File(t, 1)
		_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
		require.NoError(t, err)
		require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
		require.Equal(t, int64(4), asked.Load(), "the rest of each part")
	})
}

func TestF20AnUploadOverAWireThatBreaksIsWholeInTheEnd(t *testing.T) {
	for _, tt := range blobtest.UploadFaults() {
		t.Run(tt.Name, func(t *testing.T) {
			each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
				p := onVersitygw(t)
				w := blobtest.NewWire(t, p.endpoint)
				s := mover(t, open, p, w.Endpoint())
				tt.Befall(w)
				for _, key := range []string{"k", "another"} {
					f, back := blobtest.File(t, fileSize), blobtest.File(t, 1)
					_, err := s.Upload(t.Context(), f, key, blob.PutOptions{})
					require.NoError(t, err)
					_, err = mover(t, open, p, p.endpoint).Download(t.Context(), key, back, math.MaxInt64)
					require.NoError(t, err)
					require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
				}
				require.Zero(t, uploads(t, p))
			})
		})
	}
}

func TestF19AnUploadThatMeetsSilenceIsGivenUpAndSentAgain(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		p.stall = time.Second
		var began, part atomic.Int64
		s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			switch {
			case r.URL.Query().Has("uploads") && r.Method == http.MethodPost && began.Add(1) == 1,
				r.URL.Query().Get("partNumber") == "1" && part.Add(1) == 1:
				blobtest.FallSilent(t, w, r)
			default:
				through.ServeHTTP(w, r)
			}
		}))
		f, back := blobtest.File(t, fileSize), blobtest.File(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := s.Upload(ctx, f, "k", blob.PutOptions{})
		require.NoError(t, err)
		require.Equal(t, []int64{2, 2}, []int64{began.Load(), part.Load()}, "a call and a part, once each after their silence")
		_, err = mover(t, open, p, p.endpoint).Download(t.Context(), "k", back, math.MaxInt64)
		require.NoError(t, err)
		require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
	})
}

func TestF21AnUploadWhosePartsAreRefusedForNowIsWholeInTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(w http.ResponseWriter, r *http.Request)
	}{
		{"503 SlowDown", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "<Error><Code>SlowDown</Code></Error>")
		}},
		{"a 200 with an error in it", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Method == http.MethodPost {
				fmt.Fprint(w, "<Error><Code>InternalError</Code><Message>so it is</Message></Error>")
				return
			}
			w.WriteHeader(http.StatusInternalServerError)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
				p := onVersitygw(t)
				var seen once
				s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
					if (isPart(r) || isComplete(r)) && seen.first(r) {
						tt.fail(w, r)
						return
					}
					through.ServeHTTP(w, r)
				}))
				f, back := blobtest.File(t, fileSize), blobtest.File(t, 1)
				_, err := s.Upload(t.Context(), f, "k", blob.PutOptions{})
				require.NoError(t, err)
				_, err = mover(t, open, p, p.endpoint).Download(t.Context(), "k", back, math.MaxInt64)
				require.NoError(t, err)
				require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
				require.Zero(t, uploads(t, p))
			})
		})
	}
}

func isPart(r *http.Request) bool { return r.URL.Query().Has("partNumber") }

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

func TestAnUploadThatIsRefusedLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			if r.URL.Query().Get("partNumber") == "2" {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, "<Error><Code>AccessDenied</Code></Error>")
				return
			}
			through.ServeHTTP(w, r)
		}))
		_, err := s.Upload(t.Context(), blobtest.File(t, fileSize), "k", blob.PutOptions{})
		require.True(t, cloud.Is(err, cloud.Denied), "%v", err)
		require.Zero(t, uploads(t, p))
		_, err = s.Stat(t.Context(), "k")
		require.ErrorIs(t, err, blob.ErrNotFound)
	})
}

func TestAnUploadThatIsGivenUpIsAborted(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		lost := errors.New("the lease is lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			if r.URL.Query().Get("partNumber") == "2" {
				cancel(lost)
			}
			through.ServeHTTP(w, r)
		}))
		_, err := s.Upload(ctx, blobtest.File(t, fileSize), "k", blob.PutOptions{})
		require.ErrorIs(t, err, lost)
		require.Zero(t, uploads(t, p))
		_, err = s.Stat(t.Context(), "k")
		require.ErrorIs(t, err, blob.ErrNotFound)
	})
}

func TestAnUploadWhoseLastAnswerIsLostIsFoundAgain(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		var lost atomic.Bool
		s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			if isComplete(r) && !lost.Swap(true) {
				through.ServeHTTP(discard{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
			through.ServeHTTP(w, r)
		}))
		in, err := s.Upload(t.Context(), blobtest.File(t, fileSize), "k", blob.PutOptions{})
		require.NoError(t, err)
		got, err := s.Stat(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, got.ETag, in.ETag)
	})
}

func TestF19ADownloadThatStallsIsTakenUpOrNamed(t *testing.T) {
	p := onVersitygw(t)
	p.stall = 300 * time.Millisecond
	f := blobtest.File(t, fileSize)
	s, w := p.through(t)
	m, ok := s.(blobtest.Bucketlike)
	require.True(t, ok)
	_, err := mover(t, func(t *testing.T, p place) blob.Store { s, _ := openS3(t, p); return s }, p, p.endpoint).
		Upload(t.Context(), f, "k", blob.PutOptions{})
	require.NoError(t, err)
	w.Add(dead)
	_, err = m.Download(t.Context(), "k", blobtest.File(t, 1), math.MaxInt64)
	require.ErrorContains(t, err, "download object k: ")
	require.Equal(t, fault.Transient, fault.Of(err))
}

func TestADownloadIsOfOneObject(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		direct := mover(t, open, p, p.endpoint)
		_, err := direct.Upload(t.Context(), blobtest.File(t, fileSize), "k", blob.PutOptions{})
		require.NoError(t, err)
		var replaced sync.Once
		s := mover(t, open, p, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			if r.Header.Get("Range") != "" {
				replaced.Do(func() { put(t, direct, "k", noise(fileSize)) })
			}
			through.ServeHTTP(w, r)
		}))
		_, err = s.Download(t.Context(), "k", blobtest.File(t, 1), math.MaxInt64)
		require.ErrorContains(t, err, "replaced or deleted while it was read")
	})
}

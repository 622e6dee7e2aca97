package bucket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func put(t *testing.T, s blob.Store, key string, b []byte) {
	t.Helper()
	_, err := s.Put(t.Context(), key, bytes.NewReader(b), blob.PutOptions{})
	require.NoError(t, err)
}

func TestATransferThatIsCutIsTakenUpWhereItStopped(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		w := blobtest.NewWire(t, p.endpoint)
		s := open(t, p.by(w.Endpoint()))
		want := noise(24 << 20) // more than lies in any buffer on the way
		put(t, s, "k", want)
		r, in, err := s.Open(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, int64(len(want)), in.Size)
		got := make([]byte, 1<<20)
		for range 3 {
			_, err = io.ReadFull(r, got[len(got)-1<<20:])
			require.NoError(t, err)
			w.Cut()
			got = append(got, make([]byte, 1<<20)...)
		}
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.True(t, bytes.Equal(want, append(got[:3<<20], rest...)))
	})
}

func TestAnObjectIsReadFromAnyPlaceOn(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		s := open(t, onVersitygw(t))
		want := noise(300_000)
		put(t, s, "k", want)
		r, _, err := s.Open(t.Context(), "k")
		require.NoError(t, err)
		defer r.Close()
		to := r.(io.Seeker)
		for _, from := range []int64{200_000, 10, 299_999, 0, 300_000} {
			at, err := to.Seek(from, io.SeekStart)
			require.NoError(t, err)
			require.Equal(t, from, at)
			some, err := io.ReadAll(io.LimitReader(r, 70_000))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want[from:min(from+70_000, int64(len(want)))], some))
		}
		for _, from := range []int64{-1, 300_001} {
			_, err := to.Seek(from, io.SeekStart)
			require.Error(t, err)
		}
		put(t, s, "k", noise(300_000))
		_, err = to.Seek(5, io.SeekStart)
		require.ErrorContains(t, err, "replaced", "it is another object")
	})
}

func TestATransferThatBreaksAgainAndAgainEndsWithItsPlace(t *testing.T) {
	p := onVersitygw(t)
	s, w := p.through(t)
	put(t, s, "k", noise(300_000))
	put(t, s, "large", noise(1<<20))
	w.Add(short)
	_, err := blob.ReadAll(t.Context(), s, "k", 1<<20)
	require.NoError(t, err)
	_, err = blob.ReadAll(t.Context(), s, "large", 1<<20)
	require.ErrorContains(t, err, "read object large: it stopped at byte 39")
	require.ErrorContains(t, err, " of 1048576: ")
	require.Equal(t, fault.Transient, fault.Of(err))
}

func TestTheRestOfAnotherObjectIsNotReadOn(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		for _, tt := range []struct {
			name string
			do   func(s blob.Store)
		}{
			{"replaced", func(s blob.Store) { put(t, s, "k", noise(1)) }},
			{"deleted", func(s blob.Store) { require.NoError(t, s.Delete(t.Context(), "k")) }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := onVersitygw(t)
				w := blobtest.NewWire(t, p.endpoint)
				s := open(t, p.by(w.Endpoint()))
				put(t, s, "k", noise(24<<20))
				r, _, err := s.Open(t.Context(), "k")
				require.NoError(t, err)
				_, err = io.ReadFull(r, make([]byte, 1000))
				require.NoError(t, err)
				tt.do(open(t, p))
				w.Cut()
				_, err = io.Copy(io.Discard, r)
				require.ErrorContains(t, err, "replaced or deleted while it was read")
				require.NoError(t, r.Close())
			})
		}
	})
}

func TestAServerThatSendsAllInPlaceOfTheRestIsNotReadOn(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		endpoint := blobtest.Fake(t)
		p := place{endpoint: endpoint, bucket: blobtest.Bucket(t, endpoint)}
		put(t, open(t, p), "k", noise(24<<20))
		w := blobtest.NewWire(t, between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			r.Header.Del("Range")
			through.ServeHTTP(w, r)
		}))
		r, _, err := open(t, p.by(w.Endpoint())).Open(t.Context(), "k")
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 1000))
		require.NoError(t, err)
		w.Cut()
		_, err = io.Copy(io.Discard, r)
		require.ErrorContains(t, err, "sends another part of an object")
		require.Equal(t, fault.Transient, fault.Of(err))
		require.NoError(t, r.Close())
	})
}

// TestAKeyThatNoXMLCanHoldIsPassedOver answers as Amazon S3 does, with and without the encoding that is asked for.
func TestAKeyThatNoXMLCanHoldIsPassedOver(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		endpoint := between(t, "http://127.0.0.1:1", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			strange, how := "p/a&#x8;b", ""
			if r.URL.Query().Get("encoding-type") == "url" {
				strange, how = "p/a%08b", "<EncodingType>url</EncodingType>"
			}
			fmt.Fprintf(w, `<ListBucketResult>%s<Contents><Key>%s</Key></Contents><Contents><Key>p/good.yaml</Key></Contents></ListBucketResult>`,
				how, strange)
		})
		var keys []string
		for in, err := range open(t, place{endpoint: endpoint, bucket: "b"}).List(t.Context(), "", "") {
			require.NoError(t, err)
			keys = append(keys, in.Key)
		}
		require.Equal(t, []string{"good.yaml"}, keys)
	})
}

func TestASlowTransferIsLetRun(t *testing.T) {
	p := onVersitygw(t)
	p.stall = 500 * time.Millisecond
	s, w := p.through(t)
	want := noise(10_000)
	put(t, s, "k", want)
	w.Add(slow)
	begin := time.Now()
	got, err := blob.ReadAll(t.Context(), s, "k", 1<<20)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	require.Greater(t, time.Since(begin), p.stall)
}

func TestATransferThatStallsEnds(t *testing.T) {
	p := onVersitygw(t)
	p.stall = 200 * time.Millisecond
	s, w := p.through(t)
	put(t, s, "k", noise(24<<20))
	r, _, err := s.Open(t.Context(), "k")
	require.NoError(t, err)
	w.Add(dead)
	_, err = io.Copy(io.Discard, r)
	require.ErrorContains(t, err, "read object k: it stopped at byte ")
	require.Equal(t, fault.Transient, fault.Of(err))
	require.NoError(t, r.Close())
}

func TestACallThatGetsNoAnswerEnds(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		p.stall = 100 * time.Millisecond
		w := blobtest.NewWire(t, p.endpoint)
		s := open(t, p.by(w.Endpoint()))
		w.Add(blobtest.Silence)
		_, _, openErr := s.Open(t.Context(), "k")
		for _, err := range []error{openErr, s.Create(t.Context(), "k", nil)} {
			require.ErrorContains(t, err, "no answer in time")
			require.True(t, cloud.Is(err, cloud.Unreachable))
			require.Equal(t, fault.Transient, fault.Of(err))
		}
	})
}

func TestTimeThatTheReaderTakesIsNoStall(t *testing.T) {
	p := onVersitygw(t)
	p.stall = 200 * time.Millisecond
	s, _ := p.through(t)
	want := noise(1 << 20)
	put(t, s, "k", want)
	r, _, err := s.Open(t.Context(), "k")
	require.NoError(t, err)
	got := make([]byte, 1000)
	_, err = io.ReadFull(r, got)
	require.NoError(t, err)
	time.Sleep(2 * p.stall)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.True(t, bytes.Equal(want, append(got, rest...)))
}

func TestATransferEndsWithItsContext(t *testing.T) {
	p := onVersitygw(t)
	s, w := p.through(t)
	put(t, s, "k", noise(24<<20))
	ctx, cancel := context.WithCancelCause(t.Context())
	r, _, err := s.Open(ctx, "k")
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 1000))
	require.NoError(t, err)
	w.Add(dead)
	lost := fault.As(fault.Canceled, io.ErrNoProgress)
	time.AfterFunc(50*time.Millisecond, func() { cancel(lost) })
	_, err = io.Copy(io.Discard, r)
	require.ErrorIs(t, err, lost)
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 1))
	require.ErrorContains(t, err, "the object was closed")
}

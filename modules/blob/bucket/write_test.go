package bucket_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
)

func uploads(t *testing.T, p place) int {
	t.Helper()
	out, err := blobtest.Client(p.endpoint).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &p.bucket})
	require.NoError(t, err)
	return len(out.Uploads)
}

func TestALargeObjectIsPutInPartsAndSeenWhole(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		s := open(t, p)
		spool := func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") }
		for _, put := range []struct {
			size  int
			spool func() (*os.File, error)
		}{{8 << 20, nil}, {8<<20 + 1, spool}, {3, spool}, {8<<20 + 1, nil}} {
			size, want := put.size, noise(put.size)
			in, err := s.Put(t.Context(), "k", bytes.NewReader(want), blob.PutOptions{Spool: put.spool})
			require.NoError(t, err)
			require.Equal(t, int64(size), in.Size)
			got, err := blob.ReadAll(t.Context(), s, "k", 32<<20)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), size)
		}
		broken := errors.New("source broke")
		_, err := s.Put(t.Context(), "k", io.MultiReader(bytes.NewReader(noise(17<<20)), iotest.ErrReader(broken)), blob.PutOptions{})
		require.ErrorIs(t, err, broken)
		got, err := blob.ReadAll(t.Context(), s, "k", 32<<20)
		require.NoError(t, err)
		require.Len(t, got, 8<<20+1, "as it was")
		require.Zero(t, uploads(t, p))
	})
}

// answers fail with the first codes, one after the other, before requests get through.
func failing(t *testing.T, endpoint, method string, answers ...string) string {
	t.Helper()
	var n atomic.Int32
	return between(t, endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
		if r.Method != method {
			through.ServeHTTP(w, r)
			return
		}
		i := int(n.Add(1)) - 1
		if i >= len(answers) {
			through.ServeHTTP(w, r)
			return
		}
		status, code, _ := strings.Cut(answers[i], " ")
		w.WriteHeader(map[string]int{"503": 503, "500": 500, "409": 409, "403": 403}[status])
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>so it is</Message></Error>", code)
	})
}

func TestWhatPassesIsTriedAgainAndWhatDoesNotIsNot(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		s := open(t, p.by(failing(t, p.endpoint, http.MethodPut, "503 SlowDown", "409 ConditionalRequestConflict", "500 InternalError")))
		require.NoError(t, s.Create(t.Context(), "k", []byte("x")))

		s = open(t, p.by(failing(t, p.endpoint, http.MethodPut, "403 AccessDenied")))
		err := s.Create(t.Context(), "k2", []byte("x"))
		require.True(t, cloud.Is(err, cloud.Denied), "%v", err)
		require.EqualError(t, err, "create object k2: put into "+strings.TrimSuffix(fmt.Sprint(s), "/p")+
			": the credentials are wrong, have expired, or lack the permission (AccessDenied)")

		slowDown := []string{"503 SlowDown", "503 SlowDown", "503 SlowDown", "503 SlowDown"}
		s = open(t, p.by(failing(t, p.endpoint, http.MethodPut, slowDown...)))
		err = s.Create(t.Context(), "k3", []byte("x"))
		require.True(t, cloud.Is(err, cloud.Throttled), "%v", err)
		require.Equal(t, fault.Transient, fault.Of(err))
		require.NoError(t, s.Create(t.Context(), "k3", []byte("x")))

		s = open(t, p.by(failing(t, p.endpoint, http.MethodGet)))
		_, _, err = s.Open(t.Context(), "none")
		require.ErrorIs(t, err, blob.ErrNotFound)
	})
}

func TestACreateWhoseAnswerIsLostStandsAndSaysThatItExists(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		var lost atomic.Bool
		s := open(t, p.by(between(t, p.endpoint, func(w http.ResponseWriter, r *http.Request, through http.Handler) {
			if r.Method == http.MethodPut && !lost.Swap(true) {
				through.ServeHTTP(discard{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
			through.ServeHTTP(w, r)
		})))
		require.ErrorIs(t, s.Create(t.Context(), "k", []byte("mine")), blob.ErrExists)
		got, err := blob.ReadAll(t.Context(), s, "k", 10)
		require.NoError(t, err)
		require.Equal(t, "mine", string(got))
	})
}

// discard takes an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestALargeObjectThatExistsIsNotReplacedByACreate(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		s := open(t, onVersitygw(t))
		first := noise(300_000)
		require.NoError(t, s.Create(t.Context(), "k", first))
		require.ErrorIs(t, s.Create(t.Context(), "k", noise(300_000)), blob.ErrExists)
		got, err := blob.ReadAll(t.Context(), s, "k", 1<<20)
		require.NoError(t, err)
		require.True(t, bytes.Equal(first, got))
	})
}

func TestAStoreThatCanNotBeReachedIsNamedAtStart(t *testing.T) {
	endpoint := servertest.Versitygw(t)
	gone := between(t, endpoint, func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) })
	none := strings.ToLower("none-" + rand.Text())
	for name, open := range drivers {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, place{endpoint: endpoint, bucket: none})
			require.True(t, cloud.Is(err, cloud.Missing), "%v", err)
			require.ErrorContains(t, err, none+"/p: it does not exist (NoSuchBucket); check name, account and region")
			_, err = open(t, place{endpoint: gone, bucket: none})
			require.True(t, cloud.Is(err, cloud.Unreachable), "%v", err)
			_, err = open(t, place{endpoint: "http://127.0.0.1:1", bucket: none})
			require.True(t, cloud.Is(err, cloud.Unreachable), "%v", err)
			require.ErrorContains(t, err, "connection refused")
			require.NotContains(t, err.Error(), "\n")
			_, err = open(t, place{endpoint: endpoint})
			require.ErrorContains(t, err, "no bucket is given")
		})
	}
}

func TestABucketThatIsGoneIsNotAnObjectThatIsNotThere(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		s := open(t, p)
		_, err := blobtest.Client(p.endpoint).DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &p.bucket})
		require.NoError(t, err)
		_, _, err = s.Open(t.Context(), "k")
		require.NotErrorIs(t, err, blob.ErrNotFound)
		require.True(t, cloud.Is(err, cloud.Missing), "%v", err)
		require.True(t, cloud.Is(s.Delete(t.Context(), "k"), cloud.Missing))
	})
}

func TestAPrefixKeepsStoresApart(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		p := onVersitygw(t)
		s := open(t, p)
		client := blobtest.Client(p.endpoint)
		for _, other := range []string{"k", "p2/k", "p/folder/"} {
			_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.bucket, Key: &other})
			require.NoError(t, err)
		}
		require.NoError(t, s.Create(t.Context(), "k", []byte("ours")))
		var keys []string
		for in, err := range s.List(t.Context(), "", "") {
			require.NoError(t, err)
			keys = append(keys, in.Key)
		}
		require.Equal(t, []string{"k"}, keys, "nor a console's folder")
		long := strings.Repeat("k", blob.MaxKeyBytes-1)
		_, ok := errors.AsType[*blob.KeyError](s.Create(t.Context(), long, nil))
		require.True(t, ok)
	})
}

func TestAListOfMoreThanAPageIsWhole(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		endpoint := blobtest.Fake(t)
		s := open(t, place{endpoint: endpoint, bucket: blobtest.Bucket(t, endpoint)})
		const objects = 1005
		for i := range objects {
			require.NoError(t, s.Create(t.Context(), fmt.Sprintf("jobs/%04d", i), nil))
		}
		n := 0
		for in, err := range s.List(t.Context(), "jobs/", "jobs/0001") {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("jobs/%04d", n+2), in.Key)
			n++
		}
		require.Equal(t, objects-2, n)
	})
}

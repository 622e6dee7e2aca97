package blobtest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

// A Bucketlike is a store that moves files too.
type Bucketlike interface {
	blob.Store
	blob.Mover
}

const part = 16 << 20 // of what buckets move

// RunMover holds a store to the promises of blob.Mover. open returns an empty store; it is called once for each promise.
func RunMover(t *testing.T, open func(t *testing.T) Bucketlike) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Bucketlike)
	}{
		{"a file comes back as it was, whatever its size", filesComeBack},
		{"what is known of an object comes back", optionsComeBack},
		{"an upload replaces the whole object", uploadReplaces},
		{"a download replaces what the file held", downloadReplaces},
		{"what is not there is ErrNotFound", notThere},
		{"a file that changes meanwhile is an error", changedFile},
		{"an upload that is given up leaves nothing", givenUp},
		{"keys that could leave the store are refused", badMoverKeys},
		{"options that could become headers are refused", badOptions},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// File is a new file of so many bytes that nobody can guess.
func File(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], rand.Uint64())
	_, err = io.CopyN(f, rand.NewChaCha8(seed), size)
	require.NoError(t, err)
	return f
}

// Sum is the hash of all that a file holds.
func Sum(t testing.TB, f *os.File) string {
	t.Helper()
	h := sha256.New()
	in, err := f.Stat()
	require.NoError(t, err)
	_, err = io.Copy(h, io.NewSectionReader(f, 0, in.Size()))
	require.NoError(t, err)
	return fmt.Sprintf("%d bytes %x", in.Size(), h.Sum(nil))
}

func filesComeBack(t *testing.T, s Bucketlike) {
	for _, size := range []int64{0, 1, 8<<20 + 1, part - 1, part, part + 1, 40 << 20} {
		f := File(t, size)
		_, err := f.Seek(size/2, io.SeekStart)
		require.NoError(t, err)
		in, err := s.Upload(t.Context(), f, "a/k", blob.PutOptions{})
		require.NoError(t, err, size)
		require.Equal(t, "a/k", in.Key)
		require.Equal(t, size, in.Size)
		back := File(t, 10)
		got, err := s.Download(t.Context(), "a/k", back, math.MaxInt64)
		require.NoError(t, err, size)
		require.Equal(t, size, got.Size)
		require.Equal(t, Sum(t, f), Sum(t, back))
	}
}

func optionsComeBack(t *testing.T, s Bucketlike) {
	o := blob.PutOptions{ContentType: "model/gltf-binary", CacheControl: "max-age=60", Metadata: map[string]string{"Colour": "blau", "name": "Stuhl grün, 3€"}}
	metadata := map[string]string{"colour": "blau", "name": "Stuhl grün, 3€"}
	for _, size := range []int64{1, part + 1} {
		put, err := s.Upload(t.Context(), File(t, size), "k", o)
		require.NoError(t, err)
		got, err := s.Stat(t.Context(), "k")
		require.NoError(t, err)
		for _, in := range []blob.Info{put, got} {
			require.Equal(t, "k", in.Key)
			require.Equal(t, size, in.Size)
			require.Equal(t, o.ContentType, in.ContentType)
			require.Equal(t, metadata, in.Metadata)
			require.WithinDuration(t, time.Now(), in.Modified, time.Minute)
			require.NotEmpty(t, in.ETag)
		}
	}
	put, err := s.Put(t.Context(), "k", strings.NewReader("x"), blob.PutOptions{})
	require.NoError(t, err)
	require.Equal(t, "application/octet-stream", put.ContentType)
}

func uploadReplaces(t *testing.T, s Bucketlike) {
	put(t, s, "k", "a long first object")
	_, err := s.Upload(t.Context(), File(t, 3), "k", blob.PutOptions{})
	require.NoError(t, err)
	require.Len(t, read(t, s, "k"), 3)
}

func downloadReplaces(t *testing.T, s Bucketlike) {
	put(t, s, "k", "short")
	f := File(t, 100)
	_, err := s.Download(t.Context(), "k", f, math.MaxInt64)
	require.NoError(t, err)
	b, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "short", string(b))
	_, err = s.Download(t.Context(), "k", f, 4)
	require.ErrorIs(t, err, blob.ErrTooLarge)
	b, err = os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "short", string(b), "nothing is written of what is refused")
}

func notThere(t *testing.T, s Bucketlike) {
	put(t, s, "a/b", "x")
	for _, key := range []string{"none", "a", "a/b/c"} {
		_, err := s.Stat(t.Context(), key)
		require.ErrorIs(t, err, blob.ErrNotFound, key)
		_, err = s.Download(t.Context(), key, File(t, 1), math.MaxInt64)
		require.ErrorIs(t, err, blob.ErrNotFound, key)
	}
}

// changedFile changes the file again and again, from before its upload until after it.
func changedFile(t *testing.T, s Bucketlike) {
	f := File(t, 3*part)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				_, _ = f.WriteAt([]byte{byte(i)}, i%(3*part))
			}
		}
	}()
	_, err := s.Upload(t.Context(), f, "k", blob.PutOptions{})
	close(stop)
	<-done
	require.ErrorContains(t, err, "the file was changed while it was uploaded")
	require.Equal(t, fault.Transient, fault.Of(err))
	require.Empty(t, keys(t, s, "", ""))
}

func givenUp(t *testing.T, s Bucketlike) {
	enough := errors.New("the lease is lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := File(t, 3*part)
	time.AfterFunc(20*time.Millisecond, func() { cancel(enough) })
	_, err := s.Upload(ctx, f, "k", blob.PutOptions{})
	require.ErrorIs(t, err, enough)
	require.Empty(t, keys(t, s, "", ""))
	_, err = s.Download(ctx, "k", f, math.MaxInt64)
	require.ErrorIs(t, err, enough)
}

func badMoverKeys(t *testing.T, s Bucketlike) {
	f := File(t, 1)
	for _, key := range []string{"", "/a", "a/", "../a", "a/../../b", ".", "a\x00", "a\n", `a\b`, strings.Repeat("k", 1025)} {
		_, upErr := s.Upload(t.Context(), f, key, blob.PutOptions{})
		_, downErr := s.Download(t.Context(), key, f, math.MaxInt64)
		_, statErr := s.Stat(t.Context(), key)
		for _, err := range []error{upErr, downErr, statErr} {
			_, ok := errors.AsType[*blob.KeyError](err)
			require.True(t, ok, "key %q: %v", key, err)
		}
	}
	require.Empty(t, keys(t, s, "", ""))
}

func badOptions(t *testing.T, s Bucketlike) {
	for _, o := range []blob.PutOptions{
		{ContentType: "text/html\r\nx-amz-acl: public-read"},
		{CacheControl: "a\nb"},
		{ACL: "public-read\n"},
		{StorageClass: strings.Repeat("x", 2000)},
		{Metadata: map[string]string{"a:b": "x"}},
		{Metadata: map[string]string{"a": "x\r\ny"}},
		{Metadata: map[string]string{"": "x"}},
		{Metadata: map[string]string{"a": strings.Repeat("x", 3000)}},
	} {
		_, err := s.Upload(t.Context(), File(t, 1), "k", o)
		require.Equal(t, fault.Permanent, fault.Of(err), "%v: %v", o, err)
		_, err = s.Put(t.Context(), "k", strings.NewReader("x"), o)
		require.Equal(t, fault.Permanent, fault.Of(err), "%v: %v", o, err)
		require.Less(t, len(err.Error()), 400)
	}
	require.Empty(t, keys(t, s, "", ""))
}

package dirblob_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/dirblob"
)

func open(t testing.TB, dir string) *dirblob.Store {
	s, err := dirblob.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func TestTwoStoresOnOneFolderSeeEachOther(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	a, b := open(t, dir), open(t, dir)
	require.NoError(t, a.Create(t.Context(), "jobs/1/final", []byte("a")))
	require.ErrorIs(t, b.Create(t.Context(), "jobs/1/final", []byte("b")), blob.ErrExists)
	got, err := blob.ReadAll(t.Context(), b, "jobs/1/final", 10)
	require.NoError(t, err)
	require.Equal(t, "a", string(got))
}

func TestFoldersRemovedBehindOurBackAreMadeAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create(t.Context(), "a/b/c", nil))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "a")))
	require.NoError(t, s.Create(t.Context(), "a/b/c", nil))
}

func TestAnObjectCannotBeAFolderToo(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Create(t.Context(), "a/b", nil))
	err := s.Create(t.Context(), "a", nil)
	require.ErrorContains(t, err, "a folder of other objects has this name")
	require.NotErrorIs(t, err, blob.ErrExists)
	_, intoFolder := s.Put(t.Context(), "a", strings.NewReader("x"), blob.PutOptions{})
	_, belowObject := s.Put(t.Context(), "a/b/c", strings.NewReader("x"), blob.PutOptions{})
	for _, err := range []error{err, intoFolder, belowObject, s.Create(t.Context(), "a/b/c", nil)} {
		_, ok := errors.AsType[*blob.KeyError](err)
		require.True(t, ok, err)
	}
}

func TestKeysDoNotLeaveTheFolderThroughALink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	s := open(t, dir)
	_, _, err := s.Open(t.Context(), "out/secret")
	require.Error(t, err)
	require.Error(t, s.Create(t.Context(), "out/evil", nil))
	require.NoFileExists(t, filepath.Join(outside, "evil"))
	for in, err := range s.List(t.Context(), "", "") {
		require.NoError(t, err)
		t.Fatalf("listed %s", in.Key)
	}
}

func TestTheTemporaryFolderHoldsNoObjects(t *testing.T) {
	s := open(t, t.TempDir())
	require.ErrorContains(t, s.Create(t.Context(), ".tmp/x", nil), "the store's own folder")
	require.NoError(t, s.Create(t.Context(), ".tmpx/x", nil))
	require.NoError(t, s.Create(t.Context(), "a/.tmp", nil))
}

func TestSweepTakesWhatDeadWritersLeft(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Create(t.Context(), "a", []byte("kept")))
	left, young := filepath.Join(dir, ".tmp", "left"), filepath.Join(dir, ".tmp", "young")
	require.NoError(t, os.WriteFile(left, []byte("half an obj"), 0o600))
	require.NoError(t, os.WriteFile(young, []byte("being writ"), 0o600))
	old := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(left, old, old))
	n, err := s.Sweep(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoFileExists(t, left)
	require.FileExists(t, young)
	_, _, err = s.Open(t.Context(), "a")
	require.NoError(t, err)
}

func TestNothingTemporaryIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for range 3 {
		err := s.Create(t.Context(), "a/b", []byte("x"))
		require.True(t, err == nil || strings.Contains(err.Error(), "exists"))
		_, err = s.Put(t.Context(), "a/c", strings.NewReader("y"), blob.PutOptions{})
		require.NoError(t, err)
		_, err = s.Put(t.Context(), "a/b/c", strings.NewReader("z"), blob.PutOptions{})
		require.Error(t, err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

// BenchmarkCreate makes two objects a job, the first in a folder of the job's own, as a job's record does. It reports
// jobs and creates a second, the time of two creates at the median and the 99th percentile, and the disk's own
// fsync.
func BenchmarkCreate(b *testing.B) {
	body := []byte(strings.Repeat("x", 900))
	for _, callers := range []int{2, 16, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, b.TempDir())
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			b.SetParallelism(callers / 2) // times GOMAXPROCS, which is 2 where the figures are taken
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := next.Add(1) - 1
					start := time.Now()
					dir := fmt.Sprintf("jobs/%02x/%d/", i%256, i)
					for _, name := range []string{"attempt-1", "final"} {
						if err := s.Create(b.Context(), dir+name, body); err != nil {
							b.Error(err)
							return
						}
					}
					took[i] = time.Since(start)
				}
			})
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "creates/s")
			b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[b.N*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(fsyncTime(b).Microseconds()), "fsync-µs")
		})
	}
}

// fsyncTime is how long the disk takes to make a small new file durable, on average.
func fsyncTime(b *testing.B) time.Duration {
	const files = 50
	dir := b.TempDir()
	start := time.Now()
	for i := range files {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		require.NoError(b, err)
		_, err = f.WriteString("x")
		require.NoError(b, err)
		require.NoError(b, f.Sync())
		require.NoError(b, f.Close())
	}
	return time.Since(start) / files
}

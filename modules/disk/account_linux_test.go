package disk_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsWrittenOfAReservationDoesNotCountTwice(t *testing.T) {
	s := open(t, 6<<30)
	job := t.TempDir()
	release, err := s.Reserve(job, 4<<30)
	require.NoError(t, err)
	out := filepath.Join(job, "out")
	f, err := os.Create(out)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, syscall.Fallocate(int(f.Fd()), 0, 0, 3<<30))
	require.NoError(t, os.Link(out, filepath.Join(job, "again")))
	sibling, err := s.Reserve(t.TempDir(), 1<<30)
	require.NoError(t, err, "2 GiB are free, and 1 GiB of them is reserved")
	sibling()
	_, err = s.Reserve(t.TempDir(), 5<<30>>1)
	require.ErrorContains(t, err, "the task needs 2560 MiB of disk, and ", "a second name is no second file")
	release()
}

func TestFoldersAreLookedThroughOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, 6<<27)
		job, sibling := t.TempDir(), t.TempDir()
		release, err := s.Reserve(job, 4<<27)
		require.NoError(t, err)
		defer release()
		_, err = s.Reserve(sibling, 3<<27) // has somebody look, before anything is written
		require.Error(t, err)
		f, err := os.Create(filepath.Join(job, "out"))
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, syscall.Fallocate(int(f.Fd()), 0, 0, 3<<27))
		_, err = s.Reserve(sibling, 1<<27)
		require.Error(t, err)
		time.Sleep(time.Second)
		again, err := s.Reserve(sibling, 1<<27)
		require.NoError(t, err)
		again()

		require.NoError(t, f.Truncate(0))
		_, err = s.Reserve(sibling, 3<<27)
		require.Error(t, err, "what has gone again does not count as written and as free")
	})
}

// Who wrote what of a disk may be another an hour later, and as much of it free.
func TestWhatWasWrittenLongAgoIsLookedAtAgainBeforeItIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, 6<<27)
		job, stranger := t.TempDir(), t.TempDir()
		release, err := s.Reserve(job, 4<<27)
		require.NoError(t, err)
		defer release()
		write := func(dir string) *os.File {
			f, err := os.Create(filepath.Join(dir, "out"))
			require.NoError(t, err)
			t.Cleanup(func() { f.Close() })
			require.NoError(t, syscall.Fallocate(int(f.Fd()), 0, 0, 3<<27))
			return f
		}
		gone := write(job)
		again, err := s.Reserve(t.TempDir(), 1<<27)
		require.NoError(t, err)
		again()

		require.NoError(t, gone.Truncate(0))
		write(stranger)
		time.Sleep(time.Hour)
		_, err = s.Reserve(t.TempDir(), 1<<27)
		require.Error(t, err, "there is less than the first job may still write")
	})
}

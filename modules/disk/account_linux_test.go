package disk_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

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

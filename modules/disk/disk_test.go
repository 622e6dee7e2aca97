package disk_test

import (
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
)

// open returns a disk of which about n bytes may be reserved, whatever is free here. The disk is the machine's, on which
// others write: tests must stand some megabytes more or less.
func open(t *testing.T, n int64) *disk.Space {
	t.Helper()
	dir := t.TempDir()
	free, err := disk.New(dir, 0).Free()
	require.NoError(t, err)
	return disk.New(dir, free-n)
}

func TestReservationsAreCountedUntilTheyAreGivenBack(t *testing.T) {
	s := open(t, 8<<30)
	release, err := s.Reserve("", 6<<30)
	require.NoError(t, err)
	_, err = s.Reserve("", 6<<30)
	full := new(disk.FullError)
	require.ErrorAs(t, err, &full)
	require.Equal(t, int64(6<<30), full.Reserved)
	require.Equal(t, fault.Transient, fault.Of(err))
	require.ErrorContains(t, err, "the task needs 6144 MiB of disk, and ")
	require.True(t, disk.Full(err))
	release()
	release() // counts once
	_, err = s.Reserve("", 6<<30)
	require.NoError(t, err)
	_, err = s.Reserve("", 6<<30)
	require.Error(t, err)
}

func TestNoTwoTasksGetTheSameSpace(t *testing.T) {
	s := open(t, 8<<30)
	var wg sync.WaitGroup
	var got atomic.Int64
	for range 64 {
		wg.Go(func() {
			if _, err := s.Reserve("", 3<<30); err == nil {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 2, got.Load())
}

func TestADiskThatCouldNeverHoldItSaysSo(t *testing.T) {
	_, err := disk.New(t.TempDir(), 0).Reserve("", math.MaxInt64)
	require.ErrorContains(t, err, "the task needs 8796093022208 MiB of disk, and there are ")
	require.ErrorContains(t, err, "MiB in all here; it runs on a worker with a larger one")
	require.Equal(t, fault.Transient, fault.Of(err))
}

func TestAJobLeavesTheOthersSomeOfTheDisk(t *testing.T) {
	s := open(t, 1<<50) // so much that what is in use makes no difference
	job, most := t.TempDir(), int64(9<<50/10)
	other, err := s.Reserve("other", 1<<20)
	require.NoError(t, err)
	full := new(disk.FullError)
	_, err = s.Reserve(job, most)
	require.ErrorAs(t, err, &full)
	require.False(t, full.Never(), "it would have it if no other job had any")
	part, err := s.Reserve(job, 1<<49)
	require.NoError(t, err)
	_, err = s.Reserve(job, 1<<49>>1)
	require.NoError(t, err)
	_, err = s.Reserve(job, 1<<48)
	require.ErrorAs(t, err, &full, "all its reservations count")
	part()
	other()
	_, err = s.Reserve(job, 5<<50>>3)
	require.NoError(t, err, "nobody else has any")
}

// What others have is no fault of a job, as long as it asks for no more than its share.
func TestARefusalSaysWhoIsInTheWay(t *testing.T) {
	const part = 1 << 50 / 20 // of a disk that is so large that what is in use makes no difference
	for _, tt := range []struct {
		name              string
		others, own, need int64
		inOwnWay          bool
	}{
		{"others, of a job that has none", 10, 0, 12, false},
		{"others, of a job that has some", 8, 4, 10, false},
		{"the job, with more than its share", 1, 12, 6, true},
		{"the job, with more than there is", 1, 4, 19, true},
		{"nobody, where there is no more", 1, 4, 30, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, 1<<50)
			_, err := s.Reserve("others", tt.others*part)
			require.NoError(t, err)
			_, err = s.Reserve("job", tt.own*part)
			require.NoError(t, err)
			_, err = s.Reserve("job", tt.need*part)
			full := new(disk.FullError)
			require.ErrorAs(t, err, &full)
			require.Equal(t, tt.inOwnWay, full.Own())
		})
	}
}

func TestAReservationOfNothingOutlivesTheOthersOfItsFolder(t *testing.T) {
	s := open(t, 1<<30)
	none, err := s.Reserve("", 0)
	require.NoError(t, err)
	some, err := s.Reserve("", 1<<20)
	require.NoError(t, err)
	some()
	none()
	again, err := s.Reserve("", 1<<29)
	require.NoError(t, err)
	again()
}

func TestV47NoJobBeginsOnADiskWhoseRestIsReserved(t *testing.T) {
	s := open(t, 4<<30)
	require.NoError(t, s.Ready())
	s = open(t, -4<<30)
	require.ErrorContains(t, s.Ready(), "no message is taken below")
	require.ErrorIs(t, disk.New("/no/such/folder", 0).Ready(), fs.ErrNotExist)
}

func TestF23F24AFullDiskIsKnownByItsError(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"no space", fmt.Errorf("write: %w", &fs.PathError{Err: syscall.ENOSPC}), true},
		{"quota", fmt.Errorf("write: %w", &fs.PathError{Err: syscall.EDQUOT}), true},
		{"another fault", &fs.PathError{Err: syscall.EIO}, false},
		{"none", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, disk.Full(tt.err)) })
	}
}

package disk

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// An account is what is reserved for the work in one folder, and what of it lies there by now.
type account struct {
	reserved int64
	before   int64 // bytes that lay there when the first of it was reserved; unknown is all of it
	now      int64 // bytes that lay there when somebody looked last
}

func newAccount(dir string) *account {
	if dir != "" {
		if n, whole := contents(dir); whole {
			return &account{before: n, now: n}
		}
	}
	return &account{before: unknown}
}

// unknown is the size of a folder that nobody has looked through: nothing in it is taken to be of a reservation.
const unknown = 1 << 62

// maxEntries is how many files of a folder are looked at. It takes some milliseconds.
const maxEntries = 10_000

// written is how much of an account had been written by then, at least.
func (a *account) written() int64 { return min(max(a.now-a.before, 0), a.reserved) }

// contents is how many bytes of the disk the files below a folder take; whole says whether all of them were looked at. The
// folder is a job's: a file with several names counts once at most, and what can't be looked at does not.
func contents(dir string) (bytes int64, whole bool) {
	left := maxEntries
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if left--; left < 0 {
			return fs.SkipAll
		}
		if err != nil {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() {
			bytes += st.Blocks * 512 / max(int64(st.Nlink), 1)
		}
		return nil
	})
	return bytes, left >= 0
}

package dirblob

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// nameless makes a file that nothing names: a crash leaves nothing of it.
func (s *Store) nameless() (*os.File, error) {
	return s.root.OpenFile(tempDir, os.O_WRONLY|unix.O_TMPFILE, 0o666)
}

// linkNameless gives such a file a name (open(2), O_TMPFILE).
func linkNameless(f, dir *os.File, name string) error {
	from := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	err := unix.Linkat(unix.AT_FDCWD, from, int(dir.Fd()), name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: "unnamed file", New: name, Err: err}
	}
	return nil
}

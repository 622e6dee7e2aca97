// Package disk counts the space of a disk that several jobs write to, and knows the errors of a full one.
package disk

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/millrace/millrace/modules/fault"
)

// A Space is the disk below a folder. Make one for each disk; its methods may be called from any goroutine.
type Space struct {
	// Shared says that several jobs use the disk: no folder then has more than three quarters of it reserved, so that one job
	// leaves the others some.
	Shared bool

	dir  string
	keep int64

	mu       sync.Mutex
	reserved int64               // guarded by mu
	accounts map[string]*account // by folder, guarded by mu
}

// New returns the disk that dir lies on. keep is how many bytes of it stay free, whoever asks.
func New(dir string, keep int64) *Space {
	return &Space{dir: dir, keep: keep, accounts: map[string]*account{}}
}

// Free returns how many bytes can be reserved now. What has been written of a reservation is not counted twice, as far as
// that is easily seen: see Reserve.
func (s *Space) Free() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := look(s.dir)
	if err != nil {
		return 0, err
	}
	return s.beyond(u, 0), nil
}

// Usage is how many bytes the disk has, how many of them anybody could write now, and how many are reserved.
func (s *Space) Usage() (size, free, reserved int64, err error) {
	u, err := look(s.dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.size, u.free, s.reserved, err
}

// beyond is how much is free beyond what is reserved. Folders are looked through only where it would be less than n. The
// caller holds mu.
func (s *Space) beyond(u usage, n int64) int64 {
	free := u.free - s.keep - s.reserved
	if free >= n {
		return free
	}
	for dir, a := range s.accounts {
		free += a.written(dir)
	}
	return free
}

// Reserve keeps n bytes, 0 or more, for work in the folder dir until release, which may be called more than once. What
// the folder grows by meanwhile, up to that, is taken to be part of it where the folder has at most 10,000 entries; where
// dir is empty nobody looks. Bytes that are not to be had are a *FullError at once, which is transient: other jobs end, and give
// theirs back.
func (s *Space) Reserve(dir string, n int64) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = max(n, 0)
	u, err := look(s.dir)
	if err != nil {
		return nil, err
	}
	most := u.size - s.keep
	if s.Shared {
		most = most / 4 * 3
	}
	a := s.account(dir)
	if free := s.beyond(u, n); n > 0 && (n > free || n > most-a.reserved) {
		return nil, fault.As(fault.Transient, &FullError{Need: n, Free: max(min(free, most-a.reserved), 0), Reserved: s.reserved, Size: most})
	}
	s.accounts[dir] = a
	a.reserved += n
	s.reserved += n
	return sync.OnceFunc(func() { s.release(dir, n) }), nil
}

// account is that of a folder, new where it has none. The caller holds mu.
func (s *Space) account(dir string) *account {
	if a := s.accounts[dir]; a != nil {
		return a
	}
	a := &account{before: unknown}
	if dir != "" {
		if n, whole := contents(dir); whole {
			a.before = n
		}
	}
	return a
}

func (s *Space) release(dir string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[dir]
	a.reserved -= n
	s.reserved -= n
	if a.reserved == 0 {
		delete(s.accounts, dir)
		return
	}
	a.before = unknown // nobody knows whose of those that are left the files are
}

// Ready returns nil, or why no message should be taken for work on the disk now: less space is free than stays free, reservations counted,
// or no file can be made any more.
func (s *Space) Ready() error {
	free, err := s.Free()
	if err != nil {
		return err
	}
	u, err := look(s.dir)
	switch {
	case err != nil:
		return err
	case u.full:
		return fmt.Errorf("the filesystem of %s has no inode free; remove files there", s.dir)
	case free < 0:
		return fmt.Errorf("%s has %d MiB free beyond what jobs have reserved, and no message is taken below %d MiB (MILLRACE_MIN_FREE)", s.dir, (free+s.keep)>>20, s.keep>>20)
	}
	return nil
}

// A FullError is a reservation that was refused.
type FullError struct {
	Need, Free, Reserved int64 // bytes: asked for, to be had, and kept for others
	Size                 int64 // bytes: to be had by one job if the disk were empty
}

// Never says whether it would be refused on an empty disk, too.
func (e *FullError) Never() bool { return e.Need > e.Size }

func (e *FullError) Error() string {
	if e.Never() {
		return fmt.Sprintf("the task needs %d MiB of disk, and a job gets %d MiB in all here; it runs on a worker with a larger one (MILLRACE_DATA, or the pod's volume)",
			megabytes(e.Need), e.Size>>20)
	}
	return fmt.Sprintf("the task needs %d MiB of disk, and %d MiB are free (%d MiB are reserved for other tasks); it runs when there is more",
		megabytes(e.Need), e.Free>>20, megabytes(e.Reserved))
}

// megabytes rounds up, so that something is never shown as nothing.
func megabytes(n int64) int64 { return (n + 1<<20 - 1) >> 20 }

// Full says whether err is that of a disk on which nothing more can be written: no space, no inode, a quota used up, or a
// reservation refused.
func Full(err error) bool {
	_, refused := errors.AsType[*FullError](err)
	return refused || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Exhausted says whether nothing more can be written to the disk of a folder. A few blocks that it keeps for itself are nothing.
func Exhausted(dir string) bool {
	u, err := look(dir)
	return err == nil && (u.full || u.free < 64<<10)
}

// usage is how much there is, in bytes, and whether no file can be made for want of an inode.
type usage struct {
	size, free int64
	full       bool
}

func look(dir string) (usage, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return usage{}, fmt.Errorf("look at free space of %s: %w", dir, err)
	}
	block := int64(st.Bsize)
	// A filesystem that makes inodes as it needs them says that it has none at all.
	return usage{size: int64(st.Blocks) * block, free: int64(st.Bavail) * block, full: st.Files > 0 && st.Ffree == 0}, nil
}

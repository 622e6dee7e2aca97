// Package disk counts the space of a disk that several jobs write to, and knows the errors of a full one.
package disk

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/modules/fault"
)

// A Space is the disk below a folder. Make one for each disk; its methods may be called from any goroutine.
type Space struct {
	dir  string
	keep int64

	mu       sync.Mutex          // guards what follows; nobody looks through folders while he holds it
	reserved int64               // bytes
	accounts map[string]*account // by folder
	then     int64               // bytes that were free when the folders were looked through last

	counting sync.Mutex // held by who looks through the folders
	counted  time.Time  // when somebody did last; who writes it holds both, who reads it one of them
}

// Folders are looked through once a second at most, and what was seen there is believed for a moment.
const (
	often  = time.Second
	moment = 2 * often
)

// New returns the disk that dir lies on. keep is how many bytes of it stay free, whoever asks.
func New(dir string, keep int64) *Space {
	return &Space{dir: dir, keep: keep, accounts: map[string]*account{}}
}

// Free returns how many bytes can be reserved now. What has been written of a reservation is not counted twice, as far as
// that is easily seen: see Reserve.
func (s *Space) Free() (int64, error) {
	u, err := look(s.dir)
	if err != nil {
		return 0, err
	}
	if free := s.free(u); free >= 0 {
		return free, nil
	}
	s.count(u)
	return s.free(u), nil
}

func (s *Space) free(u usage) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beyond(u)
}

// beyond is how much is free beyond what is reserved. What had been written of that when somebody looked last, a moment ago,
// goes with what was free then, where that was less: files may have gone since. The caller holds mu.
func (s *Space) beyond(u usage) int64 {
	free := u.free
	if time.Since(s.counted) < moment {
		counted := min(u.free, s.then)
		for _, a := range s.accounts {
			counted += a.written()
		}
		free = max(free, counted)
	}
	return free - s.keep - s.reserved
}

// Reserve keeps n bytes for work in the folder dir until release, which may be called more than once. While another folder
// has some, one gets three quarters of the disk in all. What the folder grows by meanwhile, up to n, is taken to be part of
// it where the folder has at most 10,000 entries and as it was at most two seconds ago; where dir is empty nobody looks. Bytes
// that are not to be had are a *FullError at once, which is transient: other jobs end, and give theirs back.
func (s *Space) Reserve(dir string, n int64) (release func(), err error) {
	if n <= 0 {
		return func() {}, nil
	}
	u, err := look(s.dir)
	if err != nil {
		return nil, err
	}
	a := s.account(dir)
	if full := s.take(a, dir, n, u); full != nil {
		s.count(u)
		if full = s.take(a, dir, n, u); full != nil {
			return nil, fault.As(fault.Transient, full)
		}
	}
	return sync.OnceFunc(func() { s.release(dir, n) }), nil
}

// account is that of a folder, new where it has none.
func (s *Space) account(dir string) *account {
	s.mu.Lock()
	a := s.accounts[dir]
	s.mu.Unlock()
	if a == nil {
		a = newAccount(dir)
	}
	return a
}

// take reserves, or says why it does not. fresh is the account of a folder that has none by now.
func (s *Space) take(fresh *account, dir string, n int64, u usage) *FullError {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := cmp.Or(s.accounts[dir], fresh)
	e := &FullError{Need: n, Reserved: s.reserved, Size: u.size - s.keep, own: a.reserved, beyond: s.beyond(u)}
	e.most = e.Size
	if e.Reserved > e.own {
		e.most = e.Size / 4 * 3
	}
	if e.Free = max(min(e.beyond, e.most-e.own), 0); n > e.Free {
		return e
	}
	s.accounts[dir] = a
	a.reserved += n
	s.reserved += n
	return nil
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

// count looks through all folders, unless somebody did so within a second; u is from before. Nobody waits for it but who has
// to know.
func (s *Space) count(u usage) {
	s.counting.Lock()
	defer s.counting.Unlock()
	if time.Since(s.counted) < often {
		return
	}
	s.mu.Lock()
	all := maps.Clone(s.accounts)
	s.mu.Unlock()
	now := map[*account]int64{}
	for dir, a := range all {
		if dir != "" {
			now[a], _ = contents(dir)
		}
	}
	after, err := look(s.dir)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.then, s.counted = min(u.free, after.free), time.Now()
	for a, n := range now {
		a.now = n
	}
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

	own, beyond, most int64 // bytes: of Reserved for its own folder, free beyond Reserved, and to be had by one folder now
}

// Never says whether it would be refused on an empty disk, too.
func (e *FullError) Never() bool { return e.Need > e.Size }

// Own says whether what the folder has itself is in the way: it could be had as soon as that is given back, or not before. A
// folder within its share, which would have it but for the others, is not in its own way.
func (e *FullError) Own() bool {
	if e.own == 0 || e.Never() || e.own+e.Need <= e.most && e.Others() {
		return false
	}
	return min(e.beyond+e.own, e.most) >= e.Need || e.own+e.Need > e.Size
}

// Others says whether it could be had as soon as the other folders give back what they have.
func (e *FullError) Others() bool { return min(e.beyond+e.Reserved-e.own, e.Size-e.own) >= e.Need }

func (e *FullError) Error() string {
	if e.Never() {
		return fmt.Sprintf("the task needs %d MiB of disk, and there are %d MiB in all here; it runs on a worker with a larger one (MILLRACE_DATA, or the pod's volume)",
			megabytes(e.Need), e.Size>>20)
	}
	return fmt.Sprintf("the task needs %d MiB of disk, and %d MiB are free (%d MiB are reserved for other tasks); it runs when there is more",
		megabytes(e.Need), e.Free>>20, megabytes(e.Reserved))
}

// megabytes rounds up, so that something is never shown as nothing.
func megabytes(n int64) int64 { return (n-1)>>20 + 1 }

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

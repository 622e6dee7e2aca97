package proc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// BecomeSubreaper makes every descendant whose parent dies a child of this process instead of
// init's, so that nothing a program starts can escape. It needs no privilege and may be repeated.
func BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// KillTree kills pid, an unreaped child of the caller's, and all its descendants. alone says for certain that it was alive until
// then and had none. Else these are dead too, but for what withstands SIGKILL for a second, and those that are re-parented to us
// are SweepOrphans' to reap, as are any that could not be found. Reaping the child, which may take a moment to be gone, is its
// starter's.
func KillTree(pid int) (alone bool) {
	t, ok := newTree(pid, "")
	if !ok {
		_ = unix.Kill(pid, unix.SIGKILL)
		return false
	}
	// Stopped, it starts nothing new; alive, it keeps its orphans where they are found, if it is a
	// subreaper. So it goes last.
	t.root.signal(unix.SIGSTOP)
	until(killWithin, func() bool { return came(pid, unix.WSTOPPED|unix.WEXITED) })
	until(killWithin, func() bool { return t.strike(pid) == 0 })
	alone = len(t.seen) == 1 && came(pid, unix.WSTOPPED) && !came(pid, unix.WEXITED)
	t.root.signal(unix.SIGKILL)
	if !alone { // something may have had it go on
		until(killWithin, func() bool { return t.strike(0) == 0 })
	}
	return alone
}

// came says whether our child pid has come to one of the states: stopped, with all its threads, or exited.
func came(pid, states int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, states|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0 || err == unix.ECHILD
}

// strike sends SIGKILL to every member that is alive except the one with pid spare, and returns how
// many those were.
func (t *tree) strike(spare int) int {
	n := 0
	for _, p := range t.members() {
		if p.alive() && p.pid != spare {
			p.signal(unix.SIGKILL)
			n++
		}
	}
	return n
}

// Descendants returns the children of pid, their children and so on, alive or not yet reaped,
// parents first. What was re-parented away is not among them.
func Descendants(pid int) []int {
	var pids []int
	for _, p := range closure(processes(), func(p process) bool { return p.ppid == pid }) {
		pids = append(pids, p.pid)
	}
	return pids
}

// IsAlone says for certain that our child pid is alive and has no descendants.
func IsAlone(pid int) bool {
	found := closure(processes(), func(p process) bool { return p.pid == pid })
	// What it had becomes a child of ours as its last thread goes, which is before it can be waited for.
	now, ok := readProcess(pid)
	return len(found) == 1 && ok && !now.exiting
}

// TreeRSS returns the resident memory of pid and its descendants, in bytes. Pages they share count
// once for each. It is 0 when there is no such process.
func TreeRSS(pid int) int64 {
	var rss int64
	for _, p := range closure(processes(), func(p process) bool { return p.pid == pid }) {
		rss += p.rss
	}
	return rss
}

// TreePSS is TreeRSS with shared pages counted once in all: the memory that would be free without the
// tree. It looks at every page table, so ask when TreeRSS, which is never less, is too much.
func TreePSS(pid int) int64 {
	return pss(closure(processes(), func(p process) bool { return p.pid == pid }))
}

// pss is the memory, in bytes, that would be free without those processes.
func pss(all []process) int64 {
	var sum int64
	for _, p := range all {
		sum += p.pss()
	}
	return sum
}

// SweepOrphans kills and reaps every child of this process that keep does not claim, with all its
// descendants, and returns how many it reaped. It gives up on what withstands SIGKILL for a second.
// nil keeps nothing.
//
// keep must say true for every child that somebody started and will wait for; for one just being
// started too, so start programs while holding the lock that keep takes (as Local.Owns does).
func SweepOrphans(keep func(pid int) bool) int {
	if childless() {
		return 0
	}
	self, reaped := os.Getpid(), 0
	until(killWithin, func() bool {
		orphans := closure(processes(), func(p process) bool {
			return p.ppid == self && (keep == nil || !keep(p.pid))
		})
		for _, p := range orphans {
			if p.alive() {
				p.signal(unix.SIGKILL)
			} else if p.ppid == self && p.reap() {
				reaped++
			}
		}
		return len(orphans) == 0
	})
	return reaped
}

// childless says that this process has no child of any kind: one system call in place of a look through /proc.
func childless() bool {
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil)
	return err == unix.ECHILD
}

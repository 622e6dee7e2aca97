package proc

import (
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A tree is a program and all it started, also what left its group and its session or lost its
// parent. A process whose parent dies becomes our child (we are a subreaper); it is recognised by
// having been seen before, by its group or session, or by the mark in its environment.
type tree struct {
	self int
	root process        // not reaped while the tree is in use, so its pid is its own
	mark string         // "MILLRACE_PROC=…"; empty recognises nobody
	seen map[int]uint64 // start time by pid, of every process that was ever found in the tree
}

func newTree(pid int, mark string) (*tree, bool) {
	root, ok := readProcess(pid)
	if !ok {
		return nil, false
	}
	return &tree{self: os.Getpid(), root: root, mark: mark, seen: map[int]uint64{pid: root.start}}, true
}

// members returns the processes that are in the tree now, zombies included.
func (t *tree) members() []process {
	table := processes()
	starts := make(map[int]uint64, len(table))
	for _, p := range table {
		starts[p.pid] = p.start
	}
	found := closure(table, func(p process) bool { return t.claims(p, starts) })
	for _, p := range found {
		t.seen[p.pid] = p.start
	}
	return found
}

// claims says whether p is in the tree by itself, not by its parent. starts is the process table.
func (t *tree) claims(p process, starts map[int]uint64) bool {
	if start, ok := t.seen[p.pid]; ok && start == p.start {
		return true
	}
	if p.ppid != t.self {
		return false
	}
	// A group or session keeps its number from being given to a new process, so one that bears the
	// number of a process of ours is ours, unless that number has another owner.
	ours := func(id int) bool {
		start, ok := t.seen[id]
		now, lives := starts[id]
		return ok && (!lives || now == start)
	}
	return ours(p.group) || ours(p.session) || (t.mark != "" && p.carries(t.mark))
}

// closure returns the processes of table that claims picks, and all their descendants.
func closure(table []process, claims func(process) bool) []process {
	children := make(map[int][]process)
	var found []process
	for _, p := range table {
		children[p.ppid] = append(children[p.ppid], p)
		if claims(p) {
			found = append(found, p)
		}
	}
	in := make(map[int]bool, len(found))
	for _, p := range found {
		in[p.pid] = true
	}
	for i := 0; i < len(found); i++ {
		for _, c := range children[found[i].pid] {
			if !in[c.pid] {
				in[c.pid] = true
				found = append(found, c)
			}
		}
	}
	return found
}

// settle waits until nothing of the tree is left alive, or with groupOnly nothing of the root's group,
// at most for limit. It says whether the root, a zombie by then, is all there is: nothing to kill or reap.
func (t *tree) settle(groupOnly bool, limit time.Duration) (clean bool) {
	until(limit, func() bool {
		members := t.members()
		clean = len(members) == 1 // none at all means no /proc
		return !slices.ContainsFunc(members, func(p process) bool {
			return p.alive() && (!groupOnly || p.group == t.root.pid)
		})
	})
	return clean
}

// kill kills every member and reaps those that are our children, except the root, whose wait status
// is its starter's. It returns how many withstood SIGKILL for limit.
func (t *tree) kill(limit time.Duration) int {
	left := 0
	until(limit, func() bool {
		// A signal to a group reaches a process that is forking too; the group is the root's as
		// long as the root is not reaped.
		if t.root.group == t.root.pid {
			_ = unix.Kill(-t.root.pid, unix.SIGKILL)
		}
		left = 0
		zombies := 0 // not reaped yet, or not ours to reap while their parent is dying
		for _, p := range t.members() {
			switch {
			case p.alive():
				p.signal(unix.SIGKILL)
				left++
			case p.pid != t.root.pid && (p.ppid != t.self || !p.reap()):
				zombies++
			}
		}
		return left+zombies == 0
	})
	return left
}

// until calls done, soon at first and then every 20 ms, until it is true or limit has passed.
func until(limit time.Duration, done func() bool) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := time.Millisecond; !done(); pause = min(2*pause, 20*time.Millisecond) {
		select {
		case <-deadline.C:
			return
		case <-time.After(pause):
		}
	}
}

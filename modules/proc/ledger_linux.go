package proc

import (
	"cmp"
	"slices"
)

// A ledger adds up the processor time of a tree, that of processes which are gone too. The kernel adds to a process what it
// has waited for. Of what nobody waits for, as where a parent ignores SIGCHLD or has died, as much counts as was ever seen. Where
// a process has children of both kinds the larger of the two sums counts: at least half of the time.
type ledger struct {
	known   map[int]*account // by pid, of those that were there at the last sample
	orphans int64            // ticks of those that are gone and were ours to reap
	most    int64            // ticks
}

// An account is a process as it was seen last.
type account struct {
	process
	gone int64 // ticks of children that are gone
}

// total is what the process and its gone children have used: those that it has waited for are counted twice.
func (a *account) total() int64 { return a.ticks + max(a.waited, a.gone) }

// add takes a sample of all that is in the tree, and returns how many ticks it has used so far.
func (l *ledger) add(members []process) int64 {
	if l.known == nil {
		l.known = map[int]*account{}
	}
	starts := make(map[int]uint64, len(members))
	for _, p := range members {
		starts[p.pid] = p.start
	}
	var gone []*account
	for pid, a := range l.known {
		if starts[pid] != a.start {
			gone = append(gone, a)
		}
	}
	// Children first: what they have used is their parent's when that goes too.
	slices.SortFunc(gone, func(a, b *account) int { return cmp.Or(cmp.Compare(b.start, a.start), cmp.Compare(b.pid, a.pid)) })
	for _, a := range gone {
		delete(l.known, a.pid)
		if parent := l.known[a.ppid]; parent != nil {
			parent.gone += a.total()
		} else {
			l.orphans += a.total()
		}
	}
	sum := l.orphans
	for _, p := range members {
		a := l.known[p.pid]
		if a == nil {
			a = new(account)
			l.known[p.pid] = a
		}
		a.process = p
		sum += a.total()
	}
	l.most = max(l.most, sum)
	return l.most
}

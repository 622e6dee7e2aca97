package proc

import "sync"

// A Usage tells what a program and everything it started uses while it runs: one that is kept for several tasks owes each its own
// figures. Give it to one Cmd. Its methods may be called at any time.
type Usage struct {
	mu   sync.Mutex
	last int64 // resident bytes of the last sample; guarded by mu
	most Stats // since it was taken; guarded by mu
}

// Take returns the highest that samples saw since it was last called, some ten of them a second; where there was none yet, the
// memory of the one before. Elapsed it does not tell. Only Linux can tell any.
func (u *Usage) Take() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	most := u.most
	u.most = Stats{MaxMem: u.last}
	return most
}

// note takes a sample.
func (u *Usage) note(rss int64, share float64) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last = rss
	u.most.MaxMem, u.most.MaxCPU = max(u.most.MaxMem, rss), max(u.most.MaxCPU, share)
}

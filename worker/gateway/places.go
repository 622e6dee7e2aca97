package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxFollowers is how many logs one gateway follows at once, and keyFollowers how many for one customer: each asks the store for
	// more every half second to two seconds.
	maxFollowers = 512
	keyFollowers = 128
	// placeLater is when who was refused may try again.
	placeLater = 5 * time.Second
)

// places are what takes long and has an end of its own: each who does it has one until he leaves.
type places struct {
	most, each    int    // at once: of all, and of one customer, or key that is no customer's
	what, instead string // it is, several of it, and what to do in place of one more

	mu    sync.Mutex
	all   int            // guarded by mu
	byKey map[string]int // the same
}

// take takes a place; leave gives it back. The error is a *Problem.
func (p *places) take(k *Key) (leave func(), err error) {
	who := cmp.Or(k.Customer, k.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.all >= p.most:
		return nil, busy(refused(Busy, http.StatusServiceUnavailable, fmt.Sprintf("this gateway has %d %s, which is the most at once: %s", p.most, p.what, p.instead)), placeLater)
	case p.byKey[who] >= p.each:
		return nil, busy(refused(Rate, http.StatusTooManyRequests, fmt.Sprintf("this key has %d %s, which is the most at once: %s", p.each, p.what, p.instead)), placeLater)
	}
	if p.byKey == nil {
		p.byKey = map[string]int{}
	}
	p.all++
	p.byKey[who]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.byKey[who]--; p.byKey[who] == 0 {
			delete(p.byKey, who)
		}
	}, nil
}

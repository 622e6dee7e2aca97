package gateway

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxFollowers is how many logs one gateway follows at once, and keyFollowers how many for one key: each asks the store for more
	// every half second to two seconds.
	maxFollowers = 512
	keyFollowers = 128
	// followLater is when who was refused may try again.
	followLater = 5 * time.Second
)

// followers counts who follows logs.
type followers struct {
	mu    sync.Mutex
	all   int            // guarded by mu
	byKey map[string]int // the same
}

// join counts one more; leave takes it back. The error is a *Problem.
func (f *followers) join(key string) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.byKey[key] >= keyFollowers:
		return nil, busy(refused(Rate, http.StatusTooManyRequests, fmt.Sprintf("this key follows %d logs already, which is the most: end one first, or ask for the log now and then", keyFollowers)), followLater)
	case f.all >= maxFollowers:
		return nil, busy(refused(Busy, http.StatusServiceUnavailable, fmt.Sprintf("this gateway follows %d logs already, which is the most: try again later, or ask for the log now and then", maxFollowers)), followLater)
	}
	if f.byKey == nil {
		f.byKey = map[string]int{}
	}
	f.all++
	f.byKey[key]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.all--
		if f.byKey[key]--; f.byKey[key] == 0 {
			delete(f.byKey, key)
		}
	}, nil
}

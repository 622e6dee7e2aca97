package launch

import (
	"sync"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

const watchEvery = 200 * time.Millisecond // how often a job's memory is looked at

// watch kills the child when its tree uses more memory than it may, and notes how much it was.
func (c *child) watch(oom *killed) (stop func()) {
	if c.cfg.Memory <= 0 {
		return func() {}
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(watchEvery)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-c.exited:
				return
			case <-t.C:
				if used := c.used(); used > c.cfg.Memory {
					oom.set(used)
					c.kill()
					return
				}
			}
		}
	})
	return func() { close(quit); wg.Wait() }
}

// used is at least as much as the child's tree uses, and exact when that is more than it may.
func (c *child) used() int64 {
	rss := proc.TreeRSS(c.pid())
	if rss <= c.cfg.Memory {
		return rss
	}
	return proc.TreePSS(c.pid())
}

// killed is how much memory a tree used when it was killed for it; 0 is not killed.
type killed struct {
	mu   sync.Mutex
	used int64
}

func (k *killed) set(n int64) { k.mu.Lock(); k.used = n; k.mu.Unlock() }
func (k *killed) get() int64  { k.mu.Lock(); defer k.mu.Unlock(); return k.used }

package launch

import (
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines/engine"
)

const watchEvery = 200 * time.Millisecond // how often a job's memory is looked at

// watch kills the child when its tree uses more memory than it may, and notes how much it was. blame is called before.
func (c *child) watch(oom *killed, blame func(*engine.Failure)) (stop func()) {
	if c.memory <= 0 {
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
				if used := c.used(); used > c.memory {
					oom.set(used)
					blame(c.hoarded(used))
					c.kill()
					return
				}
			}
		}
	})
	return func() { close(quit); wg.Wait() }
}

// memory is how many bytes the job may use; 0 is no limit.
func (s *Share) memory() int64 {
	if s.req.Alone {
		return max(s.machine.Memory, s.machine.MemoryAlone)
	}
	return s.machine.Memory
}

// room returns why the job can't have the memory that its task will need: a *engine.Stop with reason Unfit where it has what it
// needs when it runs alone.
func (s *Share) room(n engine.Need) error {
	most, alone := s.memory(), max(s.machine.Memory, s.machine.MemoryAlone)
	switch {
	case most == 0 || n.Memory <= most:
		return nil
	case n.Memory > alone:
		return engine.TooMuch("the work needs about %d MiB of memory, more than the %d MiB that a job may use here with the worker to itself "+
			"(MILLRACE_JOB_MEMORY, else 80%% of what there is); give it a smaller input or a larger worker", n.Memory, alone)
	}
	return &engine.Stop{Reason: engine.Unfit, Busy: true, Alone: true, Message: fmt.Sprintf(
		"task %q needs about %d MiB of memory, more than the %d MiB of a slot; the job goes back, to have the worker to itself", n.Task, (n.Memory-1)>>20+1, most>>20)}
}

// used is at least as much as the child's tree uses, and exact when that is more than it may.
func (c *child) used() int64 {
	rss := proc.TreeRSS(c.pid())
	if rss <= c.memory {
		return rss
	}
	return proc.TreePSS(c.pid())
}

// hoarded says that the job's tree used too much memory.
func (c *child) hoarded(used int64) *engine.Failure {
	return &engine.Failure{Reason: engine.OOM, Message: fmt.Sprintf(
		"the job used %d MiB of memory, more than the %d MiB it may (MILLRACE_JOB_MEMORY)", used>>20, c.memory>>20)}
}

// killed is how much memory a tree used when it was killed for it; 0 is not killed.
type killed struct {
	mu   sync.Mutex
	used int64
}

func (k *killed) set(n int64) { k.mu.Lock(); k.used = n; k.mu.Unlock() }
func (k *killed) get() int64  { k.mu.Lock(); defer k.mu.Unlock(); return k.used }

// killed is how many processes the kernel has killed for want of memory, as far as somebody counts.
func (m *Machine) killed() int64 {
	if m.Killed == nil {
		return 0
	}
	return m.Killed()
}

// ranOut is what a failure becomes of a job that was killed, or whose program was: the kernel's doing where it has killed for
// want of memory since the job began. Nobody can tell whom; of several jobs that were killed, each runs alone the next time.
func (s *Share) ranOut(f *engine.Failure) *engine.Failure {
	if s.machine.killed() <= s.killed {
		return f
	}
	own := *f
	own.Reason = engine.OOM
	own.Message = clipped(f.Message, maxSentence) + ": memory ran out, and the kernel killed for it; give the worker more memory, or fewer jobs at once (MILLRACE_SLOTS)"
	return &own
}

// judged is a run with the reason that its job could not know of.
func (s *Share) judged(run *engine.Run) *engine.Run {
	if run.Failure == nil || run.Failure.Reason != engine.Killed {
		return run
	}
	told := *run
	told.Failure = s.ranOut(run.Failure)
	return &told
}

package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run implements Runner. It makes this process a subreaper. Cmd.Stdin must end or be an *os.File:
// a Read that never returns keeps Run from returning.
func (l *Local) Run(ctx context.Context, c Cmd) (Exit, error) {
	if ctx.Err() != nil {
		return Exit{Code: -1}, fmt.Errorf("not started: %w", context.Cause(ctx))
	}
	if err := BecomeSubreaper(); err != nil {
		return Exit{Code: -1}, err
	}
	cmd, streams, err := l.command(c)
	if err != nil {
		return Exit{Code: -1}, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := l.start(cmd); err != nil {
		return Exit{Code: -1}, fmt.Errorf("start program: %w", err)
	}
	defer l.forget(cmd)
	pid := cmd.Process.Pid
	t, ok := newTree(pid, cmd.Env[len(cmd.Env)-1])
	if !ok { // no /proc: the group is all that can be found
		t = &tree{self: os.Getpid(), root: process{pid: pid, group: pid}, seen: map[int]uint64{}}
	}
	m := meter{tree: t, limits: c.Limits, usage: c.Usage, last: began}
	stopped, clean := watch(ctx, t, &m, cmp.Or(c.Grace, defaultGrace))
	left := 0
	if !clean {
		left = t.kill(killWithin)
	}
	l.sweep()
	exit, err := outcome(cmd, cmd.Wait(), streams)
	exit.Stats, exit.Over = m.total(cmd, time.Since(began)), m.over
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("%d processes of the program can't be killed", left))
	}
	if stopped {
		err = errors.Join(fmt.Errorf("stopped: %w", context.Cause(ctx)), err)
	}
	return exit, err
}

// watch returns when the program has exited, which it leaves to be reaped, and what it left behind
// has had its chance to follow. It says whether ctx ended first, and whether nothing was left behind.
func watch(ctx context.Context, t *tree, m *meter, grace time.Duration) (stopped, clean bool) {
	exited := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer close(exited)
		AwaitExit(t.root.pid)
	})
	sample := time.NewTimer(m.next())
	defer sample.Stop()
	var deadline time.Time
	var expired <-chan time.Time
	done := ctx.Done()
	for {
		select {
		case <-exited:
			if stopped {
				return true, t.settle(true, time.Until(deadline))
			}
			return false, t.settle(false, lull)
		case <-done:
			done, stopped = nil, true
			deadline = time.Now().Add(grace)
			expired = time.After(grace)
			_ = unix.Kill(-t.root.pid, unix.SIGTERM)
		case <-expired:
			t.kill(killWithin)
		case <-sample.C:
			sample.Reset(m.next())
			if m.over != "" { // it had its chance, and may be about to take the job or the machine with it
				t.kill(killWithin)
			}
		}
	}
}

// AwaitExit returns when our child pid has exited, and leaves it a zombie: until it is reaped, its
// pid and its group are nobody else's, so they can be killed safely. It returns false, at once, where
// that can't be told.
func AwaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

const samplePeriod = 100 * time.Millisecond

// early is how long to wait between the first samples, so that a short program has some.
var early = [...]time.Duration{time.Millisecond, 3 * time.Millisecond, 6 * time.Millisecond}

// A meter samples what a tree uses.
type meter struct {
	tree   *tree
	limits Limits
	usage  *Usage
	over   Limit // the first that a sample went over
	n      int   // samples taken
	stats  Stats
	ledger ledger
	last   time.Time // when ticks was read
	ticks  int64
}

// next takes a sample and returns how long to wait for the next one.
func (m *meter) next() time.Duration {
	m.n++
	if m.n <= len(early) { // the program alone: looking for what it started costs a millisecond
		now, _ := readProcess(m.tree.root.pid)
		m.stats.MaxMem = max(m.stats.MaxMem, now.rss)
		m.usage.note(now.rss, 0)
		return early[m.n-1]
	}
	var rss int64
	members := m.tree.members()
	for _, p := range members {
		rss += p.rss
	}
	ticks := m.ledger.add(members)
	m.stats.MaxMem = max(m.stats.MaxMem, rss)
	m.judge(members, rss, ticks)
	seen := 0.0
	// The kernel counts in ticks of 10 ms: over less than a period the share would be noise.
	if now := time.Now(); now.Sub(m.last) >= samplePeriod {
		used := time.Duration(ticks-m.ticks) * time.Second / ticksPerSecond
		seen = share(used, now.Sub(m.last))
		m.stats.MaxCPU = max(m.stats.MaxCPU, seen)
		m.last, m.ticks = now, ticks
	}
	m.usage.note(rss, seen)
	return samplePeriod
}

// judge notes the first limit that a sample goes over. Pages that processes share count once: what looks like too much
// may be less.
func (m *meter) judge(members []process, rss, ticks int64) {
	if m.over != "" {
		return
	}
	if most := m.limits.Memory; most > 0 && rss > most && pss(members) > most {
		m.over = OverMemory
	}
	if most := m.limits.CPU; most > 0 && time.Duration(ticks)*time.Second/ticksPerSecond > most {
		m.over = OverCPU
	}
}

// total folds in what the kernel counted for the program and the children it waited for, which is
// all there is when it was shorter than a period.
func (m *meter) total(cmd *exec.Cmd, elapsed time.Duration) Stats {
	m.stats.Elapsed = elapsed
	if st := cmd.ProcessState; st != nil {
		m.stats.MaxCPU = max(m.stats.MaxCPU, share(st.UserTime()+st.SystemTime(), elapsed))
		// A child's peak starts at its parent's, since they share memory until exec: only a value
		// above our own peak is the program's. Where no sample saw anything it is a bound.
		var own unix.Rusage
		ru, ok := st.SysUsage().(*syscall.Rusage)
		if ok && unix.Getrusage(unix.RUSAGE_SELF, &own) == nil && (ru.Maxrss > own.Maxrss || m.stats.MaxMem == 0) {
			m.stats.MaxMem = max(m.stats.MaxMem, int64(ru.Maxrss)<<10)
		}
	}
	return m.stats
}

// share is used per elapsed, in percent.
func share(used, elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 0
	}
	return 100 * float64(used) / float64(elapsed)
}

//go:build unix && !linux

package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Run implements Runner as far as this system allows: it stops the program's group, but what leaves
// the group by setsid survives, and there are no samples, so Stats has only averages and peaks of
// the program itself, and Limits do not hold. Use Linux for anything but development.
func (l *Local) Run(ctx context.Context, c Cmd) (Exit, error) {
	if ctx.Err() != nil {
		return Exit{Code: -1}, fmt.Errorf("not started: %w", context.Cause(ctx))
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
	group := -cmd.Process.Pid
	over, stop := context.WithCancel(context.Background())
	killed := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-over.Done():
		case <-time.After(cmp.Or(c.Grace, defaultGrace)):
		}
		_ = syscall.Kill(group, syscall.SIGKILL)
	})
	waitErr := cmd.Wait()
	stop()
	stopped := !unhook()
	if stopped {
		<-killed
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	exit, err := outcome(cmd, waitErr, streams)
	exit.Stats.Elapsed = time.Since(began)
	if st := cmd.ProcessState; st != nil {
		exit.Stats.MaxCPU = 100 * float64(st.UserTime()+st.SystemTime()) / float64(max(exit.Stats.Elapsed, 1))
	}
	if stopped {
		err = errors.Join(fmt.Errorf("stopped: %w", context.Cause(ctx)), err)
	}
	return exit, err
}

// CanScope returns false: only Linux has scopes.
func CanScope() bool { return false }

func scoped(start func() error) error { return start() }

// AwaitExit returns false at once: not every system can wait for an exit without reaping.
func AwaitExit(pid int) bool { return false }

// BecomeSubreaper does nothing: only Linux re-parents orphans to anyone but init.
func BecomeSubreaper() error { return nil }

// KillTree kills pid and its group, if it leads one; without /proc its other descendants are unknown.
func KillTree(pid int) (alone bool) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	return false
}

// IsAlone returns true: there is no /proc to find descendants in.
func IsAlone(pid int) bool { return true }

// LastStarted returns 0: it can't be told.
func LastStarted() int { return 0 }

// Descendants returns nil: there is no /proc to find them in.
func Descendants(pid int) []int { return nil }

// TreeRSS returns 0: there is no /proc to read it from.
func TreeRSS(pid int) int64 { return 0 }

// TreePSS returns 0: there is no /proc to read it from.
func TreePSS(pid int) int64 { return 0 }

// SweepOrphans does nothing: orphans are init's here.
func SweepOrphans(keep func(pid int) bool) int { return 0 }

package engine

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
)

// Limits are what a task may take, as far as its module can tell before the work; 0 is no limit.
type Limits struct {
	Input int64 `json:"input,omitzero"` // bytes that it reads
}

// admitted runs the module when what it will take is known, admitted and reserved. Disk is not waited for: a task that waits
// for it keeps what it has written, which is what others wait for.
func (s *taskScope) admitted(ctx context.Context, m modules.Module, c *modules.Call, props map[string]any) (map[string]any, error) {
	w, err := s.admit(ctx, m, c, props)
	if err != nil {
		return nil, s.lacking(ctx, m, err)
	}
	if w.Disk > 0 || w.Memory > 0 {
		grant, err := s.in.Host.Reserve(ctx, Need{Task: s.label(), Disk: w.Disk, Memory: w.Memory})
		if err != nil {
			return nil, s.denied(fault.Transient, err)
		}
		defer grant.Release()
	}
	out, err := guard(ctx, m, c, func() (map[string]any, error) { return w.Run(ctx) })
	return out, s.lacking(ctx, m, blameDisk(c, err))
}

// blameDisk adds to a failure of unknown cause that the workspace's disk is full, where it is: a program that could not write
// says so in words of its own, if at all.
func blameDisk(c *modules.Call, err error) error {
	if err == nil || c.Workspace == nil || fault.Of(err) != fault.Unknown || !disk.Exhausted(c.Workspace.Real()) {
		return err
	}
	if reason, _ := named(err); reason != "" {
		return err
	}
	return fmt.Errorf("%w: %w", err, syscall.ENOSPC)
}

// admit asks the module what its work will take, and refuses for good what is more than the operator admits. Nothing has been
// spent on the work by then.
func (s *taskScope) admit(ctx context.Context, m modules.Module, c *modules.Call, props map[string]any) (modules.Work, error) {
	w, err := guard(ctx, m, c, func() (modules.Work, error) { return modules.Probe(ctx, m, c, props) })
	if err != nil {
		return modules.Work{}, err
	}
	if most := s.cfg.Limits.Input; most > 0 && w.Input > most {
		return modules.Work{}, TooMuch("the input is %d MiB, more than the %d MiB that are admitted (MILLRACE_MAX_INPUT); split it or make it smaller", w.Input, most)
	}
	return w, nil
}

// TooMuch refuses a task for good, in MiB. Both numbers are bytes; the larger one is rounded up, so that it is shown as such.
func TooMuch(format string, is, most int64) error {
	return fault.As(fault.Permanent, &Stop{Reason: TooLarge, Message: fmt.Sprintf(format, (is-1)>>20+1, most>>20)})
}

// named returns the Reason that an error bears in itself, and the kind that goes with it where the error has none.
func named(err error) (Reason, fault.Kind) {
	if stop, ok := errors.AsType[*Stop](err); ok {
		return stop.Reason, fault.Unknown
	}
	if disk.Full(err) {
		return DiskFull, fault.Transient
	}
	if _, ok := errors.AsType[*proc.KilledError](err); ok {
		return Killed, fault.Unknown
	}
	if over, ok := errors.AsType[*proc.OverError](err); ok {
		if over.Over == proc.OverCPU {
			return Timeout, fault.Unknown
		}
		return TooLarge, fault.Permanent // its limit is the same the next time, whatever else runs
	}
	return "", fault.Unknown
}

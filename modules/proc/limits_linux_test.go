package proc_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

func TestAProgramOverALimitIsKilledAndTheLimitNamed(t *testing.T) {
	for _, tt := range []struct {
		name, what string
		limits     proc.Limits
		over       proc.Limit
		said       string
	}{
		{"memory of what it started", "hoard-below", proc.Limits{Memory: 64 << 20}, proc.OverMemory, "gear used more than 64 MiB of memory, and was stopped; give it less to do, or raise its limit (MILLRACE_TOOL_LIMITS)"},
		{"processor time", "hoard", proc.Limits{CPU: 200 * time.Millisecond}, proc.OverCPU, "gear used more than 200ms of processor time, and was stopped; give it less to do, or raise its limit (MILLRACE_TOOL_LIMITS)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := self(t, tt.what)
			c.Limits = tt.limits
			exit, err := new(proc.Local).Run(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, tt.over, exit.Over)
			require.Equal(t, "killed", exit.Signal)
			require.Equal(t, tt.said, (&proc.OverError{Program: "gear", Over: exit.Over, Limits: tt.limits}).Error())
			require.Less(t, exit.Stats.Elapsed, 10*time.Second)
		})
	}
}

// The kernel adds it to nobody's sum.
func TestTheTimeOfProcessesThatNobodyWaitedForCounts(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	c := self(t, "forget")
	c.Limits = proc.Limits{CPU: 300 * time.Millisecond}
	exit, err := new(proc.Local).Run(ctx, c)
	require.NoError(t, err, "no limit is seen to be met")
	require.Equal(t, proc.OverCPU, exit.Over)
}

func TestAProgramWithinItsLimitsIsLeftAlone(t *testing.T) {
	c := self(t, "burn")
	c.Limits = proc.Limits{Memory: 1 << 30, CPU: time.Minute}
	exit, err := new(proc.Local).Run(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, exit.Over)
	require.Zero(t, exit.Code)
}

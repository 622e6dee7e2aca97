package proc_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

func TestStatsCoverTheTree(t *testing.T) {
	exit, err := new(proc.Local).Run(t.Context(), self(t, "burn"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, exit.Stats.MaxMem, int64(96<<20))
	require.Greater(t, exit.Stats.MaxCPU, 10.0)
	require.GreaterOrEqual(t, exit.Stats.Elapsed, 300*time.Millisecond)
}

func BenchmarkRun(b *testing.B) {
	b.Run("Local", func(b *testing.B) {
		l := new(proc.Local)
		for b.Loop() {
			_, err := l.Run(b.Context(), proc.Cmd{Path: "true"})
			require.NoError(b, err)
		}
	})
	b.Run("os/exec", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, exec.CommandContext(b.Context(), "true").Run())
		}
	})
}

func TestAProgramThatRunsTellsWhatItUsesMeanwhile(t *testing.T) {
	c := self(t, "burn")
	c.Usage = new(proc.Usage)
	require.Zero(t, c.Usage.Take())
	_, err := new(proc.Local).Run(t.Context(), c)
	require.NoError(t, err)
	used := c.Usage.Take()
	require.GreaterOrEqual(t, used.MaxMem, int64(96<<20))
	require.Greater(t, used.MaxCPU, 10.0)
	require.Zero(t, c.Usage.Take().MaxCPU, "it was taken")
}

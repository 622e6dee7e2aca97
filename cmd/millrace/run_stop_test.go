//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const deafDocument = `tasks:
  - module: Shell
    props: {command: sh, args: ["-c", "trap '' TERM INT; sleep 600 & touch up; sleep 600; sleep 600"]}
`

func TestASecondSignalLeavesNothingOfARunBehind(t *testing.T) {
	p := newPlace(t)
	cmd := exec.CommandContext(t.Context(), binary, "run", "-f", p.write("deaf.yaml", deafDocument))
	cmd.Dir, cmd.Env = p.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + t.TempDir()}
	require.NoError(t, cmd.Start())
	up := filepath.Join(p.dir, "up")
	for _, err := os.Stat(up); err != nil && t.Context().Err() == nil; _, err = os.Stat(up) {
		time.Sleep(10 * time.Millisecond)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	time.Sleep(300 * time.Millisecond) // two signals at once are one
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode())
	require.Empty(t, survivors(p.dir))
}

package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// upAlready is the status of a `cluster up` where there is one, which is then somebody else's.
const upAlready = 3

// sleeper starts a program and returns its PID and when it began, in ticks since the machine did, as the scripts note both.
func sleeper(t *testing.T) (pid int, began string) {
	t.Helper()
	cmd := exec.Command("sleep", "300")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), "somebody had ended it")
	})
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	require.NoError(t, err)
	return cmd.Process.Pid, strings.Fields(string(stat))[21]
}

func TestAClusterThatIsUpIsNobodysToStartOrStop(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "run"), 0o700))
	pid, began := sleeper(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run/apiserver.pid"), fmt.Appendln(nil, pid, began), 0o600))
	cmd := exec.Command("./cluster", "up", "kubernetes")
	cmd.Env = append(os.Environ(), "MILLRACE_E2E="+dir)
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, upAlready, exit.ExitCode(), "%s", out)
	require.Contains(t, string(out), "it is up already")
}

func TestAProcessThatHasTheNumberOfOneThatWasStartedIsLetLive(t *testing.T) {
	run := t.TempDir()
	pid, _ := sleeper(t)
	require.NoError(t, os.WriteFile(filepath.Join(run, "etcd.pid"), fmt.Appendln(nil, pid, 1), 0o600))
	out, err := exec.Command("bash", "-c", `run=$1; source ./processes.sh; stop etcd`, "bash", run).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoFileExists(t, filepath.Join(run, "etcd.pid"))
}

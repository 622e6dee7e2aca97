package proc_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

// startSelf starts the test binary with os/exec, behind the Local's back, and returns once so many
// children are ready.
func startSelf(t *testing.T, what string, ready int) (*exec.Cmd, *recorder) {
	t.Helper()
	require.NoError(t, proc.BecomeSubreaper())
	c := self(t, what)
	cmd := exec.Command(c.Path)
	cmd.Env = c.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := new(recorder)
	buf := make([]byte, 4096)
	for len(r.pids) < ready {
		n, err := pipe.Read(buf)
		require.NoError(t, err)
		_, _ = r.Write(buf[:n])
	}
	return cmd, r
}

func TestASweepReapsOrphansAndKeepsWhatWasStarted(t *testing.T) {
	parent, r := startSelf(t, "escape", 1)
	require.NoError(t, parent.Wait())
	mine, _ := startSelf(t, "deaf", 1)
	l := new(proc.Local)
	keep := func(pid int) bool { return pid == mine.Process.Pid || l.Owns(pid) }

	require.Positive(t, proc.SweepOrphans(keep))
	require.ErrorIs(t, syscall.Kill(r.pids[0], 0), syscall.ESRCH)
	require.Equal(t, []int{mine.Process.Pid}, proc.Descendants(os.Getpid()))
	require.Zero(t, proc.SweepOrphans(keep))

	require.NoError(t, mine.Process.Kill())
	require.Zero(t, proc.SweepOrphans(keep), "a zombie that is kept keeps its wait status")
	require.ErrorContains(t, mine.Wait(), "signal: killed")
}

func TestKillTreeKillsDescendantsToo(t *testing.T) {
	cmd, r := startSelf(t, "hasty", 2)
	require.Len(t, proc.Descendants(cmd.Process.Pid), 1)
	require.Greater(t, proc.TreeRSS(cmd.Process.Pid), int64(1<<20))
	require.False(t, proc.IsAlone(cmd.Process.Pid))
	require.False(t, proc.KillTree(cmd.Process.Pid))
	require.Zero(t, proc.TreeRSS(cmd.Process.Pid), "zombies hold no memory")
	err := cmd.Wait()
	require.True(t, err != nil && strings.Contains(err.Error(), "killed"), "Wait still gets the status: %v", err)
	proc.SweepOrphans(nil)
	requireNothingLeft(t, r, 2)
}

func TestAProcessIsAloneWhileItLivesAndHasNoDescendants(t *testing.T) {
	for _, die := range []bool{false, true} {
		cmd := exec.Command("sleep", "600")
		require.NoError(t, cmd.Start())
		require.True(t, proc.IsAlone(cmd.Process.Pid))
		if die {
			require.NoError(t, cmd.Process.Kill())
			require.True(t, proc.AwaitExit(cmd.Process.Pid))
			require.False(t, proc.IsAlone(cmd.Process.Pid), "what it had may be our child by now")
		}
		require.Equal(t, !die, proc.KillTree(cmd.Process.Pid))
		require.ErrorContains(t, cmd.Wait(), "signal: killed")
	}
}

func TestWhatIsStartedIsSeenByTheNumberThatWasGivenLast(t *testing.T) {
	before := proc.LastStarted()
	require.Positive(t, before)
	require.NoError(t, exec.Command("true").Run())
	require.NotEqual(t, before, proc.LastStarted())
}

func TestSharedPagesCountOnce(t *testing.T) {
	cmd, _ := startSelf(t, "share", 2)
	rss, pss := proc.TreeRSS(cmd.Process.Pid), proc.TreePSS(cmd.Process.Pid)
	require.Greater(t, rss, int64(2*sharedSize))
	require.Greater(t, pss, int64(sharedSize))
	require.Less(t, pss, rss-sharedSize/2)
	proc.KillTree(cmd.Process.Pid)
	require.Error(t, cmd.Wait())
	proc.SweepOrphans(nil)
}

func TestAskingAboutNobodyIsHarmless(t *testing.T) {
	const nobody = 1 << 30
	proc.KillTree(nobody)
	require.Empty(t, proc.Descendants(nobody))
	require.Zero(t, proc.TreeRSS(nobody))
	require.Zero(t, proc.TreePSS(nobody))
}

package proc_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

// self is the test binary, behaving as named.
func self(t *testing.T, what string) proc.Cmd {
	t.Helper()
	file, err := os.Executable()
	require.NoError(t, err)
	return proc.Cmd{Path: file, Env: []string{childVar + "=" + what, noRaceSleep}}
}

// A recorder keeps what is written and calls onReady with the pid of each child that says it is ready.
type recorder struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	lines   *proc.Lines
	pids    []int
	onReady func(pid int)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lines == nil {
		r.lines = proc.NewLines(r.line, proc.LineLimits{})
	}
	r.buf.Write(p)
	return r.lines.Write(p)
}

func (r *recorder) line(line []byte) {
	pid, ok := strings.CutPrefix(string(line), "ready ")
	if !ok {
		return
	}
	n, _ := strconv.Atoi(pid)
	r.pids = append(r.pids, n)
	if r.onReady != nil {
		r.onReady(n)
	}
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// requireNothingLeft: none of the children that said they were ready lives, and we have no zombies.
func requireNothingLeft(t *testing.T, r *recorder, ready int) {
	t.Helper()
	require.Len(t, r.pids, ready, "children that got ready: %s", r)
	for _, pid := range r.pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "process %d is there", pid)
	}
	require.Empty(t, proc.Descendants(os.Getpid()))
}

var errEnough = errors.New("enough")

// runUntilReady runs what and ends its context once so many children are ready.
func runUntilReady(t *testing.T, l *proc.Local, what string, ready int, grace time.Duration) (*recorder, proc.Exit, time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var stopped time.Time
	r := new(recorder)
	r.onReady = func(int) {
		if len(r.pids) == ready {
			stopped = time.Now()
			cancel(errEnough)
		}
	}
	c := self(t, what)
	c.Stdout, c.Stderr, c.Grace = r, r, grace
	exit, err := l.Run(ctx, c)
	return r, exit, time.Since(stopped), err
}

func TestAProgramGetsItsArgumentsAndInputAndGivesItsOutput(t *testing.T) {
	var stdout, stderr bytes.Buffer
	c := self(t, "echo")
	c.Args = []string{"a b", "$HOME", ""}
	c.Stdin = strings.NewReader("from stdin")
	c.Stdout, c.Stderr = &stdout, &stderr
	exit, err := new(proc.Local).Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, 3, exit.Code)
	require.Empty(t, exit.Signal)
	require.Equal(t, "a b|$HOME|\nfrom stdin", stdout.String())
	require.Equal(t, "to stderr\n", stderr.String())
	require.Positive(t, exit.Stats.Elapsed)
	require.Positive(t, exit.Stats.MaxMem)
}

func TestAProgramSeesOnlyItsOwnEnvironment(t *testing.T) {
	var out bytes.Buffer
	c := self(t, "environment")
	c.Env = append(c.Env, "GREETING=hello")
	c.Stdout = &out
	_, err := new(proc.Local).Run(t.Context(), c)
	require.NoError(t, err)
	require.Regexp(t, `^PROC_TEST_CHILD=environment\nGORACE=.*\nGREETING=hello\nMILLRACE_PROC=[A-Z2-7]{26}\n$`, out.String())

	out.Reset()
	_, err = (&proc.Local{SearchPath: "/usr/bin:/bin"}).Run(t.Context(), proc.Cmd{Path: "env", Stdout: &out})
	require.NoError(t, err)
	require.Regexp(t, `^PATH=/usr/bin:/bin\nMILLRACE_PROC=[A-Z2-7]{26}\n$`, out.String())
}

func TestASignalIsAnOutcome(t *testing.T) {
	exit, err := new(proc.Local).Run(t.Context(), self(t, "suicide"))
	require.NoError(t, err)
	require.Equal(t, -1, exit.Code)
	require.Equal(t, "killed", exit.Signal)
}

func TestAProgramThatCannotBeStartedIsAnError(t *testing.T) {
	l := new(proc.Local)
	for _, path := range []string{"no-such-program", "/no/such/program"} {
		_, err := l.Run(t.Context(), proc.Cmd{Path: path})
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, "program")
	}
	_, err := l.Run(t.Context(), proc.Cmd{Path: "true", Dir: "/no/such/folder"})
	require.ErrorContains(t, err, "working directory")
	require.NotErrorIs(t, err, fs.ErrNotExist, "a missing folder is not a missing program")
	_, err = l.Run(t.Context(), proc.Cmd{Path: t.TempDir()})
	require.ErrorIs(t, err, fs.ErrPermission)
	_, err = l.Run(t.Context(), proc.Cmd{})
	require.Error(t, err)
}

func TestNothingStartsOnceTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnough)
	file := t.TempDir() + "/made"
	_, err := new(proc.Local).Run(ctx, proc.Cmd{Path: "touch", Args: []string{file}})
	require.ErrorIs(t, err, errEnough)
	require.NoFileExists(t, file)
}

func TestAPoliteProgramMayFinishWithinTheGrace(t *testing.T) {
	r, exit, took, err := runUntilReady(t, new(proc.Local), "polite", 1, 10*time.Second)
	require.ErrorIs(t, err, errEnough)
	require.Equal(t, 0, exit.Code)
	require.Contains(t, r.String(), "finished")
	require.Less(t, took, 5*time.Second)
	requireNothingLeft(t, r, 1)
}

func TestTheGroupMayFinishWithinTheGraceWhenItsLeaderIsGone(t *testing.T) {
	r, exit, _, err := runUntilReady(t, new(proc.Local), "hasty", 2, 10*time.Second)
	require.ErrorIs(t, err, errEnough)
	require.Equal(t, "terminated", exit.Signal)
	require.Contains(t, r.String(), "finished")
	requireNothingLeft(t, r, 2)
}

func TestADeafProgramIsGoneAfterTheGrace(t *testing.T) {
	const grace = 200 * time.Millisecond
	r, exit, took, err := runUntilReady(t, new(proc.Local), "deaf", 1, grace)
	require.ErrorIs(t, err, errEnough)
	require.Equal(t, proc.Exit{Code: -1, Signal: "killed", Stats: exit.Stats}, exit)
	require.GreaterOrEqual(t, took, grace)
	require.Less(t, took, grace+time.Second)
	requireNothingLeft(t, r, 1)
}

func TestWhatEscapedIsGoneAfterTheGrace(t *testing.T) {
	const grace = 200 * time.Millisecond
	r, _, took, err := runUntilReady(t, new(proc.Local), "escape-and-stay", 2, grace)
	require.ErrorIs(t, err, errEnough)
	require.Less(t, took, grace+time.Second)
	requireNothingLeft(t, r, 2)
}

func TestWhatAProgramLeavesBehindIsGoneWhenItHasExited(t *testing.T) {
	for _, what := range []string{"leak", "escape"} {
		t.Run(what, func(t *testing.T) {
			r, c := new(recorder), self(t, what)
			c.Stdout = r
			began := time.Now()
			exit, err := new(proc.Local).Run(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, 0, exit.Code)
			require.Less(t, time.Since(began), 1500*time.Millisecond)
			requireNothingLeft(t, r, len(r.pids))
		})
	}
}

func TestWhatWipedItsTracesIsGoneWithTheLastProgram(t *testing.T) {
	l := &proc.Local{Keep: func(int) bool { return false }}
	r, c := new(recorder), self(t, "vanish")
	c.Stdout = r
	began := time.Now()
	_, err := l.Run(t.Context(), c)
	require.NoError(t, err)
	require.Less(t, time.Since(began), 1500*time.Millisecond)
	requireNothingLeft(t, r, len(r.pids))
}

func TestAProgramThatEndsLeavesOthersAlone(t *testing.T) {
	l := new(proc.Local)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ready := make(chan struct{})
	r := new(recorder)
	r.onReady = func(int) {
		if len(r.pids) == 2 {
			close(ready)
		}
	}
	c := self(t, "escape-and-stay")
	c.Stdout, c.Grace = r, time.Millisecond
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { _, err = l.Run(ctx, c) })
	<-ready

	other := new(recorder)
	o := self(t, "escape")
	o.Stdout = other
	_, otherErr := l.Run(t.Context(), o)
	require.NoError(t, otherErr)
	for _, pid := range r.pids {
		require.NoError(t, syscall.Kill(pid, 0), "process %d belongs to a program that runs", pid)
	}
	cancel(errEnough)
	wg.Wait()
	require.ErrorIs(t, err, errEnough)
	requireNothingLeft(t, r, 2)
}

func TestACrowdIsGoneAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r := &recorder{onReady: func(int) { cancel(errEnough) }}
	script := "trap '' TERM; for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 60 & sleep 60 & setsid sleep 60 & wait) & done; echo ready $$; wait; wait"
	_, err := new(proc.Local).Run(ctx, proc.Cmd{Path: "sh", Args: []string{"-c", script}, Stdout: r, Grace: 50 * time.Millisecond})
	require.ErrorIs(t, err, errEnough)
	requireNothingLeft(t, r, 1)
}

func TestManyProgramsAtOnceEndWithoutALossOrATrace(t *testing.T) {
	l := new(proc.Local)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c := self(t, "escape")
			c.Stdout = new(recorder)
			exit, err := l.Run(t.Context(), c)
			if err != nil || exit.Code != 0 {
				t.Errorf("exit %+v, error %v", exit, err)
			}
		})
	}
	wg.Wait()
	require.Empty(t, proc.Descendants(os.Getpid()))
}

package launch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/payload"
)

const childVar = "MILLRACE_LAUNCH_TEST"

// The test binary is its own child.
func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "":
		os.Exit(m.Run())
	case "deaf":
		deaf()
	case "shouts":
		shout()
	case "map":
		mapFile(os.Args[1])
	}
	err := launch.Serve(os.Stdin, os.Stdout, func(s launch.Setup) (launch.Service, string, error) {
		word, err := launch.Confine(s)
		return launch.Service{Run: behave}, word, err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		proc.SweepOrphans(nil)
		os.Exit(1)
	}
}

// behave does what the job's state says.
func behave(ctx context.Context, dir launch.Dir, req *launch.Request, rep engine.Reporter) *engine.Run {
	run := &engine.Run{Status: engine.Succeeded, Started: time.Now(), Result: map[string]any{"pid": os.Getpid()}}
	rep.Report(ctx, engine.Event{Kind: engine.RunStarted, Task: -1, Total: 1, Time: time.Now()})
	if req.Epilogue != nil {
		rep.Report(ctx, engine.Event{Kind: engine.TaskStdout, Line: "epilogue after " + string(req.Epilogue.Failure.Reason)})
		if arg, _ := req.Job.State["arg"].(string); arg == "slow epilogue" {
			<-ctx.Done()
		}
		req.Epilogue.Warnings = append(req.Epilogue.Warnings, "epilogue ran")
		return req.Epilogue
	}
	rep.Report(ctx, engine.Event{Kind: engine.TaskStarted, Name: "it", Module: "Test", Time: time.Now()})
	fail := func(err error) {
		run.Status, run.Failure = engine.Failed, engine.Fail(ctx, "it", err)
	}
	arg, _ := req.Job.State["arg"].(string)
	switch req.Job.State["do"] {
	case "write":
		if err := os.WriteFile(filepath.Join(dir.Workspace(), "out"), []byte(arg), 0o600); err != nil {
			fail(err)
		}
	case "list":
		var all []string
		_ = filepath.Walk(dir.Path, func(p string, i os.FileInfo, _ error) error {
			if i != nil && i.Mode().IsRegular() {
				all = append(all, p)
			}
			return nil
		})
		run.Result["files"] = strings.Join(all, " ")
	case "read":
		b, err := os.ReadFile(arg)
		run.Result["read"] = string(b)
		if err != nil {
			fail(err)
		}
	case "crash":
		panic("out of cheese")
	case "overflow":
		var f func(int) int
		f = func(n int) int { return f(n+1) + f(n+2) }
		f(0)
	case "babble":
		fmt.Println("this is no event")
		time.Sleep(time.Hour)
	case "hang":
		<-ctx.Done()
		time.Sleep(time.Hour)
	case "wait":
		<-ctx.Done()
		fail(context.Cause(ctx))
		run.Status = engine.Canceled
	case "hoard":
		var all [][]byte
		for range 400 {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			time.Sleep(2 * time.Millisecond)
		}
		run.Result["hoarded"] = len(all)
	case "spawn":
		_ = exec.Command("setsid", "sleep", arg).Start()
	case "spawn and exit": // just about when it has said that its job is over
		_ = exec.Command("setsid", "sleep", arg).Start()
		time.AfterFunc(time.Millisecond, func() { os.Exit(0) })
	case "spawn and crash":
		_ = exec.Command("setsid", "sleep", arg).Start()
		time.Sleep(200 * time.Millisecond)
		panic("left a child behind")
	default:
		misbehave(ctx, dir, req, rep, run)
	}
	return run
}

func request(do, arg string) *launch.Request {
	return &launch.Request{Job: &job.Job{ID: "j", State: map[string]any{"do": do, "arg": arg}}, Digest: "d", Attempt: 1}
}

func newPool(t *testing.T, change func(*launch.Config)) *launch.Pool {
	t.Helper()
	require.NoError(t, proc.BecomeSubreaper())
	cfg := launch.Config{
		Argv: []string{os.Args[0]}, Env: []string{childVar + "=1", "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"},
		Root: t.TempDir(), Slots: 1, Grace: 500 * time.Millisecond, Log: slog.New(slog.DiscardHandler), Setup: launch.Setup{Confine: true},
	}
	if change != nil {
		change(&cfg)
	}
	p := launch.NewPool(cfg)
	t.Cleanup(func() {
		p.Close()
		require.Empty(t, proc.Descendants(os.Getpid()), "no process survives")
		left, err := os.ReadDir(cfg.Root)
		require.NoError(t, err)
		require.Empty(t, left, "no folder survives")
	})
	return p
}

// lines is a Reporter that keeps what was printed.
type lines []string

func (l *lines) Report(_ context.Context, ev engine.Event) {
	if ev.Kind == engine.TaskStdout {
		*l = append(*l, ev.Line)
	}
}

func launchOne(t *testing.T, l launch.Launcher, req *launch.Request) (*engine.Run, lines) {
	t.Helper()
	var said lines
	out, err := l.Launch(t.Context(), req, &said)
	require.NoError(t, err)
	out.Close()
	return out.Run, said
}

func TestEveryLauncherRunsAJobAndKeepsItsWorkspaceUntilClose(t *testing.T) {
	for name, l := range map[string]launch.Launcher{
		"pool":   newPool(t, nil),
		"inline": &launch.Inline{Root: t.TempDir(), Run: behave},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := l.Launch(t.Context(), request("write", "hello"), new(lines))
			require.NoError(t, err)
			require.Equal(t, engine.Succeeded, out.Run.Status)
			b, err := os.ReadFile(filepath.Join(out.Workspace, "out"))
			require.NoError(t, err)
			require.Equal(t, "hello", string(b))
			out.Close()
			require.NoFileExists(t, filepath.Join(out.Workspace, "out"))
		})
	}
}

func TestTheLongestMessageReachesAChild(t *testing.T) {
	arg := strings.Repeat("<", payload.Most)
	out, err := newPool(t, nil).Launch(t.Context(), request("write", arg), new(lines))
	require.NoError(t, err)
	defer out.Close()
	require.Equal(t, engine.Succeeded, out.Run.Status)
	b, err := os.ReadFile(filepath.Join(out.Workspace, "out"))
	require.NoError(t, err)
	require.True(t, arg == string(b))
}

func TestAChildThatDiesFailsItsJobAloneAndGetsAnEpilogue(t *testing.T) {
	p := newPool(t, nil)
	for _, tt := range []struct {
		do     string
		reason engine.Reason
		says   string
	}{
		{"crash", engine.Crash, "out of cheese"},
		{"overflow", engine.Crash, "stack exceeds"},
		{"babble", engine.Crash, "invalid character"},
	} {
		t.Run(tt.do, func(t *testing.T) {
			run, said := launchOne(t, p, request(tt.do, ""))
			require.Equal(t, engine.Failed, run.Status)
			require.Equal(t, tt.reason, run.Failure.Reason)
			require.Contains(t, run.Failure.Message, tt.says)
			require.Equal(t, "it", run.Failure.Task, "the task under way is named")
			require.Equal(t, lines{"epilogue after crash"}, said)
			require.Equal(t, []string{"epilogue ran"}, run.Warnings)
		})
	}
	run, _ := launchOne(t, p, request("write", "x"))
	require.Equal(t, engine.Succeeded, run.Status, "the next job is none the worse")
}

func TestOfTasksThatRanAtOnceWhenTheChildDiedNoneIsBlamed(t *testing.T) {
	run, _ := launchOne(t, newPool(t, nil), request("crash together", ""))
	require.Equal(t, engine.Crash, run.Failure.Reason)
	require.Empty(t, run.Failure.Task)
	require.Contains(t, run.Failure.Message, `(while tasks "it", "#1", "other", "#4" ran)`)
	var stood []string
	for _, task := range run.Tasks {
		stood = append(stood, fmt.Sprintf("%d %s %s", task.Index, task.Label(), task.Status))
	}
	require.Equal(t, []string{"0 it failed", "1 #1 failed", "2 quick succeeded", "3 other failed", "4 #4 failed"}, stood)
	require.Equal(t, "other", run.Tasks[3].Failure.Task)
	require.NotContains(t, run.Tasks[3].Failure.Message, "while tasks")
}

func TestAJobOverItsMemoryIsKilledAndNamed(t *testing.T) {
	p := newPool(t, func(c *launch.Config) { c.Machine = &launch.Machine{Memory: 200 << 20} })
	run, _ := launchOne(t, p, request("hoard", ""))
	require.Equal(t, engine.OOM, run.Failure.Reason)
	require.Contains(t, run.Failure.Message, "more than the 200 MiB it may")
}

// The word about the culprit is out before the kill, which may take the worker along.
func TestF26TheCulpritIsNamedBeforeItIsKilled(t *testing.T) {
	p := newPool(t, func(c *launch.Config) { c.Machine = &launch.Machine{Memory: 200 << 20} })
	req := request("hoard", "")
	var why []engine.Reason
	alive := 0
	req.Blame = func(_ context.Context, f engine.Failure) {
		why = append(why, f.Reason)
		alive = len(proc.Descendants(os.Getpid()))
	}
	launchOne(t, p, req)
	require.Equal(t, []engine.Reason{engine.OOM}, why)
	require.Positive(t, alive)
}

func TestAJobThatDiesOfItselfIsNamedAndOneThatIsStoppedIsNot(t *testing.T) {
	p := newPool(t, nil)
	var why []engine.Reason
	blame := func(_ context.Context, f engine.Failure) { why = append(why, f.Reason) }
	req := request("hang", "")
	req.Blame = blame
	ctx, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { stop(&engine.Stop{Reason: engine.Shutdown, Message: "going away"}) })
	out, err := p.Launch(ctx, req, new(lines))
	require.NoError(t, err)
	out.Close()
	require.Empty(t, why, "it was killed for not going, which is not its fault")
	req = request("crash", "")
	req.Blame = blame
	launchOne(t, p, req)
	require.Equal(t, []engine.Reason{engine.Crash}, why)
}

func TestWhatADeadChildStartedIsGone(t *testing.T) {
	p := newPool(t, nil)
	launchOne(t, p, request("spawn and crash", "98765"))
	require.Error(t, exec.Command("pgrep", "-f", "sleep 98765").Run())
	require.Positive(t, p.Reaped())
}

func TestNothingOfAJobRunsOnWhenWhatItHadGoesBack(t *testing.T) {
	for reuse, do := range map[int]string{1: "write", 3: "spawn"} {
		t.Run(do, func(t *testing.T) {
			p := newPool(t, func(c *launch.Config) { c.Reuse = reuse })
			req := request(do, "98766")
			req.Alone = true // so that its memory is the next one's
			out, err := p.Launch(t.Context(), req, new(lines))
			require.NoDirExists(t, fmt.Sprintf("/proc/%v", out.Run.Result["pid"]))
			require.NoError(t, err)
			defer out.Close()
			require.Equal(t, engine.Succeeded, out.Run.Status)
			require.Error(t, exec.Command("pgrep", "-f", "sleep 98766").Run())
		})
	}
}

func TestNothingOfAJobRunsOnWhoseProcessDiesAsItEnds(t *testing.T) {
	for _, reuse := range []int{1, 100} {
		p := newPool(t, func(c *launch.Config) { c.Reuse = reuse })
		for range 15 {
			out, err := p.Launch(t.Context(), request("spawn and exit", "98767"), new(lines))
			require.NoError(t, err)
			out.Close()
			require.Error(t, exec.Command("pgrep", "-f", "sleep 98767").Run())
		}
	}
}

func TestAStopReachesTheJobAndAChildThatIgnoresItIsKilled(t *testing.T) {
	for _, do := range []string{"wait", "hang"} {
		t.Run(do, func(t *testing.T) {
			p := newPool(t, nil)
			ctx, stop := context.WithCancelCause(t.Context())
			time.AfterFunc(300*time.Millisecond, func() { stop(&engine.Stop{Reason: engine.Shutdown, Message: "going away"}) })
			var said lines
			out, err := p.Launch(ctx, request(do, ""), &said)
			require.NoError(t, err)
			out.Close()
			require.Equal(t, engine.Canceled, out.Run.Status)
			require.Equal(t, engine.Shutdown, out.Run.Failure.Reason)
			require.Empty(t, said, "an interruption has no epilogue")
		})
	}
}

func TestIsolationJobGivesEveryJobAProcessOfItsOwn(t *testing.T) {
	p := newPool(t, nil)
	a, _ := launchOne(t, p, request("", ""))
	b, _ := launchOne(t, p, request("", ""))
	require.NotEqual(t, a.Result["pid"], b.Result["pid"])
}

func TestIsolationPipelineReusesAProcessForOnePipelineAndCustomerOnly(t *testing.T) {
	p := newPool(t, func(c *launch.Config) { c.Reuse = 3 })
	pid := func(digest, customer, do string) any {
		req := request(do, "x")
		req.Digest, req.Job.Customer = digest, customer
		run, _ := launchOne(t, p, req)
		return run.Result["pid"]
	}
	first := pid("a", "ann", "write")
	require.Equal(t, first, pid("a", "ann", "write"))
	require.Equal(t, first, pid("a", "ann", "write"))
	second := pid("a", "ann", "write")
	require.NotEqual(t, first, second, "reuse is bounded")
	third := pid("a", "bob", "write")
	require.NotEqual(t, second, third, "another customer")
	require.NotEqual(t, third, pid("b", "bob", "write"), "another pipeline")
}

func TestAReusedProcessFindsNothingOfTheLastJob(t *testing.T) {
	p := newPool(t, func(c *launch.Config) { c.Reuse = 10 })
	a, _ := launchOne(t, p, request("write", "secret"))
	b, _ := launchOne(t, p, request("list", ""))
	require.Equal(t, a.Result["pid"], b.Result["pid"], "it was reused")
	require.Empty(t, b.Result["files"])
}

func TestAChildThatCrashesTakesNoProgramOfTheWorkerWithIt(t *testing.T) {
	own := new(proc.Local)
	p := newPool(t, func(c *launch.Config) { c.Keep = own.Owns })
	in, end, err := os.Pipe()
	require.NoError(t, err)
	said, out := io.Pipe()
	ended := make(chan proc.Exit)
	go func() {
		exit, _ := own.Run(t.Context(), proc.Cmd{Path: "sh", Args: []string{"-c", "echo up; cat; exit 7"}, Stdin: in, Stdout: out})
		ended <- exit
	}()
	_, err = io.ReadFull(said, make([]byte, len("up\n")))
	require.NoError(t, err)
	run, _ := launchOne(t, p, request("crash", ""))
	require.Equal(t, engine.Crash, run.Failure.Reason)
	require.NoError(t, end.Close())
	require.Equal(t, 7, (<-ended).Code)
}

func TestAChildSeesItsOwnFolderAndTheSystemOnly(t *testing.T) {
	var log bytes.Buffer
	p := newPool(t, func(c *launch.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	elsewhere := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(elsewhere, []byte("x"), 0o644))
	run, _ := launchOne(t, p, request("read", elsewhere))
	if word, _ := landlocked(t); !strings.HasPrefix(word, launch.Confined) { // a kernel without: the operator is told
		p.Close()
		require.Equal(t, engine.Succeeded, run.Status)
		require.Contains(t, log.String(), "this kernel has no Landlock")
		return
	}
	require.Equal(t, engine.Failed, run.Status)
	require.Contains(t, run.Failure.Message, "permission denied")
	run, _ = launchOne(t, p, request("read", "/etc/hostname"))
	require.Equal(t, engine.Succeeded, run.Status)
}

// landlocked asks a child what confines it.
func landlocked(t *testing.T) (string, error) {
	out, err := exec.Command("cat", "/sys/kernel/security/lsm").Output()
	if err == nil && strings.Contains(string(out), "landlock") {
		return "Landlock", nil
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{childVar + "=1"}
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"setup":{"dir":{"path":%q},"confine":true}}`+"\n", t.TempDir()))
	out, err = cmd.Output()
	if i := strings.Index(string(out), "Landlock"); i >= 0 && strings.Contains(string(out), `"confined":"Landlock`) {
		return "Landlock", err
	}
	return string(out), err
}

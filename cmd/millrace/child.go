package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// childCommand is the hidden sub-command that a worker starts its children with.
const childCommand = "child"

// runVar names the run of a worker in the environment of everything it starts, so that the next worker can find what
// a killed one left behind.
const runVar = "MILLRACE_RUN"

// childMain is the life of a child: its stdin is the worker's word, its stdout the event stream. It returns the exit code.
func childMain() int {
	// C libraries print to fd 1: the events get a descriptor of their own, and fd 1 becomes stderr.
	fd, err := unix.Dup(1)
	if err == nil {
		unix.CloseOnExec(fd)
		err = unix.Dup2(2, 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "set up event stream:", err)
		return exitFailed
	}
	err = launch.Serve(os.Stdin, os.NewFile(uintptr(fd), "events"), prepareChild)
	proc.SweepOrphans(nil) // all that a job whose worker went away has started, and what waits for a job
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return 0
}

func prepareChild(s launch.Setup) (launch.Service, string, error) {
	confined, err := launch.Confine(s)
	if err != nil {
		return launch.Service{}, "", err
	}
	r, err := newRunner(s.Env, s.Policy, slog.New(slog.DiscardHandler))
	if err != nil {
		return launch.Service{}, "", err
	}
	r.tools = &tool.Set{Path: os.Getenv("PATH"), Folder: s.Tools.Folder, Compiled: s.Tools.Compiled, Known: s.Tools.Found, Exec: r.exec, Limits: s.Tools.Limits}
	r.exec.Scoped = s.Confine // its programs can't signal the worker, nor other jobs' processes
	r.rehearse()
	collectLate()
	run := func(ctx context.Context, dir launch.Dir, req *launch.Request, rep engine.Reporter) *engine.Run {
		// Programs are gone when their task ends; what slipped through is gone when the job does.
		defer proc.SweepOrphans(nil)
		return r.run(ctx, dir, req, rep)
	}
	return launch.Service{Run: run, Idle: func() { r.warmUp(s.Warm, s.Dir) }}, confined, nil
}

// collectLate has nothing collected until the heap has 24 MiB, which few jobs need, and then as ever: that would be half of what
// a short job costs. The child was started with launch.StartEnv.
func collectLate() {
	runtime.AddCleanup(new([64]byte), func(struct{}) { debug.SetGCPercent(100) }, struct{}{}) // after the first collection
	debug.SetGCPercent(600)                                                                   // of the runtime's 4 MiB
}

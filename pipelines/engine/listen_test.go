package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/modules/workspace"
	"github.com/millrace/millrace/pipelines/engine"
)

func TestAPluginHearsEveryEventOfTheRunAndOfItsTasks(t *testing.T) {
	var b bench
	run := b.run(t, `
name: p
plugins: [Tell]
tasks:
  - {name: one, module: Do, props: {print: a line}, callbacks: {onStart: [{module: Tell, props: {say: its own first}}]}}
  - {module: Do, throw: false, props: {fail: broken}}
`)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, []string{
		"onStart p running",
		"its own first", "onStart task one running", "onStdout task one running: a line", "onSuccess task one succeeded", "onEnd task one succeeded",
		"onStart task #1 running", "onError task #1 failed: broken", "onEnd task #1 failed",
		"onSuccess p succeeded", "onEnd p succeeded",
	}, b.told)
}

func TestACallbackThatSaysNotWhatTellsTheEvent(t *testing.T) {
	var b bench
	run := b.run(t, `
name: p
tasks: [{name: one, module: Do, props: {print: a line}, callbacks: {onStdout: [{module: Tell}], onEnd: [{module: Tell, props: {say: "own"}}]}}]
callbacks: {onEnd: [{module: Tell, props: {}}]}
`)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, []string{"onStdout task one running: a line", "own", "onEnd p succeeded"}, b.told)
}

func TestAPluginHearsHowARunFailed(t *testing.T) {
	var b bench
	e, in := b.input(t, "name: p\nplugins: [Tell]\ntasks: [{name: one, module: Do, props: {fail: broken}}]")
	in.Last = true
	e.Run(t.Context(), in)
	require.Equal(t, []string{"onError p failed: broken", "onFailure p failed: broken", "onEnd p failed: broken"}, b.told[len(b.told)-3:])
}

func TestAPluginThatCantBeAttachedIsLeftOutWithAWarning(t *testing.T) {
	var b bench
	_, in := b.input(t, "plugins: [Tell, Tel, Later, Deaf]\ntasks: [{module: Do}]")
	mods, err := modules.NewRegistry(b.module())
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(b.callback(), deaf())
	require.NoError(t, err)
	planned := func(name string) bool { return name == "Later" }
	e := engine.New(engine.Config{Modules: mods, Callbacks: cbs, Planned: planned})
	run := e.Run(t.Context(), in)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, []string{
		`test.yaml:1:17: plugin left out: module "Tel" is unknown, did you mean "Tell"?`,
		"test.yaml:1:22: plugin left out: module \"Later\" is known, but this version does not have it yet (`millrace modules` lists those it has)",
		`test.yaml:1:29: plugin left out: module "Deaf" can't be a plugin: it does nothing without props; write it under callbacks`,
	}, run.Warnings)
	require.NotEmpty(t, b.told)

	again := e.Epilogue(t.Context(), in, &engine.Run{Warnings: run.Warnings, Failure: &engine.Failure{Reason: engine.Crash}})
	require.Len(t, again.Warnings, 3, "an epilogue does not warn again")
}

// chatty is a module that prints and logs.
func chatty() modules.Module {
	return modules.Define(modules.Spec{Name: "Chatty", Summary: "Prints and logs.", Example: "- module: Chatty\n"},
		func(ctx context.Context, c *modules.Call, _ struct{}) (struct{}, error) {
			c.Secret("hunter2-hunter2")
			fmt.Fprintln(c.Stdout, "to stdout")
			c.Log.With("size", 3).WithGroup("took").InfoContext(ctx, "model read", "all", 2*time.Second, "path", "a b")
			c.Log.DebugContext(ctx, "token sent", "token", "hunter2-hunter2")
			fmt.Fprintln(c.Stderr, "to stderr")
			return struct{}{}, nil
		})
}

func TestWhatATaskMovesIsCountedOverAllItsTries(t *testing.T) {
	tries := 0
	mover := modules.Define(modules.Spec{Name: "Move", Summary: "Moves something.", Example: "- module: Move\n"},
		func(_ context.Context, c *modules.Call, _ struct{}) (struct{}, error) {
			c.Moved(100, 3)
			if tries++; tries < 2 {
				return struct{}{}, errors.New("again")
			}
			return struct{}{}, nil
		})
	var b bench
	_, in := b.input(t, "tasks: [{module: Move, retry: 1, retry_sleep: 0}]")
	mods, err := modules.NewRegistry(mover)
	require.NoError(t, err)
	run := engine.New(engine.Config{Modules: mods}).Run(t.Context(), in)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, []int64{200, 6}, []int64{run.Tasks[0].BytesIn, run.Tasks[0].BytesOut})
}

func TestTheFilesThatATaskReadAndMadeAreToldWithoutSecrets(t *testing.T) {
	type output struct {
		modules.ToolOutput
		Triangles int64 `json:"triangles" fact:"made.triangles" doc:"."`
	}
	maker := modules.Define(modules.Spec{Name: "Make", Summary: "Makes something.", Example: "- module: Make\n"},
		func(_ context.Context, c *modules.Call, _ struct{}) (out output, err error) {
			c.Secret("hunter2-hunter2")
			out.Dest, out.Triangles = "of hunter2-hunter2.glb", 12
			return out, c.Workspace.WriteFile(out.Dest, []byte("glTF"))
		})
	var b bench
	_, in := b.input(t, "tasks: [{module: Make}]")
	ws, err := workspace.Open(t.TempDir(), workspace.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ws.Close()) })
	in.Call.Workspace, in.Call.Secret, in.Redact = ws, func(s string) { in.Redact.Add(s) }, new(redact.Set)
	mods, err := modules.NewRegistry(maker)
	require.NoError(t, err)
	run := engine.New(engine.Config{Modules: mods}).Run(t.Context(), in)
	require.Equal(t, engine.Succeeded, run.Status, run.Failure)
	require.Equal(t, []modules.File{{Path: "of [REDACTED].glb", Bytes: 4, Triangles: 12}}, run.Tasks[0].Made)
	require.Empty(t, run.Tasks[0].Read)
}

func TestHowFarATaskIsIsToldOnceAHundredth(t *testing.T) {
	worker := modules.Define(modules.Spec{Name: "Work", Summary: "Works.", Example: "- module: Work\n"},
		func(_ context.Context, c *modules.Call, _ struct{}) (struct{}, error) {
			for _, done := range []float64{0.001, 0.01, 0.0105, 0.5, 0.2, math.NaN(), 7} {
				c.Progress(done)
			}
			return struct{}{}, nil
		})
	var b bench
	_, in := b.input(t, "tasks: [{module: Work}]")
	mods, err := modules.NewRegistry(worker)
	require.NoError(t, err)
	run := engine.New(engine.Config{Modules: mods}).Run(t.Context(), in)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Zero(t, run.Tasks[0].Progress, "of use while it runs")
	var told, seen []float64
	var reached engine.Reached
	for _, ev := range b.events {
		require.Equal(t, ev.Kind == engine.TaskProgress || ev.Kind == engine.TaskStarted || ev.Kind == engine.TaskEnded, reached.See(&ev), ev.Kind)
		if ev.Kind == engine.TaskProgress {
			told, seen = append(told, ev.Progress), append(seen, reached.Tasks[0].Progress)
		}
	}
	require.Equal(t, []float64{0.01, 0.5, 1}, told)
	require.Equal(t, told, seen)
	require.False(t, reached.See(&engine.Event{Kind: engine.TaskProgress, Progress: 0.5}), "it is over")
	require.False(t, reached.See(&engine.Event{Kind: engine.TaskProgress, Task: 3, Progress: 0.5}), "it has not begun")
}

// heard runs a document with Chatty and returns what its callbacks Tell said. Their log must not be written to.
func heard(t *testing.T, doc string) []string {
	t.Helper()
	var b bench
	_, in := b.input(t, doc)
	in.Call.Log = slog.New(slog.NewTextHandler(failing{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	mods, err := modules.NewRegistry(chatty())
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(b.callback(), echo())
	require.NoError(t, err)
	run := engine.New(engine.Config{Modules: mods, Callbacks: cbs}).Run(t.Context(), in)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Empty(t, run.Warnings)
	return b.told
}

// echo is a callback that prints and logs itself.
func echo() modules.Module {
	return modules.Define(modules.Spec{Name: "Echo", Summary: "Prints and logs.", Example: "- module: Echo\n"},
		func(ctx context.Context, c *modules.Call, _ struct{}) (struct{}, error) {
			fmt.Fprintln(c.Stdout, "echo")
			c.Log.InfoContext(ctx, "echo")
			return struct{}{}, nil
		})
}

func TestOnLogHearsEachLineOfTheRunOnceAndOnDebugTheRest(t *testing.T) {
	require.Equal(t, []string{
		"onDebug debug [] pipeline p: register listeners",
		"onDebug debug [] pipeline p: START",
		"onDebug debug [talk] Task #0 talk: START",
		"onLog info [talk] to stdout",
		`onLog info [talk] model read size=3 took.all=2s took.path="a b"`,
		"onDebug debug [talk] token sent token=[REDACTED]",
		"onLog info [talk] to stderr",
		"onDebug debug [talk] Task #0 talk: SUCCESS",
		"onDebug debug [talk] Task #0 talk: DONE",
		"onDebug debug [] pipeline p: SUCCESS",
		"onDebug debug [] pipeline p: close listeners",
		"onDebug debug [] pipeline p: DONE",
	}, heard(t, `
name: p
tasks: [{name: talk, module: Chatty}]
callbacks:
  onLog: [{module: Tell, props: {say: "{{ event }} {{ level }} [{{ task.name }}] {{ line }}"}}]
  onDebug: [{module: Tell, props: {say: "{{ event }} {{ level }} [{{ task.name }}] {{ line }}"}}]
`))
}

func TestWhatCallbacksWriteIsNoLineOfTheRun(t *testing.T) {
	require.Equal(t, []string{"to stdout", `model read size=3 took.all=2s took.path="a b"`, "to stderr"}, heard(t, `
tasks: [{module: Chatty, callbacks: {onEnd: [{module: Echo}]}}]
callbacks: {onLog: [{module: Tell, props: {say: "{{ line }}"}}, {module: Echo}], onStart: [{module: Echo}]}
`))
}

func TestEachLineHasACallbackIDThatALaterAttemptRepeats(t *testing.T) {
	doc := "tasks: [{name: talk, module: Do, props: {print: \"{{ '1\\n2' }}\"}, callbacks: {onStdout: [{module: Tell, props: {say: '{{ callback_id }}'}}]}}]"
	for range 2 {
		var b bench
		b.run(t, doc)
		require.Equal(t, []string{"job-1-0-talk-onStdout-0-1", "job-1-0-talk-onStdout-0-2"}, b.told)
	}
}

func TestEveryCallbackOfARunHasAnIDOfItsOwn(t *testing.T) {
	var b bench
	b.run(t, `
tasks:
  - {name: convert, module: Do, callbacks: {onSuccess: [{module: Tell, props: {say: "{{ callback_id }}"}}]}}
  - {name: convert, module: Do, callbacks: {onSuccess: [{module: Tell, props: {say: "{{ callback_id }}"}}]}}
  - {name: convert, module: Do, props: {fail: broken}, callbacks: {onError: [{module: Tell, props: {say: "{{ callback_id }}"}}]}}
callbacks: {onError: [{module: Tell, props: {say: "{{ callback_id }}"}}], onEnd: [{module: Tell, props: {say: "{{ callback_id }}"}}]}
`)
	require.Equal(t, []string{
		"job-1-0-convert-onSuccess-0", "job-1-1-convert-onSuccess-0", "job-1-2-convert-onError-0",
		"job-1-run-convert-onError-0", "job-1-run-convert-onEnd-0",
	}, b.told)
}

func TestATaskWithoutANameIsCalledByItsID(t *testing.T) {
	var b bench
	run := b.run(t, "tasks: [{id: shrink, module: Do, props: {fail: broken}, callbacks: {onError: [{module: Tell, props: {say: '{{ current_task }}'}}]}}]")
	require.Equal(t, []string{"shrink"}, b.told)
	require.Equal(t, "shrink", run.Tasks[0].Label())
	require.Equal(t, "shrink", run.Failure.Task)
}

func TestASlowOnLogHoldsUpNoTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := deafRun(t.Context(), t, `
tasks: [{module: Do, props: {print: a line}}, {module: Do, props: {print: another}}]
callbacks: {onLog: [{module: Deaf, props: {say: x}}]}
`)
		require.Equal(t, engine.Succeeded, run.Status)
		require.Zero(t, run.Tasks[1].Ended.Sub(run.Started))
	})
}

func TestATaskEndsWhenItsModuleDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, props := range []string{"{sleep: 1s, print: a}", "{sleep: 1s, print: a, fail: broken}"} {
			run, _ := deafRun(t.Context(), t, "tasks: [{module: Do, props: "+props+", callbacks: {onStdout: [{module: Deaf, props: {say: x}}]}}]")
			require.Equal(t, time.Second, run.Tasks[0].Ended.Sub(run.Started))
			require.Equal(t, 30*time.Second, run.Ended.Sub(run.Started), "its line is told first")
		}
	})
}

func TestLogCallbacksThatNobodyAnswersAreGivenUpAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := deafRun(t.Context(), t, "tasks: [{module: Do, props: {sleep: 10s, print: \"{{ '1\\n2\\n3\\n4' }}\"}}]\ncallbacks: {onLog: [{module: Deaf, props: {say: x}}]}")
		require.Equal(t, engine.Succeeded, run.Status)
		require.Equal(t, 40*time.Second, run.Ended.Sub(run.Started))
		require.Equal(t, []string{
			"test.yaml:2:21: callback Deaf (onLog): the callback ran past its timeout of 30s",
			"2 printed lines were not told to line callbacks: they are slower than the program",
		}, run.Warnings)
	})
}

// TestTheTraceIsTheHandlers holds what happens in a run, and in which order, against testdata/trace.txt.
func TestTheTraceIsTheHandlers(t *testing.T) {
	var b bench
	_, in := b.input(t, `
name: hello
tasks:
  - name: greet
    module: Do
    props: {print: hello}
    callbacks: {onStart: [{module: Say}], onStdout: [{module: Say}], onSuccess: [{module: Say}], onEnd: [{module: Say}]}
  - module: Do
    callbacks: {onStart: [{module: Say}], onSuccess: [{module: Say}], onEnd: [{module: Say}]}
callbacks: {onStart: [{module: Say}], onSuccess: [{module: Say}], onEnd: [{module: Say}]}
`)
	say := modules.Define(modules.Spec{Name: "Say", Summary: "Prints the event.", Example: "- module: Say\n"},
		func(_ context.Context, c *modules.Call, _ struct{}) (struct{}, error) {
			event, _ := c.State.Get("event")
			task, ok := c.State.Get("task.index")
			if !ok {
				task = "pipeline"
			}
			fmt.Fprintf(c.Stdout, "  %v %v\n", task, event)
			return struct{}{}, nil
		})
	mods, err := modules.NewRegistry(b.module())
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(say)
	require.NoError(t, err)
	in.Trace = true
	engine.New(engine.Config{Modules: mods, Callbacks: cbs}).Run(t.Context(), in)
	var got strings.Builder
	for _, ev := range b.events {
		if line := ev.Line; line != "" {
			_, line, _ = strings.Cut(" "+line, ` msg="`)
			if line, _, _ = strings.Cut(line, `"`); line == "" {
				line = ev.Line
			}
			fmt.Fprintln(&got, line)
		}
	}
	want, err := os.ReadFile("testdata/trace.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

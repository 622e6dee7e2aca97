package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines/engine"
)

// deaf is a callback that nobody answers.
func deaf() modules.Module {
	type props struct {
		Say string `json:"say" doc:"What to say."`
	}
	return modules.Define(modules.Spec{Name: "Deaf", Summary: "Waits for ever.", Example: "- module: Deaf\n  props: {say: x}\n"},
		func(ctx context.Context, _ *modules.Call, _ props) (struct{}, error) {
			<-ctx.Done()
			return struct{}{}, context.Cause(ctx)
		})
}

const deafLines = `
tasks:
  - module: Do
    props: {print: "{{ '1\n2\n3\n4' }}"}
    callbacks: {onStdout: [{module: Deaf, props: {say: "{{ line }}"}}]}
`

// deafRun runs a document whose callbacks Deaf never answers.
func deafRun(ctx context.Context, t *testing.T, doc string) (*engine.Run, []engine.Event) {
	t.Helper()
	var b bench
	_, in := b.input(t, doc)
	mods, err := modules.NewRegistry(b.module())
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(deaf())
	require.NoError(t, err)
	run := engine.New(engine.Config{Modules: mods, Callbacks: cbs}).Run(ctx, in)
	return run, b.events
}

func TestLineCallbacksThatNobodyAnswersHoldATaskUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := deafRun(t.Context(), t, strings.Replace(deafLines, "props: {", "props: {sleep: 10s, ", 1))
		require.Equal(t, engine.Succeeded, run.Status)
		require.Equal(t, 10*time.Second+30*time.Second, run.Ended.Sub(run.Started), "the timeout of one callback for all that wait")
		require.Equal(t, []string{
			"test.yaml:5:28: callback Deaf (onStdout): the callback ran past its timeout of 30s",
			"2 printed lines were not told to line callbacks: they are slower than the program",
		}, run.Warnings)
	})
}

func TestSlowLineCallbacksOfOneTaskHoldAnotherUpForOneOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := deafRun(t.Context(), t, `
settings: {parallel: 2}
tasks:
  - {module: Do, props: {sleep: 5m, print: "{{ '1\n2\n3\n4' }}"}, callbacks: {onStdout: [{module: Deaf, props: {say: x}}]}}
  - {id: b, module: Do, after: [], props: {sleep: 1s}, callbacks: {onEnd: [{module: Deaf, props: {say: x}}]}}
  - {module: Do, after: b}
`)
		require.Equal(t, engine.Succeeded, run.Status)
		require.Equal(t, 60*time.Second, run.Tasks[2].Started.Sub(run.Started), "a line's callback that was under way, and its own")
		require.Len(t, run.Warnings, 2, "that both failed, and no line was left out")
	})
}

func TestLineCallbacksEndWithTheRun(t *testing.T) {
	for _, reason := range []engine.Reason{engine.Shutdown, engine.Cancel, engine.Deadline} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { stop(&engine.Stop{Reason: reason, Message: "enough"}) })
				run, events := deafRun(ctx, t, strings.Replace(deafLines, "props: {", "props: {sleep: 1m, ", 1))
				require.Equal(t, time.Second, run.Ended.Sub(run.Started))
				require.Contains(t, run.Warnings, "3 printed lines were not told to line callbacks: the run was stopped")
				failed := slices.IndexFunc(events, func(ev engine.Event) bool { return ev.Kind == engine.CallbackFailed })
				require.Contains(t, events[failed].Error, "enough")
			})
		})
	}
}

func TestAnInterruptionEndsOnStartAndLetsAnOutcomeBeTold(t *testing.T) {
	for _, tt := range []struct {
		name, event string
		reason      engine.Reason
		took        time.Duration
		status      engine.Status
	}{
		{"the job will start again", "onStart", engine.Shutdown, time.Second, engine.Canceled},
		{"somebody else starts it", "onStart", engine.LeaseLost, time.Second, engine.Canceled},
		{"a canceled job does not start again", "onStart", engine.Cancel, 30 * time.Second, engine.Canceled},
		{"the job is done", "onEnd", engine.Shutdown, 30 * time.Second, engine.Succeeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { stop(&engine.Stop{Reason: tt.reason, Message: "enough"}) })
				run, _ := deafRun(ctx, t, "tasks: [{module: Do}]\ncallbacks: {"+tt.event+": [{module: Deaf, props: {say: x}}]}\n")
				require.Equal(t, tt.took, run.Ended.Sub(run.Started))
				require.Equal(t, tt.status, run.Status)
			})
		})
	}
}

// stubborn is a module that says itself why it stopped, as those that run programs do.
func stubborn() modules.Module {
	return modules.Define(modules.Spec{Name: "Stubborn", Summary: "Says why it stopped.", Example: "- module: Stubborn\n"},
		func(ctx context.Context, c *modules.Call, _ struct{}) (struct{}, error) {
			c.Log.InfoContext(ctx, "about to wait", "note", strings.Repeat("long ", 2000))
			<-ctx.Done()
			return struct{}{}, errors.Join(errors.New("run sleep: stopped"), context.Cause(ctx))
		})
}

func TestATryThatTookTooLongSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := traceOf(t, "tasks: [{module: Stubborn, timeout: 2s, retry: 1}]")
		i := 0
		for ; events[i].Kind != engine.TaskRetry; i++ {
		}
		require.Equal(t, "the task ran past its timeout of 2s", events[i].Error)
	})
}

func TestATracedRunTellsItsLogAsEventsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kinds []engine.EventKind
		var lines []string
		for _, ev := range traceOf(t, "name: p\ntasks: [{module: Stubborn, timeout: 2s}, {name: b, module: Stubborn, timeout: 2s}]") {
			kinds = append(kinds, ev.Kind)
			require.Less(t, len(ev.Line), 5000)
			if ev.Kind == engine.Trace {
				lines = append(lines, ev.Line)
			}
		}
		require.Equal(t, []engine.EventKind{
			engine.RunStarted, engine.Trace, engine.Trace, engine.Trace, engine.TaskStarted, engine.Trace, engine.Trace, engine.Trace,
			engine.TaskEnded, engine.Trace, engine.Trace, engine.Trace, engine.RunEnded,
		}, kinds)
		require.Equal(t, `level=DEBUG msg="Task #0: START" job_id=job-1 task=#0 module=Stubborn`, lines[2])
	})
}

// traceOf runs a document with Stubborn and returns all events.
func traceOf(t *testing.T, doc string) []engine.Event {
	t.Helper()
	var b bench
	_, in := b.input(t, doc)
	in.Trace = true
	in.Call.Log = slog.New(slog.NewTextHandler(failing{t}, nil))
	mods, err := modules.NewRegistry(stubborn())
	require.NoError(t, err)
	engine.New(engine.Config{Modules: mods, Callbacks: mods}).Run(t.Context(), in)
	return b.events
}

// failing is a log that must stay empty.
type failing struct{ t *testing.T }

func (f failing) Write(p []byte) (int, error) {
	f.t.Errorf("logged: %s", p)
	return len(p), nil
}

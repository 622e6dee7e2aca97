package engine_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
)

// ordered runs a document whose tasks wait for others as after says, not for the one before.
func (b *bench) ordered(ctx context.Context, t *testing.T, doc string, parallel int, after ...[]int) *engine.Run {
	t.Helper()
	e, in := b.input(t, doc)
	in.Pipeline.Settings.Parallel = parallel
	for i, before := range after {
		in.Pipeline.Tasks[i].After = before
	}
	return e.Run(ctx, in)
}

// spans is when each task ran, in seconds from the start of the run, in the order they started.
func spans(run *engine.Run) []string {
	var out []string
	for _, t := range run.Tasks {
		out = append(out, fmt.Sprintf("%s %d-%d", t.Label(), t.Started.Sub(run.Started)/time.Second, t.Ended.Sub(run.Started)/time.Second))
	}
	return out
}

const diamond = `
tasks:
  - {name: load, module: Do, props: {sleep: 1s}}
  - {name: shrink, module: Do, props: {sleep: 5s}}
  - {name: draw, module: Do, props: {sleep: 2s}}
  - {name: crop, module: Do, props: {sleep: 2s}}
  - {name: pack, module: Do, props: {sleep: 1s}}
`

func TestTasksRunWhenThoseTheyWaitForHaveEnded(t *testing.T) {
	branches := [][]int{nil, {0}, {0}, {2}, {1, 3}}
	for _, tt := range []struct {
		name     string
		parallel int
		after    [][]int
		want     []string
	}{
		{"the order of the document", 0, nil, []string{"load 0-1", "shrink 1-6", "draw 6-8", "crop 8-10", "pack 10-11"}},
		{"two branches overlap", 0, branches, []string{"load 0-1", "shrink 1-6", "draw 1-3", "crop 3-5", "pack 6-7"}},
		{"one at a time", 1, branches, []string{"load 0-1", "shrink 1-6", "draw 6-8", "crop 8-10", "pack 10-11"}},
		{"nothing waits", 0, make([][]int, 5), []string{"load 0-1", "shrink 0-5", "draw 0-2", "crop 0-2", "pack 1-2"}},
		{"two at once, the front of the document first", 2, make([][]int, 5), []string{"load 0-1", "shrink 0-5", "draw 1-3", "crop 3-5", "pack 5-6"}},
		{"the last one first", 0, [][]int{{4}, {0}, {0}, {0}, nil}, []string{"pack 0-1", "load 1-2", "shrink 2-7", "draw 2-4", "crop 2-4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				run := b.ordered(t.Context(), t, diamond, tt.parallel, tt.after...)
				require.Equal(t, engine.Succeeded, run.Status)
				require.Equal(t, tt.want, spans(run))
				for _, ev := range b.events {
					if ev.TaskRun != nil {
						require.Equal(t, ev.Task, ev.TaskRun.Index)
					}
				}
			})
		})
	}
}

func TestATaskWhosePredecessorWasSkippedOrFailedSoftlyRuns(t *testing.T) {
	var b bench
	run := b.ordered(t.Context(), t, `
tasks:
  - {name: skipped, module: Do, when: "false"}
  - {name: soft, module: Do, throw: false, props: {fail: no luck}}
  - {name: last, module: Do}
`, 0, nil, nil, []int{0, 1})
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, engine.Succeeded, run.Tasks[2].Status)
}

func TestAfterAFailureNothingStartsAndWhatRunsEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		run := b.ordered(t.Context(), t, `
tasks:
  - {name: first, module: Do, props: {sleep: 1s, fail: broken}}
  - {name: long, module: Do, register: long, props: {sleep: 5s, print: done}, callbacks: {onSuccess: [{module: Tell, props: {say: "{{ status }} {{ error_message }}"}}]}}
  - {name: second, module: Do, props: {sleep: 3s, fail: broken too}}
  - {name: never, module: Do}
`, 0, nil, nil, nil, []int{1})
		require.Equal(t, engine.Failed, run.Status)
		require.Equal(t, []string{"first 0-1", "long 0-5", "second 0-3"}, spans(run))
		require.Equal(t, "first", run.Failure.Task)
		require.Equal(t, "broken too", run.Tasks[2].Failure.Message)
		require.Equal(t, []string{`task "second" failed too: broken too`}, run.Warnings)
		require.Contains(t, run.Result, "long")
		require.Equal(t, []string{"running "}, b.told, "the run goes on until the last task has ended")
	})
}

func TestAStopEndsAllThatRun(t *testing.T) {
	for _, tt := range []struct {
		reason engine.Reason
		status engine.Status
	}{{engine.Shutdown, engine.Canceled}, {engine.Cancel, engine.Canceled}, {engine.Deadline, engine.Failed}} {
		t.Run(string(tt.reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				ctx, stop := context.WithCancelCause(t.Context())
				time.AfterFunc(2*time.Second, func() { stop(&engine.Stop{Reason: tt.reason, Message: "enough"}) })
				run := b.ordered(ctx, t, diamond, 0, nil, []int{0}, []int{0}, []int{0}, nil)
				require.Equal(t, tt.status, run.Status)
				require.Equal(t, tt.reason, run.Failure.Reason)
				require.Equal(t, []string{"load 0-1", "pack 0-1", "shrink 1-2", "draw 1-2", "crop 1-2"}, spans(run))
				require.Empty(t, run.Warnings)
			})
		})
	}
}

func TestACancelWhileTheRestEndsCountsForMoreThanTheFailureBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(2*time.Second, func() { stop(&engine.Stop{Reason: engine.Cancel, Message: "canceled by ann"}) })
		run := b.ordered(ctx, t, "tasks: [{module: Do, props: {sleep: 1s, fail: broken}}, {module: Do, props: {sleep: 1h}}]", 0, nil, nil)
		require.Equal(t, engine.Canceled, run.Status)
		require.Equal(t, "canceled by ann", run.Failure.Message)
	})
}

func TestTasksThatWaitForEachOtherAreNamed(t *testing.T) {
	doc := "tasks: [{name: a, module: Do}, {name: b, module: Do}, {name: c, module: Do}]"
	for _, tt := range []struct {
		name  string
		after [][]int
		want  string
	}{
		{"a circle behind a task", [][]int{nil, {0, 2}, {1}}, `no task runs and none can start: task "b" waits for "c", task "c" waits for "b"`},
		{"itself", [][]int{{0}, nil, nil}, `no task runs and none can start: task "a" waits for "a"`},
		{"nobody", [][]int{nil, {7, -1}, nil}, `no task runs and none can start: task "b" waits for #7, which is not there and #-1, which is not there`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bench
			run := b.ordered(t.Context(), t, doc, 0, tt.after...)
			require.Equal(t, engine.Failed, run.Status)
			require.Equal(t, &engine.Failure{Kind: fault.Permanent, Message: tt.want}, run.Failure)
		})
	}
}

func TestOfTwoTasksThatRegisterTheSameNameTheLastToEndIsSeen(t *testing.T) {
	doc := `
tasks:
  - {name: slow, module: Do, register: x, props: {sleep: 2s, print: slow}}
  - {name: fast, module: Do, register: x, props: {sleep: 1s, print: fast}}
  - {name: reader, module: Do, register: read, props: {print: "{{ x.said }}"}}
callbacks: {onEnd: [{module: Tell, props: {say: "{{ x.said }}"}}]}
`
	synctest.Test(t, func(t *testing.T) {
		var b bench
		run := b.ordered(t.Context(), t, doc, 0, nil, nil, []int{0, 1})
		require.Equal(t, map[string]any{"said": "slow"}, run.Result["x"])
		require.Equal(t, map[string]any{"said": "slow"}, run.Result["read"])

		e, in := b.input(t, doc)
		e.Epilogue(t.Context(), in, &engine.Run{Tasks: run.Tasks, Failure: &engine.Failure{Reason: engine.Crash}})
		require.Equal(t, []string{"slow", "slow"}, b.told, "an epilogue sees what a run did")
	})
}

func TestCallbacksOfTasksThatRunAtOnceSeeTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		run := b.ordered(t.Context(), t, `
tasks:
  - name: a
    module: Do
    props: {sleep: 2s}
    callbacks: {onSuccess: [{module: Tell, props: {say: "{{ current_task }} {{ task.name }} {{ processed_count }} {{ execution_time }} {{ env.JOB_NAME }}"}}]}
  - name: b
    module: Do
    props: {sleep: 1s}
    callbacks: {onSuccess: [{module: Tell, props: {say: "{{ current_task }} {{ task.name }} {{ processed_count }} {{ execution_time }} {{ env.JOB_NAME }}"}}]}
callbacks: {onEnd: [{module: Tell, props: {say: "{{ current_task }} {{ processed_count }} {{ callback_id }}"}}]}
`, 0, nil, nil)
		require.Equal(t, engine.Succeeded, run.Status)
		require.Equal(t, []string{"b b 1 1 job-1", "a a 2 2 job-1", "b 2 job-1-run-onEnd-0"}, b.told)
	})
}

func TestAChainOfOptionalTasksFailsSoftlyFromItsFirst(t *testing.T) {
	var b bench
	run := b.run(t, `
tasks:
  - {name: optimise, module: Do, register: glb, props: {print: a.glb}}
  - {name: thumbnail, module: Do, throw: false, register: thumb, props: {fail: no GPU}}
  - {name: viewer, module: Need, throw: false, register: html, props: {src: "{{ thumb.said }}"}}
  - {name: upload thumbnail, module: Need, throw: false, props: {src: "{{ thumb.said }}"}}
  - {name: upload viewer, module: Need, throw: false, props: {src: "{{ html.said }}"}}
  - {name: upload, module: Need, props: {src: "{{ glb.said }}"}}
`)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, []string{
		`task "thumbnail" failed and was let pass (throw: false): no GPU`,
		`task "viewer" failed and was let pass (throw: false): test.yaml:5:72: task "viewer": prop "src" is missing (variable "thumb" is not defined)`,
		`task "upload thumbnail" failed and was let pass (throw: false): test.yaml:6:66: task "upload thumbnail": prop "src" is missing (variable "thumb" is not defined)`,
		`task "upload viewer" failed and was let pass (throw: false): test.yaml:7:63: task "upload viewer": prop "src" is missing (variable "html" is not defined)`,
	}, run.Warnings)
}

func TestANameThatIsATemplateIsRenderedWhenItsTaskStarts(t *testing.T) {
	var b bench
	e, in := b.input(t, `
state: {kind: glb}
tasks:
  - {name: "{{ asset }} to {{ kind }}", module: Do, when: asset == "chair"}
  - {name: "{{ broken( }}", module: Do}
callbacks: {onEnd: [{module: Tell, props: {say: "{{ current_task }}"}}]}
`)
	in.Pipeline.Tasks[0].Vars = map[string]any{"asset": "chair"}
	run := e.Run(t.Context(), in)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, "chair to glb", run.Tasks[0].Name)
	require.Equal(t, "{{ broken( }}", run.Tasks[1].Name, "what doesn't render stays as it is written")
}

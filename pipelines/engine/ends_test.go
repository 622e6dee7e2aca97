package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
)

func TestATaskIsTriedAgainAsItsRetriesSay(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		status    engine.Status
		tries     int
		took      time.Duration
	}{
		{"the task's own", "tasks: [{module: Do, retry: 3, retry_sleep: 10, props: {fail: not yet, times: 2}}]", engine.Succeeded, 3, 20 * time.Second},
		{"the pipeline's", "settings: {global_retry: 1, global_retry_sleep: 5}\ntasks: [{module: Do, props: {fail: never}}]", engine.Failed, 2, 5 * time.Second},
		{"the task's wins", "settings: {global_retry: 9, global_retry_sleep: 5}\ntasks: [{module: Do, retry: 0, props: {fail: never}}]", engine.Failed, 1, 0},
		{"not what can never pass", "tasks: [{module: Do, retry: 3, props: {fail: bad, never: true}}]", engine.Failed, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				run := b.run(t, tt.doc)
				require.Equal(t, tt.status, run.Status)
				require.Equal(t, tt.tries, run.Tasks[0].Tries)
				require.Equal(t, tt.took, run.Ended.Sub(run.Started))
			})
		})
	}
}

func TestTimeoutsAreNamed(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		reason    engine.Reason
		message   string
	}{
		{"a task's", "tasks: [{module: Do, timeout: 2s, props: {sleep: 1h}}]", engine.Timeout, "the task ran past its timeout of 2s"},
		{"every task's", "settings: {timeout: 3s}\ntasks: [{module: Do, props: {sleep: 1h}}]", engine.Timeout, "the task ran past its timeout of 3s"},
		{"the pipeline's deadline", "deadline: 5s\ntasks: [{module: Do, throw: false, props: {sleep: 1h}}]", engine.Deadline, "the pipeline ran past its deadline of 5s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				run := b.run(t, tt.doc)
				require.Equal(t, engine.Failed, run.Status)
				require.Equal(t, tt.reason, run.Failure.Reason)
				require.Equal(t, tt.message, run.Failure.Message)
			})
		})
	}
}

func TestAnInterruptedRunTellsNobodyThatItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		e, in := b.input(t, allEvents+"tasks: [{module: Do, props: {sleep: 1h}, callbacks: {onError: [{module: Tell, props: {say: task error}}], onEnd: [{module: Tell, props: {say: task end}}]}}]")
		in.Last = true
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(&engine.Stop{Reason: engine.Shutdown, Message: "going away"}) })
		run := e.Run(ctx, in)
		require.Equal(t, engine.Canceled, run.Status)
		require.Equal(t, engine.Shutdown, run.Failure.Reason)
		require.Equal(t, []string{"pipeline start"}, b.told)
	})
}

func TestACanceledRunHasFailedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		e, in := b.input(t, allEvents+"tasks: [{name: long, module: Do, throw: false, props: {sleep: 1h}}, {module: Do}]")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(&engine.Stop{Reason: engine.Cancel, Message: "canceled by ann"}) })
		run := e.Run(ctx, in)
		require.Equal(t, engine.Canceled, run.Status)
		require.Len(t, run.Tasks, 1)
		require.Equal(t, []string{"pipeline start", "pipeline error canceled by ann at long", "pipeline failure", "pipeline end"}, b.told)
	})
}

func TestTheEpilogueTellsHowARunEndedWhoseProcessDied(t *testing.T) {
	var b bench
	e, in := b.input(t, `
tasks: [{name: a, module: Do, register: first}, {name: b, module: Do}]
callbacks: {onError: [{module: Tell, props: {say: "{{ first.said }} {{ mark }} {{ error_message }}"}}], onEnd: [{module: Tell, props: {say: end}}]}
`)
	run := e.Epilogue(t.Context(), in, &engine.Run{Tasks: []engine.TaskRun{
		{Name: "a", Module: "Do", Status: engine.Succeeded, Output: map[string]any{"said": "hi"}, Set: map[string]any{"mark": "set"}},
		{Index: 1, Name: "b", Module: "Do", Status: engine.Failed},
	}, Failure: &engine.Failure{Reason: engine.Crash, Message: "the process died"}})
	require.Equal(t, engine.Failed, run.Status)
	require.Equal(t, []string{"hi set the process died", "end"}, b.told)
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/render"
)

// do is a module that does what its props say.
type do struct {
	Print  string        `json:"print,omitzero" doc:"Line to print."`
	Fail   string        `json:"fail,omitzero" doc:"Error to fail with."`
	Times  int           `json:"times,omitzero" doc:"Fail only so often."`
	Sleep  time.Duration `json:"sleep,omitzero" doc:"How long to take."`
	Panic  string        `json:"panic,omitzero" doc:"What to panic with."`
	Never  bool          `json:"never,omitzero" doc:"The failure is permanent."`
	Secret string        `json:"secret,omitzero" secret:"true" doc:"A secret."`
	Set    string        `json:"set,omitzero" doc:"State key to set."`
}

type done struct {
	Said string `json:"said" doc:"What it printed."`
}

// A bench runs pipelines whose modules are Do (tasks) and Tell (callbacks), and notes what happens.
type bench struct {
	mu     sync.Mutex
	told   []string // what callbacks said, in order
	events []engine.Event
	fails  int
}

// failed counts a failure.
func (b *bench) failed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails++
	return b.fails
}

func (b *bench) module() modules.Module {
	return modules.Define(modules.Spec{Name: "Do", Summary: "Does what its props say.", Example: "- module: Do\n"},
		func(ctx context.Context, c *modules.Call, p do) (done, error) {
			if p.Print != "" {
				fmt.Fprintln(c.Stdout, p.Print)
			}
			if p.Panic != "" {
				panic(p.Panic)
			}
			if p.Set != "" {
				c.State.Set(p.Set, "set")
			}
			select {
			case <-time.After(p.Sleep):
			case <-ctx.Done():
				return done{}, ctx.Err()
			}
			if p.Fail != "" && (p.Times == 0 || b.failed() <= p.Times) {
				err := errors.New(p.Fail)
				if p.Never {
					err = fault.As(fault.Permanent, err)
				}
				return done{}, err
			}
			return done{Said: p.Print}, nil
		})
}

func (b *bench) needy() modules.Module {
	type props struct {
		Src string `json:"src" doc:"Required, so it must not be empty."`
	}
	return modules.Define(modules.Spec{Name: "Need", Summary: "Needs a prop.", Example: "- module: Need\n  props: {src: x}\n"},
		func(context.Context, *modules.Call, props) (done, error) { return done{}, nil })
}

func (b *bench) callback() modules.Module {
	type props struct {
		Say  string `json:"say" doc:"What to note."`
		Fail bool   `json:"fail,omitzero" doc:"Fail after that."`
	}
	return modules.Define(modules.Spec{
		Name: "Tell", Summary: "Notes what it is told.", Example: "- module: Tell\n  props: {say: x}\n",
		Plugin: map[string]any{"say": show.Event},
	},
		func(_ context.Context, _ *modules.Call, p props) (struct{}, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, p.Say)
			if p.Fail {
				return struct{}{}, errors.New("no answer")
			}
			return struct{}{}, nil
		})
}

// input parses a document and makes what an engine needs of it.
func (b *bench) input(t *testing.T, doc string) (*engine.Engine, engine.Input) {
	t.Helper()
	p, err := pipelines.Parse("test.yaml", []byte(doc))
	require.NoError(t, err)
	state, err := render.NewState(t.Context(), render.Config{Document: p.State, Job: map[string]any{"id": "job-1"}})
	require.NoError(t, err)
	mods, err := modules.NewRegistry(b.module(), b.needy())
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(b.callback())
	require.NoError(t, err)
	return engine.New(engine.Config{Modules: mods, Callbacks: cbs}), engine.Input{
		Pipeline: p, State: state, Redact: new(redact.Set),
		Report: engine.ReporterFunc(func(_ context.Context, ev engine.Event) { b.events = append(b.events, ev) }),
	}
}

func (b *bench) run(t *testing.T, doc string) *engine.Run {
	e, in := b.input(t, doc)
	return e.Run(t.Context(), in)
}

func TestTasksRunInOrderAndSeeWhatEarlierOnesRegistered(t *testing.T) {
	var b bench
	run := b.run(t, `
state: {who: World}
tasks:
  - {module: Do, props: {print: "Hello {{ who }}"}, register: first}
  - {module: Do, props: {print: "{{ first.said }}!"}, register: second}
`)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, map[string]any{"said": "Hello World!"}, run.Result["second"])
	require.Nil(t, run.Failure)
}

func TestAFalseConditionSkipsTheTaskAndItsCallbacks(t *testing.T) {
	var b bench
	run := b.run(t, `
state: {render: false}
tasks:
  - name: picture
    module: Do
    when: render == true
    register: picture
    callbacks: {onStart: [{module: Tell, props: {say: start}}], onEnd: [{module: Tell, props: {say: end}}]}
  - {module: Do, props: {print: "[{{ picture.said }}]"}, register: after}
`)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, engine.Skipped, run.Tasks[0].Status)
	require.Empty(t, b.told)
	require.Equal(t, "[]", run.Result["after"].(map[string]any)["said"])
}

func TestASoftFailureIsAWarningAndTheRunGoesOn(t *testing.T) {
	var b bench
	run := b.run(t, `
tasks:
  - {name: thumb, module: Do, throw: false, props: {fail: no picture}}
  - {module: Do, props: {print: still here}}
`)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, engine.Failed, run.Tasks[0].Status)
	require.Equal(t, []string{`task "thumb" failed and was let pass (throw: false): no picture`}, run.Warnings)
	require.Len(t, run.Tasks, 2)
}

const allEvents = `
callbacks:
  onStart: [{module: Tell, props: {say: "pipeline start"}}]
  onSuccess: [{module: Tell, props: {say: "pipeline success {{ processed_count }}"}}]
  onError: [{module: Tell, props: {say: "pipeline error {{ error_message }} at {{ current_task }}"}}]
  onFailure: [{module: Tell, props: {say: "pipeline failure"}}]
  onEnd: [{module: Tell, props: {say: "pipeline end"}}]
`

func TestCallbacksFireInTheOrderOfTheHandlersTrace(t *testing.T) {
	var b bench
	b.run(t, allEvents+`
tasks:
  - name: one
    module: Do
    props: {print: a line}
    callbacks:
      onStart: [{module: Tell, props: {say: start}}]
      onStdout: [{module: Tell, props: {say: "stdout {{ line }}"}}]
      onSuccess: [{module: Tell, props: {say: success}}]
      onEnd: [{module: Tell, props: {say: end}}]
`)
	require.Equal(t, []string{"pipeline start", "start", "stdout a line", "success", "end", "pipeline success 1", "pipeline end"}, b.told)
}

func TestAFailureStopsTheRunAndIsTold(t *testing.T) {
	doc := allEvents + `
tasks:
  - {name: bad, module: Do, props: {fail: broken}, callbacks: {onError: [{module: Tell, props: {say: "task error {{ error_message }}"}}], onEnd: [{module: Tell, props: {say: task end}}]}}
  - {name: never, module: Do}
`
	t.Run("onFailure waits for the last attempt", func(t *testing.T) {
		var b bench
		run := b.run(t, doc)
		require.Equal(t, engine.Failed, run.Status)
		require.Len(t, run.Tasks, 1)
		require.Equal(t, "broken", run.Failure.Message)
		require.Equal(t, []string{"pipeline start", "task error broken", "task end", "pipeline error broken at bad", "pipeline end"}, b.told)
	})
	t.Run("the last attempt has failed for good", func(t *testing.T) {
		var b bench
		e, in := b.input(t, doc)
		in.Last = true
		e.Run(t.Context(), in)
		require.Contains(t, b.told, "pipeline failure")
	})
	t.Run("so has a permanent failure", func(t *testing.T) {
		var b bench
		b.run(t, strings.Replace(doc, "fail: broken", "fail: broken, never: true", 1))
		require.Contains(t, b.told, "pipeline failure")
	})
}

func TestAFailingCallbackDoesNotChangeTheOutcome(t *testing.T) {
	var b bench
	run := b.run(t, `
tasks: [{module: Do}]
callbacks: {onStart: [{module: Tell, props: {say: x, fail: true}}, {module: Nobody}], onSuccess: [{module: Tell, props: {say: y}}]}
`)
	require.Equal(t, engine.Succeeded, run.Status)
	require.Equal(t, []string{"x", "y"}, b.told)
	var failed []string
	for _, ev := range b.events {
		if ev.Kind == engine.CallbackFailed {
			failed = append(failed, ev.Error)
		}
	}
	require.Len(t, failed, 2)
	require.Contains(t, failed[0], "no answer")
	require.Contains(t, failed[1], `module "Nobody" is unknown`)
}

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

func TestAPanicIsTheTasksFailure(t *testing.T) {
	var b bench
	run := b.run(t, "tasks: [{module: Do, retry: 2, props: {panic: out of cheese}}]")
	require.Equal(t, engine.Failed, run.Status)
	require.Equal(t, fault.Permanent, run.Failure.Kind)
	require.Contains(t, run.Failure.Message, "out of cheese")
	require.Equal(t, 1, run.Tasks[0].Tries)
}

func TestBadPropsAreNamedWithPlaceAndCause(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"unknown prop", "tasks:\n  - module: Do\n    props:\n      prnt: x\n", `test.yaml:4:7: task "#0": prop "prnt" is unknown, did you mean "print"?`},
		{"variable that nothing defines", "tasks:\n  - name: t\n    module: Need\n    props:\n      src: '{{ nobody }}'\n", `test.yaml:5:7: task "t": prop "src" is missing (variable "nobody" is not defined)`},
		{"unknown module", "tasks:\n  - module: Dou\n", `test.yaml:2:5: task "#0": module "Dou" is unknown, did you mean "Do"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bench
			run := b.run(t, tt.doc)
			require.Equal(t, engine.Failed, run.Status)
			require.Equal(t, fault.Permanent, run.Failure.Kind)
			require.Equal(t, tt.want, run.Failure.Message)
		})
	}
}

func TestSecretsAreSentButNeverTold(t *testing.T) {
	var b bench
	run := b.run(t, `
state: {token: hunter2-hunter2}
tasks:
  - {name: a, module: Do, props: {secret: "{{ token }}"}}
  - {name: b, module: Do, register: b, props: {print: "the token is {{ token }}"}}
  - {name: c, module: Do, throw: false, props: {fail: "bad token {{ token }}"}}
callbacks: {onEnd: [{module: Tell, props: {say: "Bearer {{ token }}"}}]}
`)
	require.Equal(t, []string{"Bearer hunter2-hunter2"}, b.told, "what the author sends on purpose is sent")
	require.NotContains(t, fmt.Sprintf("%+v %+v", run, b.events), "hunter2-hunter2")
	require.Contains(t, fmt.Sprintf("%+v", run.Result), redact.Mask)
}

func TestLongOutputsAreClippedInWhatIsToldButNotInTheState(t *testing.T) {
	var b bench
	run := b.run(t, `
state: {long: "{{ 'x'.repeat(100000) }}"}
tasks:
  - {module: Do, register: big, props: {print: "{{ long }}"}}
  - {module: Do, register: size, props: {print: "{{ big.said | length }}"}}
`)
	require.Equal(t, "100000", run.Result["size"].(map[string]any)["said"])
	require.Less(t, len(run.Result["big"].(map[string]any)["said"].(string)), 70_000)
}

type connections struct {
	http.RoundTripper
	closed bool
}

func (c *connections) CloseIdleConnections() { c.closed = true }

func TestARunLeavesNoConnectionOpen(t *testing.T) {
	var b bench
	e, in := b.input(t, "tasks:\n  - {module: Do}\n")
	var open connections
	in.Call.HTTP = &http.Client{Transport: &open}
	require.Equal(t, engine.Succeeded, e.Run(t.Context(), in).Status)
	require.True(t, open.closed)
}

package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
)

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
	require.Equal(t, failed, run.Warnings, "who looks at the record sees it too")
}

func TestACallbackOfLinesThatFailsIsOneWarning(t *testing.T) {
	var b bench
	run := b.run(t, `
tasks: [{module: Do, props: {print: "one\ntwo\nthree\n"}, callbacks: {onStdout: [{module: Tell, props: {say: "{{ line }}", fail: true}}, {module: Nobody}]}}]
`)
	require.Equal(t, []string{"one", "two", "three"}, b.told)
	require.Len(t, run.Warnings, 2, "one of each")
}

func TestOfCallbacksThatFailAHundredAreWarnings(t *testing.T) {
	var b bench
	run := b.run(t, "tasks: [{module: Do}]\ncallbacks:\n  onStart:\n"+strings.Repeat("    - {module: Nobody}\n", 300))
	require.Equal(t, engine.Succeeded, run.Status)
	require.Len(t, run.Warnings, 100)
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
		{"a mistake inside a template", "tasks:\n  - name: t\n    module: Do\n    props:\n      print: \"hello {{ 1 | nofilter }}\"\n", `test.yaml:5:28: task "t": prop "print": filter not found: nofilter`},
		{"a mistake on a later line of a template", "tasks:\n  - name: t\n    module: Do\n    props:\n      print: |\n        one\n        {{ two | nofilter }}\n", `test.yaml:7:18: task "t": prop "print": filter not found: nofilter`},
		{"a mistake in a condition", "tasks:\n  - module: Do\n    when: a ==\n", `test.yaml:3:15: task "#0": when: the expression ends where a value is missing`},
		{"unknown module", "tasks:\n  - module: Dou\n", `test.yaml:2:5: task "#0": module "Dou" is unknown, did you mean "Do"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bench
			run := b.run(t, tt.doc)
			require.Equal(t, engine.Failed, run.Status)
			require.Equal(t, fault.Permanent, run.Failure.Kind)
			require.Equal(t, tt.want, run.Failure.Message)
			require.True(t, strings.HasPrefix(tt.want, run.Failure.Place+": "), run.Failure.Place)
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

func TestARunNamesTheEntryThatItRan(t *testing.T) {
	var b bench
	p, err := pipelines.ParseGiven(t.Context(), "test.yaml", []byte(`
entries:
  draft: {tasks: [{name: quick, module: Do}]}
  full: {tasks: [{module: Do}, {module: Do}]}
`), pipelines.Given{Entry: "draft"})
	require.NoError(t, err)
	e, in := b.input(t, "tasks: []")
	in.Pipeline = p
	run := e.Run(t.Context(), in)
	require.Equal(t, "draft", run.Entry)
	require.Equal(t, "quick", run.Tasks[0].Name)
}

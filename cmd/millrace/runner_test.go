package main

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

// ran runs a document in this process, as a child does.
func ran(t *testing.T, document string, j *job.Job) (*engine.Run, []engine.Event) {
	t.Helper()
	r, err := newRunner(nil, launch.Policy{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	var events []engine.Event
	rep := engine.ReporterFunc(func(_ context.Context, ev engine.Event) { events = append(events, ev) })
	run := r.run(t.Context(), launch.Dir{Work: t.TempDir()}, &launch.Request{Job: j, Source: "p.yaml", Document: []byte(document)}, rep)
	return run, events
}

const circle = "state:\n  a: '{{ b }}'\n  b: '{{ a }}'\ntasks:\n  - {module: StdOut, props: {msg: '{{ b }}'}}\n"

func TestACircleInTheStateIsNamedWithItsPlaceWhenItRuns(t *testing.T) {
	run, _ := ran(t, circle, &job.Job{ID: "j"})
	require.Equal(t, &engine.Failure{
		Kind: fault.Permanent, Message: "p.yaml:2:3: state keys refer to each other in a circle: a → b → a; give one of them a value",
	}, run.Failure)
}

func TestADryRunTakesTheStateOfTheMessageIntoAccount(t *testing.T) {
	run, _ := ran(t, circle, &job.Job{ID: "j", DryRun: true, State: map[string]any{"a": "{{ nothing"}})
	require.Nil(t, run.Failure)
}

func TestAJobThatAsksForItTellsItsStepsInOrder(t *testing.T) {
	_, events := ran(t, "name: p\ntasks: [{module: StdOut, props: {msg: hi}}]", &job.Job{ID: "j", Debug: true})
	var lines []string
	for _, ev := range events {
		if ev.Line != "" {
			lines = append(lines, ev.Line)
		}
	}
	require.Equal(t, []string{
		`level=DEBUG msg="pipeline p: register listeners" job_id=j`,
		`level=DEBUG msg="pipeline p: START" job_id=j`, `level=DEBUG msg="Task #0: START" job_id=j task=#0 module=StdOut`, "hi",
		`level=DEBUG msg="Task #0: SUCCESS" job_id=j task=#0 module=StdOut`, `level=DEBUG msg="Task #0: DONE" job_id=j task=#0 module=StdOut`,
		`level=DEBUG msg="pipeline p: SUCCESS" job_id=j`, `level=DEBUG msg="pipeline p: close listeners" job_id=j`,
		`level=DEBUG msg="pipeline p: DONE" job_id=j`,
	}, lines)
}

func TestParamsAreCheckedBeforeAnythingRuns(t *testing.T) {
	const doc = `
params:
  width: {type: integer, default: 640}
  input: {type: string, required: true, description: The model.}
tasks:
  - {module: StdOut, props: {msg: "{{ input }} {{ width + 1 }}"}}
callbacks: {onStart: [{module: StdOut, props: {msg: begun}}]}
`
	run, events := ran(t, doc, &job.Job{ID: "j", State: map[string]any{"width": "wide"}})
	require.Equal(t, &engine.Failure{
		Kind: fault.Permanent, Message: `p.yaml:3:3: param "width" must be a whole number, and the job gives "wide"; ` +
			`p.yaml:4:3: param "input" (string) is required, and the job gives none: The model.`,
	}, run.Failure)
	require.Empty(t, events)

	for width, want := range map[any]string{"7": "a.stl 8", nil: "a.stl 641"} {
		run, events = ran(t, doc, &job.Job{ID: "j", State: map[string]any{"width": width, "input": "a.stl"}})
		require.Nil(t, run.Failure)
		require.Contains(t, linesOf(events), want)
	}
	dry, _ := ran(t, doc, &job.Job{ID: "j", DryRun: true})
	require.ErrorContains(t, dry.Failure, `param "input" (string) is required`)
}

func TestAJobRunsTheEntryThatItSelects(t *testing.T) {
	const doc = `
entries:
  one: {tasks: [{module: StdOut, props: {msg: first}}]}
  two: {params: {n: {default: 2}}, tasks: [{module: StdOut, props: {msg: "second {{ n }}"}}]}
`
	_, events := ran(t, doc, &job.Job{ID: "j", Entry: "two"})
	require.Equal(t, []string{"second 2"}, linesOf(events))
	run, _ := ran(t, doc, &job.Job{ID: "j"})
	require.Equal(t, &engine.Failure{Kind: fault.Permanent, Message: "p.yaml has no tasks of its own; name one of its entries: one, two"}, run.Failure)
}

func linesOf(events []engine.Event) []string {
	var lines []string
	for _, ev := range events {
		if ev.Line != "" {
			lines = append(lines, ev.Line)
		}
	}
	return lines
}

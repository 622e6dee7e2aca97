package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

// gpuless is the fitness of a machine whose jobs get no GPU.
func gpuless(t *testing.T) *fitness {
	t.Helper()
	tasks, _, err := registries()
	require.NoError(t, err)
	return &fitness{machine: new(launch.Machine), modules: tasks}
}

// asking is a request for a document of the operator's.
func asking(doc, entry string) *launch.Request {
	return &launch.Request{
		Job: &job.Job{ID: "j", Entry: entry}, Document: []byte(doc), Source: "p.yaml", Digest: doc, Trusted: true,
	}
}

func TestAMachineIsFitUnlessTheDocumentAloneSaysOtherwise(t *testing.T) {
	t.Parallel()
	const (
		draw    = "{name: draw, module: ScreenshotGenerator, gpu: required}"
		entries = "entries:\n  draw: {tasks: [" + draw + "]}\n  write: {tasks: [{module: StdOut}]}\n"
	)
	for _, tt := range []struct {
		name, doc, entry string
		unfit            bool
	}{
		{name: "a task needs what is not there", doc: "tasks: [" + draw + "]", unfit: true},
		{name: "no task does", doc: "tasks: [{module: StdOut}]"},
		{name: "another module is not there", doc: "tasks: [" + draw + ", {module: Write}]"}, // the job says it
		{name: "the task may run on the CPU", doc: "tasks: [{module: ScreenshotGenerator, gpu: preferred}]"},
		{name: "the task may fail", doc: "tasks: [{module: ScreenshotGenerator, gpu: required, throw: false}]"},
		{name: "the task is left out", doc: `tasks: [{module: ScreenshotGenerator, gpu: required, when: "false"}]`},
		{name: "what a job gives may leave it out", doc: "tasks: [{module: ScreenshotGenerator, gpu: required, when: draw}]"},
		{name: "the task is not left out", doc: `tasks: [{module: ScreenshotGenerator, gpu: required, when: "true"}]`, unfit: true},
		{name: "what a job gives may change its tasks", doc: "tasks:\n{% if gpu %}\n  - " + draw + "\n{% endif %}\n  - {module: StdOut}\n"},
		{name: "its entry needs it", doc: entries, entry: "draw", unfit: true},
		{name: "another entry does", doc: entries, entry: "write"},
		{name: "there is no such entry", doc: entries, entry: "print"},
		{name: "it is no pipeline", doc: "tasks: ["},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := gpuless(t).of(t.Context(), asking(tt.doc, tt.entry))
			if !tt.unfit {
				require.NoError(t, err)
				return
			}
			stop := new(engine.Stop)
			require.ErrorAs(t, err, &stop)
			require.Equal(t, engine.Unfit, stop.Reason)
			require.Equal(t, engine.GPUClass, stop.Class)
			require.NotEmpty(t, stop.Message)
		})
	}
}

func TestAPipelineOfAMessageIsNotReadOutsideOfItsJob(t *testing.T) {
	t.Parallel()
	f := gpuless(t)
	req := asking("tasks: [{module: ScreenshotGenerator, gpu: required}]", "")
	req.Trusted = false
	require.NoError(t, f.of(t.Context(), req))
	require.Empty(t, f.parsed)
}

func TestDocumentsAreReadOnceAndNotKeptForEver(t *testing.T) {
	t.Parallel()
	f := gpuless(t)
	draws := asking("tasks: [{module: ScreenshotGenerator, gpu: required}]", "")
	require.Error(t, f.of(t.Context(), draws))
	draws.Document = nil
	require.Error(t, f.of(t.Context(), draws), "its digest is known")
	for n := range 2 * maxParsed {
		require.NoError(t, f.of(t.Context(), asking(fmt.Sprintf("tasks: [{module: StdOut, name: t%d}]", n), "")))
		require.LessOrEqual(t, len(f.parsed), maxParsed)
	}
	draws.Document = []byte(draws.Digest)
	require.Error(t, f.of(t.Context(), draws))
}

func TestAWorkerIsFitForWhatAPipelineRequiresAndItsJobDoesNotSayOtherwise(t *testing.T) {
	t.Parallel()
	const doc = "requires: {class: gpu, memory: 16Gi}\ntasks: [{module: StdOut}]\n"
	for _, tt := range []struct {
		name         string
		labels, asks map[string]string
		class, want  string
	}{
		{name: "it has that", labels: map[string]string{"class": "GPU", "memory": "24Gi"}},
		{name: "it is of another class", labels: map[string]string{"class": "light", "memory": "24Gi"}, class: "gpu", want: "class=gpu, and this worker has light"},
		{name: "it has less", labels: map[string]string{"class": "gpu", "memory": "8Gi"}, class: "gpu", want: "memory=16Gi, and this worker has 8Gi"},
		{name: "it says nothing of itself", labels: map[string]string{}, class: "gpu", want: "this worker has no such label"},
		{name: "it is no worker"},
		{name: "its job says otherwise", labels: map[string]string{"class": "light", "memory": "24Gi"}, asks: map[string]string{"class": "light"}},
		{
			name: "its job chose the class, and not the rest", labels: map[string]string{"class": "light", "memory": "8Gi"}, asks: map[string]string{"class": "light"},
			want: "memory=16Gi",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := gpuless(t)
			f.machine.Labels = tt.labels
			req := asking(doc, "")
			req.Job.Requires = tt.asks
			err := f.of(t.Context(), req)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			stop := new(engine.Stop)
			require.ErrorAs(t, err, &stop)
			require.Equal(t, engine.Unfit, stop.Reason)
			require.Equal(t, tt.class, stop.Class)
			require.Contains(t, stop.Message, tt.want)
		})
	}
}

func TestAWorkerAnswersForTheNumberOfItsGPUsByItsLabelElseByItsMachine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		labels, asks   map[string]string
		doc, byMachine string
	}{
		{name: "no label says it", labels: map[string]string{"class": "gpu"}, asks: map[string]string{"class": "gpu", "gpus": "1"}, byMachine: "the job requires gpus=1: no job here gets one"},
		{name: "the pipeline requires it", labels: map[string]string{}, doc: "requires: {gpus: 2}\n", byMachine: "the job requires gpus=2: no job here gets one"},
		{name: "a label says it", labels: map[string]string{"gpus": "2"}, asks: map[string]string{"gpus": "1"}},
		{name: "none is required", labels: map[string]string{}, asks: map[string]string{"gpus": "0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := gpuless(t)
			f.machine.Labels = tt.labels
			req := asking(tt.doc+"tasks: [{module: StdOut}]\n", "")
			req.Job.Requires = tt.asks
			req.Trusted = tt.doc != ""
			require.Empty(t, job.Misfit(tt.asks, tt.labels), "labels alone keep no job from the machine")
			err := f.of(t.Context(), req)
			if tt.byMachine == "" {
				require.NoError(t, err)
				return
			}
			stop := new(engine.Stop)
			require.ErrorAs(t, err, &stop)
			require.Equal(t, engine.GPUClass, stop.Class)
			require.Contains(t, stop.Message, tt.byMachine)
		})
	}
}

//go:build linux

package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	asksLittle = "tasks: [{module: StdOut, props: {message: hi}}]\n"
	asksGPU    = "tasks: [{module: ScreenshotGenerator, gpu: required, props: {src: a.glb, dest: a.png}}]\n"
	asksTool   = "tasks: [{module: ImageMagick, props: {src: a.png, dest: b.png}}]\n"
	asksClass  = "requires: {class: long}\n" + asksGPU
)

// Only the embedded queue can be sent to here: whoever chooses another says so by what it fails of.
func TestJobsRunChoosesTheQueueOfTheClassThatAJobIsFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, doc, queues string
		args              []string
		class, refused    string
	}{
		{name: "the first, for a job that needs nothing", doc: asksLittle, queues: "light=local,gpu=sqs:g", class: "light"},
		{name: "gpu, for a task that needs one", doc: asksGPU, queues: "light=sqs:l,gpu=local", class: "gpu"},
		{name: "heavy, for an external program", doc: asksTool, queues: "light=sqs:l,heavy=local,gpu=sqs:g", class: "heavy"},
		{name: "what the pipeline requires", doc: asksClass, queues: "gpu=sqs:g,long=local", class: "long"},
		{name: "what the flag says", doc: asksClass, queues: "light=sqs:l,Mine=local", args: []string{"--class", "mine"}, class: "mine"},
		{name: "what the message says", doc: "class: light\npipeline: hello_world\n", queues: "gpu=sqs:g,light=local", class: "light"},
		{name: "what the message says is its kind", doc: "requires: {kind: light, gpus: 1}\npipeline: hello_world\n", queues: "gpu=sqs:g,light=local", class: "light"},
		{name: "gpu, for a message that wants some", doc: "requires: {gpus: 1}\npipeline: hello_world\n", queues: "light=sqs:l,gpu=local", class: "gpu"},
		{name: "gpu, for a pipeline that wants some", doc: "requires: {gpus: 1}\n" + asksLittle, queues: "light=sqs:l,gpu=local", class: "gpu"},
		{name: "one queue without a class", doc: asksGPU, queues: "local"},
		{name: "no queue of that class", doc: asksGPU, queues: "light=local,heavy=sqs:h", refused: `its task "#0" needs a GPU, so it is for class gpu, and the queues that are named are for light, heavy`},
		{name: "no queue of the class that it requires", doc: asksClass, queues: "light=local", refused: "its pipeline requires it, so it is for class long"},
		{name: "queues of which nobody knows what for", doc: asksLittle, queues: "local,sqs:x", refused: "a job goes to one queue, and 2 are named; say which class"},
		{name: "two of one class", doc: asksLittle, queues: "light=local,light=sqs:x", refused: "class light has two queues"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			r := p.millrace(append([]string{"jobs", "run", p.write("job.yaml", tt.doc), "--queue", tt.queues}, tt.args...)...)
			if tt.refused != "" {
				require.Equal(t, 2, r.code)
				require.Contains(t, r.stderr, tt.refused)
				return
			}
			require.Zero(t, r.code, r.stderr)
			if tt.class != "" {
				require.Contains(t, r.stderr, "to the queue of class "+tt.class)
			}
			require.Contains(t, p.succeeds("queue", "depth"), "1", "it is there")
		})
	}
}

// A pipeline that a message brings is not read before its job runs: that says, then, that it belongs elsewhere.
func TestAPipelineOfAMessageIsReleasedByAWorkerWithoutWhatItRequires(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	job := id(t, p.succeeds("jobs", "run", p.write("job.yaml", "requires: {class: gpu}\n"+asksLittle)))
	r := p.millrace("work", "--labels", "class=light", "--exit-when-idle", "100ms")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, "message released")
	require.Contains(t, r.stderr, "the job requires class=gpu, and this worker has light")
	require.NotContains(t, p.succeeds("jobs", "describe", job), "Failed")
	p.succeeds("run", "job.yaml") // whoever runs it here, wants it here
}

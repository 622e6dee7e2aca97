package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
)

// configuration is the form of the seed's own example.
const configuration = `
name: Asset
state: {line: of the state}
plugins: [Debug, VntanaGoogleMetrics, Http]
tasks:
  - name: greet
    module: StdOut
    props: {msg: hello}
  - module: Stat
    throw: false
    props: {path: ../outside}
`

func TestADocumentWithPluginsRuns(t *testing.T) {
	run, events := ran(t, configuration, &job.Job{ID: "j"})
	require.Equal(t, engine.Succeeded, run.Status)
	var lines []string
	for _, ev := range events {
		if ev.Module == "Debug" {
			lines = append(lines, ev.Line)
		}
	}
	require.Equal(t, []string{
		"onStart Asset running",
		"onStart task greet running", "onStdout task greet running: hello", "onSuccess task greet succeeded", "onEnd task greet succeeded",
		"onStart task #1 running", "onError task #1 failed: " + run.Tasks[1].Failure.Message, "onEnd task #1 failed",
		"onSuccess Asset succeeded", "onEnd Asset succeeded",
	}, lines)
	require.Equal(t, []string{
		"p.yaml:4:18: plugin left out: module \"VntanaGoogleMetrics\" is known, but this version does not have it yet (`millrace modules` lists those it has)",
		`p.yaml:4:39: plugin left out: module "Http" can't be a plugin: it does nothing without props; write it under callbacks`,
	}, run.Warnings[:2])
}

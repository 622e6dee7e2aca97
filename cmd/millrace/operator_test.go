//go:build linux

package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

func TestWhatIsReservedIsTheOperators(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("p.yaml", "tasks:\n  - {module: StdOut, props: {message: '[{{ __kafka }}] [{{ state | dump }}]'}}\n  - {module: Debug, props: {var: __kafka}}\n")
	require.Equal(t, "[] [{}]\n__kafka is not defined\n", p.succeeds("run", "p.yaml", "__kafka=broker-password"), "no template sees it")
	r := p.millrace("jobs", "run", "p.yaml", "__kafka=x")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, `state key "__kafka" is reserved for the operator`)
}

func TestADocumentOfAMessageLosesWhatIsReserved(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	body, err := json.Marshal(map[string]any{
		"id": "inline", "pipeline": "state: {__kafka: {brokers: [evil]}}\ncallbacks: {onStart: [{module: Now, props: {key: __start__}}]}\n" +
			"tasks: [{module: StdOut, props: {message: '[{{ __kafka }}] {{ __start__ | length > 0 }}'}}]\n",
	})
	require.NoError(t, err)
	m.send(string(body))
	m.work()
	rec := m.record("inline")
	require.Equal(t, record.Succeeded, rec.Status, rec.Message)
	require.Len(t, rec.Warnings, 1)
	require.Contains(t, rec.Warnings[0], `state key "__kafka" is reserved for the operator, and was left out`)
	require.Contains(t, m.log("inline"), "[] true")
}

func TestSecretsOfTheEnvironmentStandInNoProblemOfADocument(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = []string{"API_TOKEN=s3cr3t-value-123"}
	p.write("p.yaml", "state: {assets: [a]}\ntasks:\n  {% for a in assets %}\n  - {module: StdOut, after: '{{ env.API_TOKEN }}{{ a }}', props: {message: x}}\n  {% endfor %}\n")
	r := p.millrace("run", "--allow-env", "API_TOKEN", "-f", "p.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "no task has the id or name")
	require.NotContains(t, r.stderr, "s3cr3t")
}

func TestWhatPrintsNeedsAMessageAsATaskAlone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("task.yaml", "tasks: [{module: StdOut}, {module: StdErr, throw: false, props: {format: json}}]\n")
	r := p.millrace("lint", "task.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout+r.stderr, `task #0: prop "message" is missing`)
	require.Contains(t, r.stdout+r.stderr, `task #1: prop "message" is missing`)

	p.write("callback.yaml", "name: so\ntasks: [{module: StdOut, props: {msg: hi}}]\n"+
		"callbacks: {onEnd: [{module: StdOut, props: {format: raw}}, {module: StdErr}, {module: Debug}]}\n")
	p.succeeds("lint", "callback.yaml")
	r = p.millrace("run", "callback.yaml")
	require.Equal(t, 0, r.code)
	require.Equal(t, "hi\nonEnd so succeeded\nonEnd so succeeded\n", r.stdout)
	require.Contains(t, r.stderr, "onEnd so succeeded\n")
	require.NotContains(t, r.stderr, "!")
}

func TestAFailedCallbackIsSaidOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("p.yaml", "tasks: [{module: StdOut, props: {msg: hi}}]\ncallbacks: {onEnd: [{module: Now}]}\n")
	r := p.millrace("run", "p.yaml")
	require.Equal(t, 0, r.code)
	require.Regexp(t, `^✓ #0 StdOut +\S+\n!  p.yaml:\S+ callback Now \(onEnd\): prop "key" is missing\n$`, r.stderr)
}

func TestAReportThatIsAskedForIsWrittenOrMissed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "docs"), 0o755))
	p.write("docs/report.html", "\n{% include 'x' %}")
	p.write("p.yaml", "tasks: [{module: StdOut, props: {msg: hi}}]\n")
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"no folder", "--report: there is no folder nowhere; make it, or name another", []string{"--report", "nowhere/r.html"}},
		{"a folder", "--report: docs is a folder; name a file in it", []string{"--report", "docs"}},
		{"a broken document", `--documents: report.html:2: there is no tag "include"`, []string{"--report", "r.html", "--documents", "docs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.millrace(append([]string{"run", "p.yaml"}, tt.args...)...)
			require.Equal(t, 2, r.code)
			require.Contains(t, r.stderr, tt.want)
			require.Empty(t, r.stdout, "nothing was run")
		})
	}
	p.write("docs/report.html", "{{ seconds.x }}")
	r := p.millrace("run", "p.yaml", "--report", "r.html", "--documents", "docs")
	require.Equal(t, 1, r.code)
	require.Equal(t, "hi\n", r.stdout)
	require.Regexp(t, `\n!  report: report.html:1: seconds.x`, r.stderr)
	require.NoFileExists(t, filepath.Join(p.dir, "r.html"))
}

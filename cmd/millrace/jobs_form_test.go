//go:build linux

package main_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// V38: what the ModelOps command line takes, each word of it.
func TestV38AJobIsSentByTheWordsOfModelOps(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const document = "name: Part Of  It\nparams: {who: {type: string, default: nobody}}\ntasks:\n  - module: StdOut\n    props: {msg: 'Hello {{ who }}'}\n"
	p.write("part.yaml", document)

	shown := func(stdin string, args ...string) map[string]any {
		r := p.millraceReading(stdin, append(append([]string{"jobs", "run"}, args...), "--dry-run", "--format", "json")...)
		require.Equal(t, 0, r.code, r.stderr)
		require.Contains(t, r.stderr, "nothing was sent")
		return decoded[map[string]any](t, r.stdout)
	}
	for name, m := range map[string]map[string]any{
		"a URL of a file": shown("", "file://"+p.dir+"/part.yaml", "who=Ada", "--debug"),
		"a file":          shown("", "part.yaml", "who=Ada", "--debug"),
		"stdin":           shown(document, "-", "who=Ada", "--debug"),
	} {
		require.Equal(t, map[string]any{"name": "part-of-it", "pipeline": document, "state": map[string]any{"who": "Ada"}, "debug": true}, m, name)
	}
	require.Regexp(t, `^nightly-\d{8}-\d{6}-x$`, shown("", "hello_world", "--job-name", "nightly-$timestamp-x")["name"])
	require.Contains(t, p.succeeds("jobs", "run", "hello_world", "--dry-run", "-f", "yaml"), "pipeline: hello_world\n")
	require.NoDirExists(t, p.dir+"/.millrace", "nothing was sent")

	r := p.millrace("jobs", "run", "part.yaml", "who=Ada", "--print", "--debug", "--id", "one")
	require.Equal(t, "one\n", r.stdout, "the ID alone goes to stdout: %s", r.stderr)
	require.Contains(t, r.stderr, "who: Ada")
	p.work()
	said := p.succeeds("jobs", "logs", "one")
	require.Contains(t, said, "Hello Ada\n")
	require.NotEqual(t, "Hello Ada\n", said, "--debug adds what the engine did")
	require.Contains(t, p.succeeds("jobs", "logs", "one", "--logger", "color"), "\x1b[")
	r = p.millrace("jobs", "watch", "one", "-l", "json")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, `"line":"Hello Ada"`)
	for line := range strings.Lines(r.stdout) {
		decoded[map[string]any](t, line)
	}
	r = p.millrace("jobs", "run", "part.yaml", "--logger", "xml")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "none of color, json, stdout")
}

func TestAMessageThatIsNoPipelineIsSentByQueueSend(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.succeeds("jobs", "run", "hello_world") // makes the queue
	for _, message := range []string{
		`{"jobId": "b2", "avatar": "anna", "script": "Hello"}`, `{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "models"}`, "hello_world name=Ada",
	} {
		r := p.millraceReading(message, "jobs", "run", "-")
		require.Equal(t, 1, r.code)
		require.Equal(t, "millrace: stdin is no pipeline, but a message of another kind; send it as it is, by `millrace queue send` or by POST /v1/jobs of a gateway\n", r.stderr)
		p.write("message", message)
		p.succeeds("queue", "send", "message")
	}
	r := p.millraceReading(`{"foo": 1}`, "jobs", "run", "-")
	require.Contains(t, r.stderr, "the pipeline has no tasks")
}

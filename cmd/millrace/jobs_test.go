package main_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// id is a job's ID as `jobs run` writes it: a line of its own, and nothing else.
func id(t *testing.T, stdout string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(stdout, "\n"), stdout)
	return strings.TrimSpace(stdout)
}

const failing = `name: Broken Thing
tasks:
  - name: say something
    module: StdOut
    props: {msg: "before it breaks"}
  - name: break
    module: Shell
    props: {command: ls, args: [not-there.glb]}
`

func TestAJobIsSentRunAndLookedAt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("broken.yaml", failing)
	good := id(t, p.succeeds("jobs", "run", "hello_world", "name=Ada"))
	bad := id(t, p.succeeds("jobs", "submit", "broken.yaml", "--max-attempts", "1", "--id", "order-7"))
	require.Equal(t, "order-7", bad)
	require.Contains(t, p.succeeds("jobs", "list"), "QUEUED")

	p.work()

	list := p.succeeds("jobs", "list", "--from", "12 hours ago")
	for _, text := range []string{"ID ", "STATUS", good, "hello-world", "SUCCEEDED", "order-7", "broken-thing", "DEAD"} {
		require.Contains(t, list, text)
	}
	rows := decoded[[]map[string]any](t, p.succeeds("jobs", "list", "--json", "--limit", "1"))
	require.Len(t, rows, 1)
	require.Equal(t, "order-7", rows[0]["id"], "the newest comes first")

	whole := decoded[map[string]any](t, p.succeeds("jobs", "describe", good, "--json"))
	require.Equal(t, "SUCCEEDED", whole["status"])
	summary := p.succeeds("jobs", "describe", "order-")
	for _, text := range []string{"order-7", "DEAD", "say something", "break", "Shell", "#1"} {
		require.Contains(t, summary, text)
	}
	require.Contains(t, p.succeeds("jobs", "logs", good), "Hello Ada!!!")
	p.env = []string{"JOB_ID=order-7"}
	require.Contains(t, p.succeeds("jobs", "logs"), "before it breaks")

	r := p.millrace("jobs", "watch", "order-7")
	require.Equal(t, 1, r.code, "a job that failed makes a watch fail")
	require.Contains(t, r.stderr, "DEAD")
	require.Contains(t, p.millrace("jobs", "cancel").stderr, "over already")
	require.Equal(t, 1, p.millrace("jobs", "describe", "no-such-job").code)
}

func TestAQueuedJobThatIsCanceledIsNotRun(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	job := id(t, p.succeeds("jobs", "run", "hello_world"))
	require.Contains(t, p.succeeds("jobs", "cancel", job, "--why", "sent twice"), "queued")
	p.work()
	r := decoded[map[string]any](t, p.succeeds("jobs", "describe", job, "--json"))
	require.Equal(t, "CANCELLED", r["status"])
	require.Contains(t, r["message"], "sent twice")
	require.NotContains(t, p.millrace("jobs", "logs", job).stdout, "Hello")
}

func TestADryRunChecksAndSendsNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("broken.yaml", failing)
	text := p.succeeds("jobs", "run", "broken.yaml", `list=[1,"two"]`, "a=1,b=2", "-n", "run-$timestamp", "--dry-run", "-f", "json")
	m := decoded[map[string]any](t, text)
	require.Equal(t, map[string]any{"list": []any{1.0, "two"}, "a": 1.0, "b": 2.0}, m["state"])
	require.Equal(t, failing, m["pipeline"])
	require.Regexp(t, `^run-\d{8}-\d{6}$`, m["name"])
	require.NoDirExists(t, p.dir+"/.millrace")

	p.write("wrong.yaml", strings.Replace(failing, "StdOut", "StdOout", 1))
	r := p.millrace("jobs", "run", "wrong.yaml", "--dry-run")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "wrong.yaml:4:")
}

func TestAWatchedJobShowsItsLogAndItsOutcome(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	worker := p.start("", "work", "--exit-when-idle", "3s")
	r := p.millraceReading("tasks:\n  - module: StdOut\n    props: {msg: 'Hello {{ who }}'}\n", "jobs", "run", "-", "who=Grace", "--watch")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, "Hello Grace")
	require.Contains(t, r.stderr, "SUCCEEDED")
	require.Equal(t, 0, worker().code)
}

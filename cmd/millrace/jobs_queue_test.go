package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
)

// fill puts so many messages into the folder's queue.
func (p *place) fill(n int) {
	p.t.Helper()
	d, err := localqueue.Open(p.t.Context(), localqueue.Config{Path: filepath.Join(p.dir, ".millrace", "queue.db")})
	require.NoError(p.t, err)
	for range n {
		_, err := d.Send(p.t.Context(), queue.Draft{Body: []byte("hello_world")})
		require.NoError(p.t, err)
	}
	require.NoError(p.t, d.Close())
}

func TestAQueuedJobIsFoundHoweverManyWait(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.fill(1100)
	job := id(t, p.succeeds("jobs", "run", "hello_world"))
	own := id(t, p.succeeds("jobs", "run", "hello_world", "--id", "order-7"))
	for _, name := range []string{job, own, "order-"} {
		require.Contains(t, p.succeeds("jobs", "describe", name), "QUEUED")
	}
	rows := decoded[[]map[string]any](t, p.succeeds("jobs", "list", "--limit", "2", "--json"))
	require.Len(t, rows, 2)
	require.Equal(t, own, rows[0]["id"])
	require.Equal(t, job, rows[1]["id"])
	require.Len(t, decoded[[]any](t, p.succeeds("jobs", "list", "--limit", "0", "--json")), 1102)
	require.Contains(t, p.succeeds("jobs", "cancel", own), "queued")
}

func TestAMessageIsSentAsItIs(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("m.json", `{"id": "order-9", "pipeline": {"tasks": [{"module": "StdOut", "props": {"msg": "{{ who }} {{ n }}"}}]},
		"state": {"who": "nobody", "n": 1}, "args": ["who=Ada"], "cid": "c-1"}`)
	require.Equal(t, "order-9", id(t, p.succeeds("jobs", "run", "m.json", "n=2", "--title", "A title", "--customer-id", "acme",
		"--link-id", "l-1", "--external-id", "e-1")))
	r := p.millraceReading("pipeline: hello_world\n", "jobs", "run", "-", "name=Grace", "--cid", "c-2")
	require.Equal(t, 0, r.code, r.stderr)
	p.work()
	whole := decoded[map[string]any](t, p.succeeds("jobs", "describe", "order-9", "--json"))
	for key, want := range map[string]string{
		"status": "SUCCEEDED", "cid": "c-1", "title": "A title", "customerId": "acme", "linkId": "l-1", "externalId": "e-1",
	} {
		require.Equal(t, want, whole[key], key)
	}
	require.Contains(t, p.succeeds("jobs", "logs", "order-9"), "Ada 2")
	require.Contains(t, p.succeeds("jobs", "logs", id(t, r.stdout)), "Hello Grace")
	require.Contains(t, p.succeeds("jobs", "describe", id(t, r.stdout)), "c-2")

	wrong := p.millraceReading(`{"pipeline": "hello_world", "stat": {}}`, "jobs", "run", "-")
	require.Equal(t, 1, wrong.code)
	require.Contains(t, wrong.stderr, `did you mean "state"?`)
}

func TestAnIDThatIsNotSafeIsRefusedToSendAndFoundByItsDigest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.millrace("jobs", "run", "hello_world", "--id", "order 7")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "letters, digits")
	sent := p.millraceReading(`{"id": "order 7", "pipeline": "hello_world"}`, "jobs", "run", "-")
	require.Equal(t, 0, sent.code, sent.stderr)
	require.Contains(t, p.succeeds("jobs", "describe", "order 7"), id(t, sent.stdout))
}

func TestTheDeadLetterQueueIsSeenAndSentAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	require.Contains(t, p.millraceReading("", "jobs", "dead").stderr, "millrace jobs run")
	p.write("broken.yaml", strings.Replace(failing, "not-there.glb", "ready", 1))
	p.succeeds("jobs", "run", "broken.yaml", "--max-attempts", "1", "--id", "order-7")
	other := id(t, p.succeeds("jobs", "run", "broken.yaml", "--max-attempts", "1"))
	p.work()

	rows := decoded[[]map[string]any](t, p.succeeds("jobs", "dead", "--json"))
	require.Len(t, rows, 2)
	list := p.succeeds("jobs", "dead")
	for _, text := range []string{"REASON", other, "broken-thing", "exited with code"} {
		require.Contains(t, list, text)
	}
	one := p.succeeds("jobs", "dead", "show", "order-")
	for _, text := range []string{"order-7", "exited with code", `"max_attempts":1`} {
		require.Contains(t, one, text)
	}
	require.Equal(t, other, decoded[map[string]any](t, p.succeeds("jobs", "dead", "show", other, "--json"))["id"])
	require.Equal(t, 1, p.millrace("jobs", "dead", "retry", "nothing").code)
	require.Equal(t, 2, p.millrace("jobs", "dead", "list").code)

	again := id(t, p.succeeds("jobs", "dead", "retry", "order-7"))
	require.Regexp(t, `^order-7-retry-[0-9a-z]+$`, again)
	require.NotEqual(t, other, id(t, p.succeeds("jobs", "dead", "retry", other)))
	require.Contains(t, p.millrace("jobs", "dead").stderr, "empty")
	require.Contains(t, p.succeeds("jobs", "describe", again), "QUEUED")
	p.work()
	require.Contains(t, p.succeeds("jobs", "describe", again), "DEAD", "it was run again, under its new ID")
	require.Len(t, decoded[[]any](t, p.succeeds("jobs", "dead", "--json")), 2)
}

func TestAnUnreadableRecordSpoilsNoList(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	bad := id(t, p.succeeds("jobs", "run", "hello_world"))
	good := id(t, p.succeeds("jobs", "run", "hello_world"))
	p.work()
	finals, err := filepath.Glob(filepath.Join(p.dir, ".millrace/store/jobs/*", bad, "final"))
	require.NoError(t, err)
	require.Len(t, finals, 1)
	require.NoError(t, os.Remove(finals[0]))
	require.NoError(t, os.WriteFile(finals[0], []byte("{bad"), 0o600))
	r := p.millrace("jobs", "list")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stdout, good)
	require.Regexp(t, bad+` +– +\?`, r.stdout)
	require.Contains(t, r.stderr, bad)
	require.Contains(t, p.succeeds("jobs", "describe", good[:len(good)-2]), "SUCCEEDED")
}

func TestWhoWaitsIsToldWhenTheNextAttemptIsDue(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("broken.yaml", failing)
	job := id(t, p.succeeds("jobs", "run", "broken.yaml"))
	r := p.millrace("work", "--exit-when-idle", "1s", "--logger", "color")
	require.Equal(t, 0, r.code, r.stderr)
	require.Contains(t, r.stderr, "messages due later")
	require.Contains(t, r.stderr, "\x1b[33mWARN\x1b[0m", "color was asked for")
	described := p.succeeds("jobs", "describe", job)
	require.Contains(t, described, "RETRYING")
	require.Regexp(t, `(?m)^  log +before it breaks$`, described, "the log stands apart from the error")

	watch := exec.CommandContext(t.Context(), "timeout", "--preserve-status", "-s", "INT", "1", binary, "jobs", "watch", job)
	watch.Dir = p.dir
	out, _ := watch.CombinedOutput() // it was interrupted
	require.Regexp(t, `RETRYING; the next attempt is due in \d+s, and .millrace work. makes it`, string(out))
}

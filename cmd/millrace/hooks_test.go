//go:build linux

package main_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/record"
)

func TestAWebhookIsOneJobThroughAKillAndItsReplays(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	dir, secret := t.TempDir(), callback.NewSecret()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	table := write("hooks.yaml", "sources: {shop: {kind: standard-webhooks, secrets: [{file: "+write("secret", secret)+
		"}], job: {pipeline: hello_world, state: {name: '{{ body.data.who }}'}}}}")
	const body = `{"type":"order.paid","data":{"who":"Ada"}}`
	deliver := func(d *doorway, id string) (status int, ids []string) {
		wh, err := webhook.NewWebhook(secret)
		require.NoError(t, err)
		now := time.Now()
		signature, err := wh.Sign(id, now, []byte(body))
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/v1/hooks/shop", strings.NewReader(body))
		require.NoError(t, err)
		r.Header = http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signature}}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, d.jobs(string(answer))
	}

	d := m.gateway("--hooks", table)
	status, first := deliver(d, "msg_1")
	require.Equal(t, http.StatusAccepted, status)
	require.Len(t, first, 1)
	require.NoError(t, d.cmd.Process.Kill())

	d = m.gateway("--hooks", table)
	_, again := deliver(d, "msg_1")
	require.Equal(t, first, again)
	// The kill came before the delivery was noted.
	noted := filepath.Join(m.data, "store", "hooks")
	require.DirExists(t, noted)
	require.NoError(t, os.RemoveAll(noted))
	_, again = deliver(d, "msg_1")
	require.Equal(t, first, again)
	m.work()
	require.Equal(t, record.Succeeded, m.record(first[0]).Status)
	require.Len(t, m.record(first[0]).Attempts, 1, "two messages of one job run it once")
	d.signal()
	d.end()
}

func TestTheSourcesOfWebhooksAreCheckedAndListed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("secret", callback.NewSecret())
	good := p.write("hooks.yaml", "sources:\n  shop: {kind: standard-webhooks, secrets: [{file: "+filepath.Join(p.dir, "secret")+"}], job: {pipeline: hello_world}}\n  bucket: {kind: none, gone: true}\n")
	out := p.succeeds("gateway", "hooks", "--hooks", good)
	require.Contains(t, out, "/v1/hooks/shop")
	require.Contains(t, out, "hello_world")
	require.Contains(t, out, "nothing: it is closed")
	require.Contains(t, p.succeeds("gateway", "hooks", "--hooks", good, "--json"), `"path": "/v1/hooks/shop"`)

	r := p.millrace("gateway", "hooks", "--hooks", p.write("bad.yaml", "sources:\n  a: {kind: githup}\n  b: {kind: github}\n"))
	require.NotZero(t, r.code)
	require.Contains(t, r.stderr, `bad.yaml:2:7: kind can't be "githup", did you mean "github"?`)
	require.Contains(t, r.stderr, "bad.yaml:3")
	r = p.millrace("gateway", "hooks", "--hooks", "none.yaml")
	require.Equal(t, "millrace: webhook sources: read none.yaml: open none.yaml: no such file or directory\n", r.stderr)
	r = p.millrace("gateway", "hooks")
	require.Equal(t, 2, r.code)
}

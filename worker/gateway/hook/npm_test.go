package hook_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/job"
)

// node runs a script with the packages that `make tools` installed, and returns what it printed.
func node(t *testing.T, script, input string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "-e", script)
	cmd.Dir = "../../../.tools/webhooks"
	cmd.Stdin = strings.NewReader(input)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, "run `make tools`: %s", errs.String())
	return string(out)
}

// A sent is one request as a client of npm made it.
type sent struct {
	Headers map[string]string
	Body    string
}

func (s sent) request() *http.Request {
	r := post(s.Body)
	for name, value := range s.Headers {
		r.Header.Set(name, value)
	}
	return r
}

func TestWhatNpmsStandardWebhooksSignsIsVerified(t *testing.T) {
	t.Parallel()
	out := node(t, `
		const {Webhook} = require("standardwebhooks")
		const {secret, body} = JSON.parse(require("fs").readFileSync(0))
		const at = new Date()
		const headers = {"webhook-id": "msg_npm", "webhook-timestamp": String(Math.floor(at / 1000)),
			"webhook-signature": new Webhook(secret).sign("msg_npm", at, body)}
		console.log(JSON.stringify({headers, body}))`, `{"secret":"`+oldSecret+`","body":"{\"pipeline\":\"hello_world\",\"name\":\"ünïcode ✓\"}"}`)
	var r sent
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	d, err := take(t, source(t, "kind: standard-webhooks\nsecrets: [{env: NEW}, {env: OLD}]"), r.request(), r.Body)
	require.NoError(t, err)
	require.Len(t, d.Messages, 1)
	_, err = take(t, source(t, "kind: standard-webhooks\nsecrets: [{env: NEW}]"), r.request(), r.Body)
	requireRefused(t, err, http.StatusUnauthorized, "no signature fits")
}

func TestNpmsStandardWebhooksVerifiesOurCallbacks(t *testing.T) {
	t.Parallel()
	var got sent
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = sent{Headers: map[string]string{}, Body: readAll(t, r)}
		for name := range r.Header {
			got.Headers[strings.ToLower(name)] = r.Header.Get(name)
		}
	}))
	defer srv.Close()
	sender := callback.Sender{Client: egress.NewClient(egress.Policy{AllowPrivate: true}), Secrets: []string{newSecret, oldSecret}}
	_, err := sender.Send(t.Context(), callback.Delivery{ID: "msg_ours", URL: srv.URL, Body: []byte(`{"type":"job.succeeded","data":{"name":"ünïcode"}}`)})
	require.NoError(t, err)
	input, err := json.Marshal(got)
	require.NoError(t, err)
	script := func(secret string) string {
		return `
		const {Webhook} = require("standardwebhooks")
		const {Headers, Body} = JSON.parse(require("fs").readFileSync(0))
		try { console.log(new Webhook("` + secret + `").verify(Body, Headers).type) } catch (e) { console.log(e.message) }`
	}
	for _, secret := range []string{oldSecret, newSecret} {
		require.Equal(t, "job.succeeded\n", node(t, script(secret), string(input)))
	}
	require.Equal(t, "No matching signature found\n", node(t, script("whsec_c3RyYW5nZXItc3RyYW5nZXItc3RyYW5nZXI="), string(input)))
}

func TestWhatNpmsCloudEventsSendsIsTakenInAllThreeModes(t *testing.T) {
	t.Parallel()
	out := node(t, `
		const {CloudEvent, HTTP} = require("cloudevents")
		const event = id => new CloudEvent({id, source: "/south/shop", type: "order.made", subject: "chair é", mood: "good", data: {who: "Ada", n: 12}})
		const one = m => ({headers: m.headers, body: typeof m.body === "string" ? m.body : JSON.stringify(m.body)})
		const events = [event("1"), event("2")]
		const batch = {headers: {"content-type": "application/cloudevents-batch+json"}, body: JSON.stringify(events)}
		console.log(JSON.stringify({binary: one(HTTP.binary(events[0])), structured: one(HTTP.structured(events[0])), batch}))`, "")
	var modes map[string]sent
	require.NoError(t, json.Unmarshal([]byte(out), &modes))
	s := source(t, `
kind: cloudevents
secrets: [{env: PLAIN}]
job: {pipeline: hello_world, state: {who: "{{ body.who }}", n: "{{ body.n }}", about: "{{ attributes.subject }}", mood: "{{ attributes.mood }}"}}`)
	ids := map[string]int{}
	for mode, want := range map[string]int{"binary": 1, "structured": 1, "batch": 2} {
		r := modes[mode].request()
		r.Header.Set("Authorization", authorized)
		d, err := take(t, s, r, modes[mode].Body)
		require.NoError(t, err, mode)
		require.Len(t, d.Messages, want, mode)
		for _, m := range d.Messages {
			j, err := job.One(m)
			require.NoError(t, err, mode)
			require.Equal(t, map[string]any{"who": "Ada", "n": int64(12), "about": "chair é", "mood": "good"}, j.State, mode)
			ids[j.ID]++
		}
	}
	require.Len(t, ids, 2)
}

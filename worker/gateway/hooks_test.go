package gateway_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/gateway/hook"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const (
	hookSecret = "whsec_b2xkZXItc2VjcmV0LW9sZGVyLXNlY3JldC0wMTIzNDU="
	hookToken  = "0123456789abcdef0123456789abcdef"
	hookTable  = `
sources:
  shop: {kind: standard-webhooks, secrets: [{env: SECRET}], max_body: 1000}
  git: {kind: github, secrets: [{env: TOKEN}], job: {pipeline: hello_world, state: {name: "{{ body.who }}"}}}
  acme: {kind: standard-webhooks, secrets: [{env: SECRET}], customer: acme}
  bucket: {kind: token, secrets: [{env: TOKEN}], query: true}
  one: {kind: token, secrets: [{env: TOKEN}], pipelines: [hello_world]}
  grid: {kind: cloudevents, secrets: [{env: TOKEN}], origins: ["*"]}
  large: {kind: token, secrets: [{env: TOKEN}], max_body: 26214400}
  closed: {kind: token, secrets: [{env: TOKEN}], gone: true}
`
)

// A hookRig is a gateway with sources, and the messages that it sent.
type hookRig struct {
	url   string
	store *brittle

	mu   sync.Mutex
	down bool          // the queue is; guarded by mu
	sent []queue.Draft // guarded by mu
}

// brittle is a store whose creates fail while it is told to, after or before they were done.
type brittle struct {
	blob.Store
	fail func(key string) error
}

func (b *brittle) Create(ctx context.Context, key string, body []byte) error {
	if b.fail != nil {
		if err := b.fail(key); err != nil {
			return err
		}
	}
	return b.Store.Create(ctx, key, body)
}

func newHookRig(t *testing.T) *hookRig {
	t.Helper()
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	rig := &hookRig{store: &brittle{Store: store}}
	rig.url = rig.gateway(t)
	return rig
}

// gateway starts another gateway of the rig's queue and store.
func (rig *hookRig) gateway(t *testing.T) (url string) {
	t.Helper()
	env := map[string]string{"SECRET": hookSecret, "TOKEN": hookToken}
	table, err := hook.Config{Env: func(name string) string { return env[name] }}.Parse("hooks.yaml", []byte(hookTable))
	require.NoError(t, err)
	g, err := gateway.New(gateway.Config{
		Send: rig.send, Records: record.New(rig.store, time.Now), Store: rig.store, Log: slog.New(slog.DiscardHandler),
		Hooks: func(context.Context) *hook.Table { return table },
		Route: func(u job.Upload) (*job.Job, string) {
			if !strings.HasSuffix(u.Key, ".fbx") {
				return nil, "no route wants " + u.Key
			}
			return &job.Job{ID: "route-" + u.Sequencer, Pipeline: "hello_world", State: map[string]any{"key": u.Key}}, ""
		},
	})
	require.NoError(t, err)
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	return srv.URL
}

func (rig *hookRig) send(_ context.Context, _ *job.Job, d queue.Draft) error {
	rig.mu.Lock()
	defer rig.mu.Unlock()
	if rig.down {
		return errors.New("the broker does not answer")
	}
	rig.sent = append(rig.sent, d)
	return nil
}

// jobs are those that were sent, in order.
func (rig *hookRig) jobs(t *testing.T) (out []*job.Job) {
	t.Helper()
	rig.mu.Lock()
	defer rig.mu.Unlock()
	for _, d := range rig.sent {
		j, err := job.One(queue.Message{ID: "m", Body: d.Body})
		require.NoError(t, err)
		out = append(out, j)
	}
	return out
}

// An answered is what a delivery came to.
type answered struct {
	status int
	body   string
	Jobs   []struct{ ID, Pipeline string }
	Nothing,
	Detail string
}

func ask(t *testing.T, method, url, body string, header http.Header) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for name, values := range header {
		r.Header[name] = values
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, errors.Join(err, res.Body.Close()))
	a := answered{status: res.StatusCode, body: string(b)}
	if len(b) > 0 {
		require.NoError(t, json.Unmarshal(b, &a), "%s", b)
	}
	return a
}

// standardHeader signs a body as Standard Webhooks' own library does.
func standardHeader(t *testing.T, id, body string) http.Header {
	t.Helper()
	wh, err := webhook.NewWebhook(hookSecret)
	require.NoError(t, err)
	now := time.Now()
	signature, err := wh.Sign(id, now, []byte(body))
	require.NoError(t, err)
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signature}}
}

func gitHubHeader(body, delivery string) http.Header {
	h := hmac.New(sha256.New, []byte(hookToken))
	h.Write([]byte(body))
	return http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(h.Sum(nil))}, "X-Github-Delivery": {delivery}}
}

const hello = `{"pipeline":"hello_world","state":{"name":"Ada"}}`

func TestAReplayedWebhookMakesNoSecondJobWhicheverGatewayGetsIt(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	header := standardHeader(t, "msg_1", hello)
	first := ask(t, http.MethodPost, rig.url+"/v1/hooks/shop", hello, header)
	require.Equal(t, http.StatusAccepted, first.status, first.body)
	require.Len(t, first.Jobs, 1)
	for _, url := range []string{rig.url, rig.gateway(t)} {
		again := ask(t, http.MethodPost, url+"/v1/hooks/shop", hello, header)
		require.Equal(t, first.body, again.body, "it is told the same")
		require.Equal(t, http.StatusAccepted, again.status)
	}
	jobs := rig.jobs(t)
	require.Len(t, jobs, 1)
	require.Equal(t, first.Jobs[0].ID, jobs[0].ID)
	require.Equal(t, "Ada", jobs[0].State["name"])

	other := ask(t, http.MethodPost, rig.url+"/v1/hooks/shop", hello, standardHeader(t, "msg_2", hello))
	require.NotEqual(t, first.Jobs[0].ID, other.Jobs[0].ID)
}

func TestAReplayedGitHubDeliveryUnderAnotherIDMakesNoSecondJob(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	for _, delivery := range []string{"a", "b"} {
		got := ask(t, http.MethodPost, rig.url+"/v1/hooks/git", `{"who":"Ada"}`, gitHubHeader(`{"who":"Ada"}`, delivery))
		require.Equal(t, http.StatusAccepted, got.status, got.body)
	}
	require.Len(t, rig.jobs(t), 1)
}

// A gateway that is killed between sending and noting has answered nothing: the source sends again.
func TestAKillBetweenSentAndNotedLosesNothingAndMakesNoOtherJob(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	rig.store.fail = func(key string) error {
		if strings.HasPrefix(key, hook.Prefix) {
			return errors.New("killed")
		}
		return nil
	}
	got := ask(t, http.MethodPost, rig.url+"/v1/hooks/shop", hello, standardHeader(t, "msg_1", hello))
	require.Equal(t, http.StatusServiceUnavailable, got.status, "what is not noted is not answered with 202")
	require.NotContains(t, got.body, "killed")
	rig.store.fail = nil
	got = ask(t, http.MethodPost, rig.gateway(t)+"/v1/hooks/shop", hello, standardHeader(t, "msg_1", hello))
	require.Equal(t, http.StatusAccepted, got.status)
	jobs := rig.jobs(t)
	require.Len(t, jobs, 2)
	require.Equal(t, jobs[0], jobs[1], "both messages ask for one job, which records let run to its end once")
}

func TestAWebhookIsNotedOnlyOnceTheQueueHasItsJobs(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	rig.down = true
	got := ask(t, http.MethodPost, rig.url+"/v1/hooks/shop", hello, standardHeader(t, "msg_1", hello))
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	rig.mu.Lock()
	rig.down = false
	rig.mu.Unlock()
	got = ask(t, http.MethodPost, rig.url+"/v1/hooks/shop", hello, standardHeader(t, "msg_1", hello))
	require.Equal(t, http.StatusAccepted, got.status)
	require.Len(t, rig.jobs(t), 1)
}

func TestOneDeliveryToManyGatewaysAtATimeIsOneJob(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	header := standardHeader(t, "msg_1", hello)
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i, url := range []string{rig.url, rig.gateway(t), rig.url, rig.gateway(t), rig.url, rig.url, rig.url, rig.url} {
		wg.Go(func() {
			if got := ask(t, http.MethodPost, url+"/v1/hooks/shop", hello, header); len(got.Jobs) == 1 {
				ids[i] = got.Jobs[0].ID
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.NotEmpty(t, id)
		require.Equal(t, ids[0], id)
	}
}

func TestWhoeverIsNotVerifiedLearnsNothing(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	late := standardHeader(t, "msg_1", hello)
	late.Set("Webhook-Timestamp", "1")
	var bodies []string
	for _, header := range []http.Header{{"Webhook-Signature": {"v1,AAAA"}}, late, standardHeader(t, "msg_1", hello+" "), {"Webhook-Id": {"a.b"}}} {
		got := ask(t, http.MethodPost, rig.url+"/v1/hooks/shop", hello, header)
		require.Equal(t, http.StatusUnauthorized, got.status)
		body, _, _ := strings.Cut(got.body, "request_id")
		bodies = append(bodies, body)
	}
	for _, b := range bodies {
		require.Equal(t, bodies[0], b)
	}
	require.Empty(t, rig.jobs(t))
}

func TestWhatASourceMayNotSendIsRefused(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	bearer := http.Header{"Authorization": {"Bearer " + hookToken}}
	packed := bearer.Clone()
	packed.Set("Content-Encoding", "gzip")
	large := `{"pipeline":"hello_world","title":"` + strings.Repeat("x", 1000) + `"}`
	for _, tt := range []struct {
		name, path, body string
		header           http.Header
		status           int
	}{
		{"oversized", "shop", large, standardHeader(t, "m", large), http.StatusRequestEntityTooLarge},
		{"no such source", "nobody", hello, bearer, http.StatusNotFound},
		{"a source that is closed", "closed", hello, bearer, http.StatusGone},
		{"compressed", "bucket", hello, packed, http.StatusUnsupportedMediaType},
		{"no job", "bucket", `{"a":1}`, bearer, http.StatusUnprocessableEntity},
		{"a pipeline that is not its own", "one", `{"pipeline":"other"}`, bearer, http.StatusForbidden},
		{"a pipeline that it brings", "one", `{"name":"x","tasks":[{"module":"Shell"}]}`, bearer, http.StatusForbidden},
		{"its own pipeline", "one", hello, bearer, http.StatusAccepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, http.MethodPost, rig.url+"/v1/hooks/"+tt.path, tt.body, tt.header)
			require.Equal(t, tt.status, got.status, got.body)
		})
	}
	require.Len(t, rig.jobs(t), 1)
}

func TestACustomersSourceMakesThatCustomersJobsWhateverItsMessageSays(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	body := `{"pipeline":"hello_world","id":"other.7","customerId":"other"}`
	got := ask(t, http.MethodPost, rig.url+"/v1/hooks/acme", body, standardHeader(t, "msg_1", body))
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	j := rig.jobs(t)[0]
	require.Equal(t, "acme.other.7", j.ID)
	require.Equal(t, "acme", j.Customer)
}

// versityEvent is what versitygw posts of an object that was put.
const versityEvent = `{"Records":[{"eventVersion":"2.2","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-03-04T10:11:12Z",` +
	`"eventName":"s3:ObjectCreated:Put","userIdentity":{"PrincipalId":"k"},"s3":{"s3SchemaVersion":"1.0","configurationId":"webhook-global",` +
	`"bucket":{"name":"models","ownerIdentity":{"PrincipalId":"k"},"arn":"arn:aws:s3:::models"},"object":{"key":"in/KEY","size":3,"eTag":"e",` +
	`"versionId":null,"sequencer":"SEQ"}}}]}`

func TestAnUploadEventOfABucketIsRoutedAndOneThatNoRuleWantsIsNot(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	url := rig.url + "/v1/hooks/bucket?token=" + hookToken
	event := func(key, seq string) string { return strings.NewReplacer("KEY", key, "SEQ", seq).Replace(versityEvent) }
	got := ask(t, http.MethodPost, url, event("chair.fbx", "1"), nil)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	require.Regexp(t, "^route-[0-9A-F]*1$", got.Jobs[0].ID)
	got = ask(t, http.MethodPost, url, event("notes.txt", "2"), nil)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	require.Empty(t, got.Jobs)
	require.Contains(t, got.body, "no route wants")
	got = ask(t, http.MethodPost, url, `{"Service":"S3","Event":"s3:TestEvent","Time":"2026-03-04T10:11:12Z","Bucket":"Test-Bucket"}`, nil)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	require.Empty(t, got.Jobs)
	require.NotEmpty(t, got.Nothing)
	require.Len(t, rig.jobs(t), 1)
	got = ask(t, http.MethodPost, rig.url+"/v1/hooks/bucket?token=x", event("chair.fbx", "1"), nil)
	require.Equal(t, http.StatusUnauthorized, got.status)
}

func TestAnOriginOfCloudEventsIsGreeted(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	got := ask(t, http.MethodOptions, rig.url+"/v1/hooks/grid", "", http.Header{"Webhook-Request-Origin": {"eventgrid.azure.net"}})
	require.Equal(t, http.StatusOK, got.status, got.body)
	got = ask(t, http.MethodOptions, rig.url+"/v1/hooks/bucket", "", http.Header{"Webhook-Request-Origin": {"eventgrid.azure.net"}})
	require.Equal(t, http.StatusForbidden, got.status)
}

func TestLargeBodiesOfStrangersKeepNobodyWithAKeyOut(t *testing.T) {
	t.Parallel()
	rig := newHookRig(t)
	var wg sync.WaitGroup
	defer wg.Wait()
	refused := make(chan int, 3)
	var pipes []*io.PipeWriter
	for range 3 {
		r, w := io.Pipe()
		defer w.Close()
		pipes = append(pipes, w)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, rig.url+"/v1/hooks/large", r)
		require.NoError(t, err)
		wg.Go(func() {
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return // its body was cut off
			}
			_ = res.Body.Close()
			refused <- res.StatusCode
		})
	}
	for _, w := range pipes {
		wg.Go(func() { _, _ = w.Write(make([]byte, 25<<20)) }) // and then nothing: it is not verified yet
	}
	select {
	case status := <-refused:
		require.Equal(t, http.StatusServiceUnavailable, status)
	case <-time.After(20 * time.Second):
		require.FailNow(t, "of three times 25 MiB none was too many")
	}
	got := ask(t, http.MethodPost, rig.url+"/v1/jobs", hello, nil)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
}

func FuzzWebhooks(f *testing.F) {
	f.Add("shop", "m", "v1,AAAA", hello)
	f.Add("git", "", "sha256=00", "\xff")
	f.Add("../shop", "%2e%2e", "Bearer "+hookToken[:31], versityEvent)
	store, err := dirblob.Open(f.TempDir())
	require.NoError(f, err)
	table, err := hook.Config{Env: func(string) string { return hookSecret }}.Parse("hooks.yaml", []byte(hookTable))
	require.NoError(f, err)
	g, err := gateway.New(gateway.Config{
		Send:    func(context.Context, *job.Job, queue.Draft) error { return errors.New("a stranger's job was sent") },
		Records: record.New(store, time.Now), Store: store, Log: slog.New(slog.DiscardHandler),
		Hooks: func(context.Context) *hook.Table { return table },
	})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, source, id, proof, body string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/hooks/x", strings.NewReader(body))
		r.URL.Path = "/v1/hooks/" + source
		for _, name := range []string{"Webhook-Id", "X-Github-Delivery", "Ce-Id"} {
			r.Header[name] = []string{id}
		}
		for _, name := range []string{"Webhook-Signature", "X-Hub-Signature-256", "Authorization"} {
			r.Header[name] = []string{proof}
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		require.NotEqual(t, 2, w.Code/100, "%d", w.Code)
		require.NotEqual(t, http.StatusServiceUnavailable, w.Code)
	})
}

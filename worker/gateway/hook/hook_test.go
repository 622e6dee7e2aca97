package hook_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway/hook"
	"github.com/millrace/millrace/worker/job"
)

const (
	oldSecret = "whsec_b2xkZXItc2VjcmV0LW9sZGVyLXNlY3JldC0wMTIzNDU="
	newSecret = "whsec_bmV3ZXItc2VjcmV0LW5ld2VyLXNlY3JldC0wMTIzNDU="
	plain     = "0123456789abcdef0123456789abcdef"
)

// env are the variables that tests' tables name.
func env(name string) string {
	return map[string]string{"OLD": oldSecret, "NEW": newSecret, "PLAIN": plain, "OTHER": "another-secret-of-the-source", "USER": "ada:" + plain, "SHORT": "abc"}[name]
}

// source reads a table of one source, "s", given as the lines below it.
func source(t testing.TB, lines string) *hook.Source {
	t.Helper()
	return sourceWith(t, lines, nil)
}

func sourceWith(t testing.TB, lines string, certs *hook.Certificates) *hook.Source {
	t.Helper()
	text := "sources:\n  s:\n    " + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n    ") + "\n"
	table, err := hook.Config{Env: env, Certificates: certs}.Parse("hooks.yaml", []byte(text))
	require.NoError(t, err)
	return table.Sources["s"]
}

// post makes a request with headers, given as name, value, name, value.
func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/hooks/s", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// take has a source receive a request.
func take(t testing.TB, s *hook.Source, r *http.Request, body string) (*hook.Delivery, error) {
	t.Helper()
	return s.Receive(t.Context(), r, []byte(body))
}

// requireRefused is that a request was refused with a status, for a reason that the log alone has.
func requireRefused(t testing.TB, err error, status int, why string) {
	t.Helper()
	r, ok := errors.AsType[*hook.Refusal](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, status, r.Status, r.Why)
	require.Contains(t, r.Why, why)
	if status == http.StatusUnauthorized {
		require.Equal(t, "the request is not verified as one of this source", r.Detail)
	}
}

// sign makes a request that Standard Webhooks' own library signed.
func sign(t testing.TB, secret, id, body string, at time.Time) *http.Request {
	t.Helper()
	wh, err := webhook.NewWebhook(secret)
	require.NoError(t, err)
	signature, err := wh.Sign(id, at, []byte(body))
	require.NoError(t, err)
	return post(body, "webhook-id", id, "webhook-timestamp", strconv.FormatInt(at.Unix(), 10), "webhook-signature", signature)
}

func mac(secret, text string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

const asks = `{"pipeline":"hello_world","state":{"name":"Ada"}}`

func TestAStandardWebhookIsTakenWithAnyOfTheSecretsWhileTheyAreRotated(t *testing.T) {
	s := source(t, "kind: standard-webhooks\nsecrets: [{env: OLD}, {env: NEW}]")
	for _, secret := range []string{oldSecret, newSecret} {
		d, err := take(t, s, sign(t, secret, "msg_1", asks, time.Now()), asks)
		require.NoError(t, err)
		require.Len(t, d.Messages, 1)
		j, err := job.One(d.Messages[0])
		require.NoError(t, err)
		require.Equal(t, "hello_world", j.Pipeline)
		require.Equal(t, "hook-s-"+d.Key, j.ID)
	}
	a := sign(t, oldSecret, "msg_1", asks, time.Now())
	r := sign(t, newSecret, "msg_1", asks, time.Now())
	r.Header.Set("Webhook-Signature", "v9,nonsense v1,AAAA "+a.Header.Get("Webhook-Signature"))
	_, err := take(t, s, r, asks)
	require.NoError(t, err, "one signature that fits is enough")
}

func TestAForgedStandardWebhookIsRefused(t *testing.T) {
	s := source(t, "kind: standard-webhooks\nsecrets: [{env: OLD}]")
	for _, tt := range []struct {
		name   string
		change func(r *http.Request)
		why    string
	}{
		{"another secret's signature", func(r *http.Request) {
			r.Header = sign(t, newSecret, "msg_1", asks, time.Now()).Header
		}, "no signature fits"},
		{"another ID", func(r *http.Request) { r.Header.Set("Webhook-Id", "msg_2") }, "no signature fits"},
		{"another time", func(r *http.Request) {
			r.Header.Set("Webhook-Timestamp", strconv.FormatInt(time.Now().Unix()+1, 10))
		}, "no signature fits"},
		{"a time spelt in another way", func(r *http.Request) {
			r.Header.Set("Webhook-Timestamp", "+"+r.Header.Get("Webhook-Timestamp"))
		}, "no time"},
		{"a dot in the ID", func(r *http.Request) { r.Header = sign(t, oldSecret, "a.b", asks, time.Now()).Header }, "has a dot"},
		{"two IDs", func(r *http.Request) { r.Header.Add("Webhook-Id", "msg_2") }, "stands 2 times"},
		{"no signature", func(r *http.Request) { r.Header.Del("Webhook-Signature") }, "stands 0 times"},
		{"an empty signature", func(r *http.Request) { r.Header.Set("Webhook-Signature", "v1,") }, "no signature fits"},
		{"a signature behind a thousand others", func(r *http.Request) {
			r.Header.Set("Webhook-Signature", strings.Repeat("v1,AAAA ", 1000)+r.Header.Get("Webhook-Signature"))
		}, "no signature fits"},
		{"a symmetric signature called asymmetric", func(r *http.Request) {
			r.Header.Set("Webhook-Signature", strings.Replace(r.Header.Get("Webhook-Signature"), "v1,", "v1a,", 1))
		}, "no signature fits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sign(t, oldSecret, "msg_1", asks, time.Now())
			tt.change(r)
			_, err := take(t, s, r, asks)
			requireRefused(t, err, http.StatusUnauthorized, tt.why)
		})
	}
	_, err := take(t, s, sign(t, oldSecret, "msg_1", asks, time.Now()), asks+" ")
	requireRefused(t, err, http.StatusUnauthorized, "no signature fits")
}

func TestAnExpiredStandardWebhookIsRefusedBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(t, "kind: standard-webhooks\nsecrets: [{env: OLD}]")
		for away, taken := range map[time.Duration]bool{
			-5 * time.Minute: true, -5*time.Minute - time.Second: false, 5 * time.Minute: true, 5*time.Minute + time.Second: false,
			-1 << 62: false, 1 << 62: false,
		} {
			_, err := take(t, s, sign(t, oldSecret, "msg_1", asks, time.Now().Add(away)), asks)
			if taken {
				require.NoError(t, err, away)
				continue
			}
			requireRefused(t, err, http.StatusUnauthorized, "from now")
		}
	})
}

func TestAStandardWebhookWithAnAsymmetricSignatureIsVerifiedByItsPublicKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, stranger, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s := source(t, "kind: standard-webhooks\npublic_keys: [whpk_"+base64.StdEncoding.EncodeToString(public)+"]")
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	for key, taken := range map[*ed25519.PrivateKey]bool{&private: true, &stranger: false} {
		signature := base64.StdEncoding.EncodeToString(ed25519.Sign(*key, []byte("msg_1."+stamp+"."+asks)))
		_, err := take(t, s, post(asks, "webhook-id", "msg_1", "webhook-timestamp", stamp, "webhook-signature", "v1a,"+signature), asks)
		require.Equal(t, taken, err == nil, "%v", err)
	}
	_, err = take(t, s, sign(t, "whsec_", "msg_1", asks, time.Now()), asks)
	requireRefused(t, err, http.StatusUnauthorized, "no signature fits")
}

func TestAGitHubDeliveryIsKnownByWhatItsSignatureCovers(t *testing.T) {
	s := source(t, "kind: github\nsecrets: [{env: PLAIN}, {env: OTHER}]")
	signed := func(delivery string) *http.Request {
		return post(asks, "X-Hub-Signature-256", "sha256="+mac(plain, asks), "X-GitHub-Delivery", delivery)
	}
	first, err := take(t, s, signed("1"), asks)
	require.NoError(t, err)
	again, err := take(t, s, signed("2"), asks)
	require.NoError(t, err)
	require.Equal(t, first.Key, again.Key, "a header that nobody signed makes no other delivery")

	s = source(t, "kind: github\nknown_by: delivery\nsecrets: [{env: PLAIN}]")
	first, err = take(t, s, signed("1"), asks)
	require.NoError(t, err)
	again, err = take(t, s, signed("2"), asks)
	require.NoError(t, err)
	require.NotEqual(t, first.Key, again.Key)
}

func TestAForgedGitHubDeliveryIsRefused(t *testing.T) {
	s := source(t, "kind: github\nsecrets: [{env: PLAIN}]")
	for _, signature := range []string{
		"sha256=" + mac("another", asks), mac(plain, asks), "sha1=" + mac(plain, asks), "sha256=", "sha256=zz", "",
		"sha256=" + mac(plain, asks)[:62], "sha256=" + mac(plain, asks) + "00",
	} {
		_, err := take(t, s, post(asks, "X-Hub-Signature-256", signature), asks)
		requireRefused(t, err, http.StatusUnauthorized, "")
	}
	_, err := take(t, s, post(asks, "X-Hub-Signature", "sha1="+mac(plain, asks)), asks)
	requireRefused(t, err, http.StatusUnauthorized, "stands 0 times")
}

func TestEventsThatASourceLeavesOutAskForNothing(t *testing.T) {
	s := source(t, "kind: github\nsecrets: [{env: PLAIN}]\nevents: [release.published, push]\njob: {pipeline: hello_world, state: {name: '{{ body.action }}'}}")
	for event, taken := range map[string]bool{"release published": true, "release deleted": false, "push ": true, "pushed ": false, "issues opened": false} {
		kind, action, _ := strings.Cut(event, " ")
		body := `{"action":"` + action + `"}`
		d, err := take(t, s, post(body, "X-Hub-Signature-256", "sha256="+mac(plain, body), "X-GitHub-Event", kind), body)
		require.NoError(t, err)
		require.Equal(t, taken, len(d.Messages) == 1, event)
		require.Equal(t, taken, d.Nothing == "", event)
	}
}

func TestGitHubsFormIsTakenAsTheJSONInIt(t *testing.T) {
	s := source(t, "kind: github\nsecrets: [{env: PLAIN}]\njob: {pipeline: hello_world, state: {name: '{{ body.who }}'}}")
	body := "payload=%7B%22who%22%3A%22Ada%22%7D"
	d, err := take(t, s, post(body, "X-Hub-Signature-256", "sha256="+mac(plain, body), "Content-Type", "application/x-www-form-urlencoded"), body)
	require.NoError(t, err)
	j, err := job.One(d.Messages[0])
	require.NoError(t, err)
	require.Equal(t, map[string]any{"name": "Ada"}, j.State)
}

func TestATokenIsTakenFromItsHeaderAndFromTheURLOnlyWhereThatIsAllowed(t *testing.T) {
	header := source(t, "kind: token\nsecrets: [{env: PLAIN}, {env: OTHER}]")
	query := source(t, "kind: token\nsecrets: [{env: PLAIN}]\nquery: true")
	custom := source(t, "kind: token\nsecrets: [{env: PLAIN}]\nheader: x-token")
	inURL := func(q string) *http.Request { r := post(asks); r.URL.RawQuery = q; return r }
	for _, tt := range []struct {
		name  string
		s     *hook.Source
		r     *http.Request
		taken bool
	}{
		{"bearer", header, post(asks, "Authorization", "bearer "+plain), true},
		{"the other secret", header, post(asks, "Authorization", "Bearer another-secret-of-the-source"), true},
		{"no scheme", header, post(asks, "Authorization", plain), false},
		{"a part of it", header, post(asks, "Authorization", "Bearer "+plain[:31]), false},
		{"more than it", header, post(asks, "Authorization", "Bearer "+plain+"0"), false},
		{"nothing", header, post(asks, "Authorization", "Bearer "), false},
		{"in the URL where that is not allowed", header, inURL("token=" + plain), false},
		{"in the URL", query, inURL("token=" + plain), true},
		{"two in the URL", query, inURL("token=" + plain + "&token=" + plain), false},
		{"a wrong one in the header and a right one in the URL", query, func() *http.Request {
			r := inURL("token=" + plain)
			r.Header.Set("Authorization", "Bearer x")
			return r
		}(), false},
		{"a header of its own", custom, post(asks, "X-Token", plain), true},
		{"the usual header instead", custom, post(asks, "Authorization", "Bearer "+plain), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := take(t, tt.s, tt.r, asks)
			if tt.taken {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, http.StatusUnauthorized, "")
		})
	}
}

func TestAUserAndPasswordAreTakenTogether(t *testing.T) {
	s := source(t, "kind: basic\nsecrets: [{env: USER}]")
	for pair, taken := range map[string]bool{"ada:" + plain: true, "ada:": false, "bob:" + plain: false, "ada:" + plain + "x": false, "": false} {
		_, err := take(t, s, post(asks, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair))), asks)
		require.Equal(t, taken, err == nil, pair)
	}
}

func TestASourceWithoutProofIsThisMachinesAlone(t *testing.T) {
	s := source(t, "kind: none")
	var got error
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, got = s.Receive(r.Context(), r, []byte(asks)) }))
	defer srv.Close()
	ask := func(headers ...string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader(asks))
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := srv.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return got
	}
	require.NoError(t, ask())
	requireRefused(t, ask("X-Forwarded-For", "127.0.0.1"), http.StatusUnauthorized, "this machine")
	_, err := take(t, s, post(asks), asks) // from 192.0.2.1
	requireRefused(t, err, http.StatusUnauthorized, "this machine")
}

func TestADeliveryWithoutAnIDOfItsOwnIsAnotherJobEachTime(t *testing.T) {
	s := source(t, "kind: token\nsecrets: [{env: PLAIN}]")
	ids := map[string]bool{}
	for range 3 {
		d, err := take(t, s, post(asks, "Authorization", "Bearer "+plain), asks)
		require.NoError(t, err)
		require.Empty(t, d.Key)
		ids[d.Messages[0].ID] = true
	}
	require.Len(t, ids, 3)

	s = source(t, "kind: token\nsecrets: [{env: PLAIN}]\nid_header: x-request-id")
	ids = map[string]bool{}
	for range 3 {
		d, err := take(t, s, post(asks, "Authorization", "Bearer "+plain, "X-Request-Id", "7"), asks)
		require.NoError(t, err)
		require.NotEmpty(t, d.Key)
		ids[d.Messages[0].ID] = true
	}
	require.Len(t, ids, 1)
	_, err := take(t, s, post(asks, "Authorization", "Bearer "+plain), asks)
	requireRefused(t, err, http.StatusBadRequest, "X-Request-Id must have the delivery's ID")
}

func TestASourceThatSendsTooMuchIsToldSoOnlyOnceItIsVerified(t *testing.T) {
	s := source(t, "kind: token\nsecrets: [{env: PLAIN}]\nrate: 1\nburst: 2")
	for range 10 {
		_, err := take(t, s, post(asks, "Authorization", "Bearer wrong"), asks)
		requireRefused(t, err, http.StatusUnauthorized, "")
	}
	for i := range 3 {
		_, err := take(t, s, post(asks, "Authorization", "Bearer "+plain), asks)
		if i < 2 {
			require.NoError(t, err, "strangers do not use up what the source may send")
			continue
		}
		requireRefused(t, err, http.StatusTooManyRequests, "more than its limit")
	}
}

func TestAJobIsMadeOfABodyByTheSourcesTemplate(t *testing.T) {
	s := source(t, `
kind: token
secrets: [{env: PLAIN}]
headers: [X-Shop]
job:
  pipeline: obj_to_glb
  title: "{{ headers.x_shop }}: {{ body.order.id }}"
  priority: 7
  state:
    src: "{{ body.order.file }}"
    count: "{{ body.order.lines | length }}"
    lines: "{{ body.order.lines }}"
    source: "{{ source }}"
`)
	body := `{"order":{"id":12,"file":"a b.obj","lines":[1,"{{ env.HOME }}"]}}`
	d, err := take(t, s, post(body, "Authorization", "Bearer "+plain, "X-Shop", "north", "X-Other", "no"), body)
	require.NoError(t, err)
	j, err := job.One(d.Messages[0])
	require.NoError(t, err)
	require.Equal(t, "obj_to_glb", j.Pipeline)
	require.Equal(t, "north: 12", j.Title)
	require.Equal(t, 7, j.Priority)
	require.Equal(t, map[string]any{"src": "a b.obj", "count": int64(2), "lines": []any{int64(1), "{{ env.HOME }}"}, "source": "s"}, j.State)

	d, err = take(t, s, post("plain", "Authorization", "Bearer "+plain), "plain")
	require.NoError(t, err, "a body that is no JSON is text")
	require.Len(t, d.Messages, 1)
	_, err = take(t, s, post("{", "Authorization", "Bearer "+plain, "Content-Type", "application/json"), "{")
	requireRefused(t, err, http.StatusUnprocessableEntity, "not JSON")
	_, err = take(t, s, post("a\x00", "Authorization", "Bearer "+plain), "a\x00")
	requireRefused(t, err, http.StatusUnprocessableEntity, "not UTF-8")
}

func TestABodyNestedWithoutEndIsRefused(t *testing.T) {
	s := source(t, "kind: token\nsecrets: [{env: PLAIN}]\njob: {pipeline: hello_world}")
	body := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	_, err := take(t, s, post(body, "Authorization", "Bearer "+plain), body)
	requireRefused(t, err, http.StatusUnprocessableEntity, "nested more than")
}

func readAll(t testing.TB, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

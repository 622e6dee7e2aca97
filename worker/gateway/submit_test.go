package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const (
	operatorKey = "millrace_operator"
	acmeKey     = "millrace_acme"
	readKey     = "millrace_read"
	narrowKey   = "millrace_narrow"
	slowKey     = "millrace_slow"
	oldKey      = "millrace_old"
	soonKey     = "millrace_soon"
)

// A gate is a gateway with keys, and what it has sent.
type gate struct {
	*gateway.Gateway
	keys *gateway.Keys
	log  *strings.Builder

	mu   sync.Mutex
	down error         // what sending says; guarded by mu
	sent []queue.Draft // guarded by mu
	seen []gateway.Answered
}

// newGate makes one; change may be nil.
func newGate(t testing.TB, change func(*gateway.Config)) *gate {
	t.Helper()
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	g := &gate{log: &strings.Builder{}}
	table := "keys:\n"
	for _, row := range []struct{ name, secret, rest string }{
		{"operator", operatorKey, "scopes: [submit, read, operate]"},
		{"acme", acmeKey, "scopes: [submit], customer: acme"},
		{"reader", readKey, "scopes: read"},
		{"narrow", narrowKey, "scopes: [submit], pipelines: [hello_world], max_body: 100"},
		{"slow", slowKey, "scopes: [submit], rate: 1, burst: 2"},
		{"old", oldKey, "scopes: [submit], expires: 2020-01-01"},
		{"soon", soonKey, "scopes: [submit], not_before: 2999-01-01T00:00:00Z"},
	} {
		table += fmt.Sprintf("  - {name: %s, hash: %s, %s}\n", row.name, digest(row.secret), row.rest)
	}
	g.keys, err = gateway.ParseKeys("keys.yaml", []byte(table), nil)
	require.NoError(t, err)
	c := gateway.Config{
		Send: g.send, Records: record.New(store, time.Now), Store: store, Log: slog.New(slog.NewTextHandler(g.log, nil)),
		Keys: func(secret string) *gateway.Key { return g.keys.Find(secret, time.Now()) },
		Route: func(u job.Upload) (*job.Job, string) {
			if u.Kind != job.Created {
				return nil, "no route wants it"
			}
			return &job.Job{ID: "of-" + u.Key, Pipeline: "hello_world"}, "rule"
		},
		Ended: func(a gateway.Answered) { g.seen = append(g.seen, a) },
	}
	if change != nil {
		change(&c)
	}
	g.Gateway, err = gateway.New(c)
	require.NoError(t, err)
	return g
}

func (g *gate) send(_ context.Context, _ *job.Job, d queue.Draft) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return g.down
	}
	g.sent = append(g.sent, d)
	return nil
}

// ask sends a request; headers are "Name: value".
func (g *gate) ask(method, path, secret, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// problem is the sentence of an answer that must be a Problem.
func problem(t *testing.T, w *httptest.ResponseRecorder, status int) string {
	t.Helper()
	var p gateway.Problem
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body.String())
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Title)
	require.Equal(t, w.Header().Get("X-Request-Id"), p.RequestID)
	return p.Detail
}

func submitted(t *testing.T, w *httptest.ResponseRecorder) gateway.Submitted {
	t.Helper()
	var s gateway.Submitted
	require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
	return s
}

const helloJob = `{"pipeline": "hello_world"}`

func TestWhateverTheClassifierKnowsIsSentAsOneMessageForEachJob(t *testing.T) {
	t.Parallel()
	event := `{"specversion":"1.0","id":"%s","source":"/s","type":"t","data":{"pipeline":"hello_world"}}`
	record := `{"eventSource":"aws:s3","eventName":"%s","s3":{"bucket":{"name":"in"},"object":{"key":"%s","size":1,"sequencer":"1"}}}`
	for _, tt := range []struct {
		name, kind, body string
		headers          []string
		jobs, skipped    int
	}{
		{"a job", "application/json", helloJob, nil, 1, 0},
		{"YAML", "application/yaml", "pipeline: hello_world\n", nil, 1, 0},
		{"a line", "text/plain; charset=UTF-8", "hello_world name=Ada", nil, 1, 0},
		{"a CloudEvent", "application/cloudevents+json; charset=utf-8", fmt.Sprintf(event, "1"), nil, 1, 0},
		{"a batch", "application/cloudevents-batch+json", "[" + fmt.Sprintf(event, "1") + "," + fmt.Sprintf(event, "2") + "]", nil, 2, 0},
		{"a CloudEvent in headers", "application/json", helloJob, []string{"Ce-Id: 1", "Ce-Source: /s", "Ce-Type: t", "Ce-Specversion: 1.0"}, 1, 0},
		{"an event of S3", "application/json", `{"Records":[` + fmt.Sprintf(record, "ObjectCreated:Put", "a.stl") + "," + fmt.Sprintf(record, "ObjectRemoved:Delete", "b.stl") + "]}", nil, 1, 1},
		{"a test event", "application/json", `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"b","RequestId":"1","HostId":"2"}`, nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, nil)
			s := submitted(t, g.ask("POST", "/v1/jobs", operatorKey, tt.body, append(tt.headers, "Content-Type: "+tt.kind)...))
			require.Len(t, s.Jobs, tt.jobs)
			require.Len(t, s.Skipped, tt.skipped)
			require.Equal(t, tt.jobs == 0, s.Nothing != "")
			ids := map[string]bool{}
			for _, d := range g.sent {
				j, err := job.One(queue.Message{ID: "m", Body: d.Body})
				require.NoError(t, err)
				require.Equal(t, "hello_world", j.Pipeline)
				ids[j.ID] = true
			}
			require.Len(t, ids, tt.jobs)
			for _, j := range s.Jobs {
				require.True(t, ids[j.ID])
			}
		})
	}
}

func TestWhatIsRefusedIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method, path, secret, body string
		headers                          []string
		status                           int
		says                             string
		refused                          gateway.Refusal
	}{
		{"no key", "POST", "/v1/jobs", "", helloJob, nil, 401, "Authorization: Bearer", gateway.NoKey},
		{"a key that is none", "POST", "/v1/jobs", "millrace_x", helloJob, nil, 401, "this key is none", gateway.NoKey},
		{"a key that has ended", "POST", "/v1/jobs", oldKey, helloJob, nil, 401, "not valid now", gateway.NoKey},
		{"a key that has not begun", "POST", "/v1/jobs", soonKey, helloJob, nil, 401, "not valid now", gateway.NoKey},
		{"another scope", "POST", "/v1/jobs", readKey, helloJob, nil, 403, "scope submit", gateway.NoScope},
		{"another pipeline", "POST", "/v1/jobs", narrowKey, `{"pipeline": "gear"}`, nil, 403, "hello_world", gateway.NoScope},
		{"a pipeline of its own", "POST", "/v1/jobs", narrowKey, `{"tasks": [{"module": "Now"}]}`, nil, 403, "hello_world", gateway.NoScope},
		{"a body that is too long for the key", "POST", "/v1/jobs", narrowKey, strings.Repeat("x", 101), nil, 413, "100 bytes", gateway.Size},
		{"a body that is too long", "POST", "/v1/jobs", operatorKey, strings.Repeat("x", 1<<20+1), nil, 413, "1 MiB", gateway.Size},
		{"a form", "POST", "/v1/jobs", operatorKey, helloJob, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "application/json", gateway.Type},
		{"another charset", "POST", "/v1/jobs", operatorKey, helloJob, []string{"Content-Type: application/json; charset=latin1"}, 415, "UTF-8", gateway.Type},
		{"a compressed body", "POST", "/v1/jobs", operatorKey, helloJob, []string{"Content-Encoding: gzip"}, 415, "compressed", gateway.Type},
		{"no job", "POST", "/v1/jobs", operatorKey, `{"a": 1}`, nil, 422, "the message is no job", gateway.Invalid},
		{"nothing", "POST", "/v1/jobs", operatorKey, "", nil, 422, "the message is empty", gateway.Invalid},
		{"an empty idempotency key", "POST", "/v1/jobs", operatorKey, helloJob, []string{`Idempotency-Key: ""`}, 400, "Idempotency-Key", gateway.Invalid},
		{"a flag that is none", "POST", "/v1/jobs?dry_run=perhaps", operatorKey, helloJob, nil, 400, "dry_run", gateway.Invalid},
		{"another customer's input", "POST", "/v1/jobs", acmeKey, `{"pipeline":"hello_world","inputs":[{"key":"uploads/shop.1/inputs/a","name":"a"}]}`, nil, 403, "customer", gateway.NoScope},
		{"a customer's word for a bucket", "POST", "/v1/jobs", acmeKey, `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"in"},"object":{"key":"a","size":1,"sequencer":"1"}}}]}`, nil, 403, "can't speak for buckets", gateway.NoScope},
		{"another method", "PUT", "/v1/jobs", operatorKey, helloJob, nil, 405, "POST", gateway.Unknown},
		{"another path", "GET", "/v2/jobs", operatorKey, "", nil, 404, "openapi.json", gateway.Unknown},
		{"no path", "OPTIONS", "*", "", "", nil, 404, "openapi.json", gateway.Unknown},
		{"a path with two slashes", "POST", "//v1/jobs", operatorKey, helloJob, nil, 404, "openapi.json", gateway.Unknown},
		{"a path with dots", "POST", "/v1/x/../jobs", operatorKey, helloJob, nil, 404, "openapi.json", gateway.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, nil)
			w := g.ask(tt.method, tt.path, tt.secret, tt.body, tt.headers...)
			require.Contains(t, problem(t, w, tt.status), tt.says)
			require.Empty(t, g.sent)
			require.Len(t, g.seen, 1)
			require.Equal(t, tt.refused, g.seen[0].Refused)
			if tt.secret != "" {
				require.NotContains(t, g.log.String()+w.Body.String(), tt.secret)
			}
		})
	}
}

func TestOneIdempotencyKeyMakesOneJobAndNoOtherCustomersSame(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	id := func(secret, key string) string {
		return submitted(t, g.ask("POST", "/v1/jobs", secret, helloJob, "Idempotency-Key: "+key)).Jobs[0].ID
	}
	first := id(operatorKey, "a")
	require.Equal(t, first, id(operatorKey, "a"))
	require.Equal(t, first, id(operatorKey, `"a"`), "as RFC 8941 writes it")
	require.NotEqual(t, first, id(operatorKey, "b"))
	theirs := id(acmeKey, "a")
	require.NotEqual(t, "acme."+first, theirs)
	require.Equal(t, theirs, id(acmeKey, "a"))
}

func TestACustomersJobsAreItsOwnWhateverItSays(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	for _, id := range []string{"mine", "acme.mine", "shop.theirs", strings.Repeat("x", 128)} {
		s := submitted(t, g.ask("POST", "/v1/jobs", acmeKey, `{"pipeline":"hello_world","customerId":"shop","id":"`+id+`"}`))
		require.True(t, strings.HasPrefix(s.Jobs[0].ID, "acme."), s.Jobs[0].ID)
		require.Equal(t, s.Jobs[0].ID, job.SafeID(s.Jobs[0].ID))
	}
	require.Equal(t, "acme.mine", submitted(t, g.ask("POST", "/v1/jobs", acmeKey, `{"pipeline":"hello_world","id":"acme.mine"}`)).Jobs[0].ID)
	for _, d := range g.sent {
		j, err := job.One(queue.Message{ID: "m", Body: d.Body})
		require.NoError(t, err)
		require.Equal(t, "acme", j.Customer)
		require.Equal(t, "acme", d.Group)
	}
}

func TestAKeyThatAsksTooOftenIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, nil)
		for range 2 {
			submitted(t, g.ask("POST", "/v1/jobs", slowKey, helloJob))
		}
		w := g.ask("POST", "/v1/jobs", slowKey, helloJob)
		problem(t, w, http.StatusTooManyRequests)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		submitted(t, g.ask("POST", "/v1/jobs", operatorKey, helloJob))
	})
}

func TestAQueueThatIsDownIsNever202(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	g.down = errors.New("dial tcp 10.1.2.3:443: refused")
	w := g.ask("POST", "/v1/jobs", operatorKey, helloJob)
	require.NotContains(t, problem(t, w, http.StatusServiceUnavailable), "10.1.2.3")
	require.Equal(t, "5", w.Header().Get("Retry-After"))
	require.Contains(t, g.log.String(), "10.1.2.3")
}

func TestADryRunSendsNothing(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	w := g.ask("POST", "/v1/jobs?dry_run", operatorKey, `{"pipeline":"hello_world","id":"x"}`)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"dry_run":true,"jobs":[{"id":"x","pipeline":"hello_world","message":{"apiVersion":"v1","kind":"Job","id":"x","pipeline":"hello_world"}}]}`, w.Body.String())
	require.Empty(t, g.sent)
}

func TestWhatNoWorkerCouldRunIsRefusedAndWhatCantBeToldIsNot(t *testing.T) {
	t.Parallel()
	var says error
	g := newGate(t, func(c *gateway.Config) { c.Check = func(context.Context, *job.Job) error { return says } })
	says = fault.As(fault.Permanent, errors.New(`pipeline "x" is not in the catalogue`))
	require.Contains(t, problem(t, g.ask("POST", "/v1/jobs", operatorKey, helloJob), 422), "not in the catalogue")
	for _, says = range []error{fault.As(fault.Transient, errors.New("the bucket 10.0.0.1 is slow")), errors.New("open /etc/10.0.0.1: denied")} {
		require.NotContains(t, problem(t, g.ask("POST", "/v1/jobs", operatorKey, helloJob), 503), "10.0.0.1")
	}
	require.Empty(t, g.sent)
}

func TestWithoutKeysAPageOfABrowserCantSend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"curl", []string{"Host: localhost:8080"}, 202},
		{"IPv6", []string{"Host: [::1]:8080"}, 202},
		{"the gateway's own page", []string{"Host: 127.0.0.1:8080", "Origin: http://127.0.0.1:8080", "Sec-Fetch-Site: same-origin"}, 202},
		{"a page of another site", []string{"Host: localhost:8080", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"one of an old browser", []string{"Host: localhost:8080", "Origin: https://evil.example"}, 403},
		{"a sandboxed one", []string{"Host: localhost:8080", "Origin: null"}, 403},
		{"a page of another port", []string{"Host: localhost:8080", "Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"}, 403},
		{"a name that was made to mean this machine", []string{"Host: evil.example:8080"}, 421},
		{"another address of this machine", []string{"Host: 192.168.0.10:8080"}, 421},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, func(c *gateway.Config) { c.Keys = nil })
			require.Equal(t, tt.status, g.ask("POST", "/v1/jobs", "", helloJob, tt.headers...).Code)
		})
	}
}

func TestAPanicIsAProblemWithoutItsText(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(c *gateway.Config) {
		c.Check = func(context.Context, *job.Job) error { panic("secret of ours") }
	})
	require.NotContains(t, problem(t, g.ask("POST", "/v1/jobs", operatorKey, helloJob), 500), "secret")
	require.Contains(t, g.log.String(), "secret of ours")
}

func TestTheLogHasOneShortLineOfAStranger(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	problem(t, g.ask("POST", "/"+strings.Repeat("x", 30<<10)+"%0Alevel=ERROR", "", ""), http.StatusNotFound)
	require.Less(t, g.log.Len(), 1000)
	require.Equal(t, 1, strings.Count(g.log.String(), "\n"))
}

// Whatever comes, the answer is one of ours, and only what was answered with 202 was sent.
func FuzzSubmit(f *testing.F) {
	f.Add("application/json", "", "", helloJob)
	f.Add("application/cloudevents-batch+json", "1.0", "k", `[{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"pipeline":"hello_world"}}]`)
	f.Add("text/plain", "", `"k"`, "hello_world a=1")
	g := newGate(f, nil)
	f.Fuzz(func(t *testing.T, kind, ce, key, body string) {
		g.sent, g.seen = nil, nil
		g.log.Reset()
		w := g.ask("POST", "/v1/jobs", acmeKey, body, "Content-Type: "+kind, "Ce-Specversion: "+ce, "Idempotency-Key: "+key)
		switch w.Code {
		case http.StatusAccepted:
			require.Len(t, g.sent, len(submitted(t, w).Jobs))
			for _, j := range submitted(t, w).Jobs {
				require.True(t, strings.HasPrefix(j.ID, "acme.") && job.SafeID(j.ID) == j.ID, j.ID)
			}
		case 400, 403, 413, 415, 422:
			require.NotEmpty(t, problem(t, w, w.Code))
			require.Empty(t, g.sent)
		default:
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	})
}

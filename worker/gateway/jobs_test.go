package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

func TestAListGoesOnWhereItsPageEnded(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	noon := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	var want []string
	for i := range 7 {
		id := "acme.done-" + strconv.Itoa(i)
		f.run(id, noon.Add(time.Duration(i/2)*time.Minute), nil) // two of one moment
	}
	for _, i := range []int{6, 4, 5, 2, 3, 0, 1} {
		want = append(want, "acme.done-"+strconv.Itoa(i))
	}
	f.run("evil.done", noon, nil)
	f.wait("acme.waits")
	f.wait("evil.waits")
	pages := func(key, query string) (ids []string) {
		for cursor := ""; ; {
			res, body := f.ask(key, http.MethodGet, "/v1/jobs?"+query+"&cursor="+cursor)
			require.Equal(t, http.StatusOK, res.StatusCode, body)
			list := decode[JobList](t, body)
			for _, j := range list.Jobs {
				ids = append(ids, j.ID)
			}
			if cursor = list.Next; cursor == "" {
				return ids
			}
		}
	}
	all := append([]string{"acme.waits"}, want...)
	for _, limit := range []string{"1", "2", "3", "200"} {
		require.Equal(t, all, pages("acme", "limit="+limit))
	}
	require.Len(t, pages("boss", "limit=2"), 10)
	require.Equal(t, want, pages("acme", "limit=2&status=succeeded"))
	require.Equal(t, []string{"acme.waits"}, pages("acme", "limit=2&status=QUEUED"))
	require.Equal(t, []string{"acme.waits"}, pages("acme", "since=1m"))
	require.Equal(t, []string{"acme.done-3"}, pages("acme", "prefix=acme.done-3"))
	require.Equal(t, all, pages("acme", "prefix=acme"))
	require.Empty(t, pages("acme", "prefix=evil."))
	for _, wrong := range []string{"limit=0", "limit=x", "limit=201", "since=soon", "status=lost", "cursor=1", "cursor=x.y", "colour=red", "limit=1&limit=2"} {
		res, body := f.ask("acme", http.MethodGet, "/v1/jobs?"+wrong)
		require.Equal(t, http.StatusBadRequest, res.StatusCode, wrong)
		require.NotEmpty(t, decode[Problem](t, body).Detail)
	}
}

func TestAJobIsShownAndNotAgainToWhoHasIt(t *testing.T) {
	f := newFront(t)
	f.wait("acme.waits")
	f.run("acme.done", time.Now(), nil)
	for id, want := range map[string]record.PollState{"acme.waits": record.Processing, "acme.done": record.PollCompleted} {
		res, body := f.ask("acme", http.MethodGet, "/v1/jobs/"+id)
		require.Equal(t, http.StatusOK, res.StatusCode)
		polled := decode[map[string]any](t, body)
		require.Equal(t, []any{id, id, string(want)}, []any{polled["id"], polled["jobId"], polled["state"]})
		again, body := f.ask("acme", http.MethodGet, "/v1/jobs/"+id, "If-None-Match", `"x", W/`+res.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		require.Empty(t, body)
	}
}

// Every operation is here, or says why not: a new one fails this test until somebody has thought of whose jobs it tells of.
func TestNoKeyReachesAnotherCustomersJobs(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.run("acme.done", time.Now(), map[string]string{"secret.txt": "the secret", "report.html": "the secret"})
	f.wait("acme.waits")
	running := f.begin("acme.running", time.Now())
	defer f.finish(running)
	without := map[string]string{
		"POST /v1/jobs": "makes jobs of the key's own customer", "POST /v1/hooks/{source}": "tells of no job but its own", "OPTIONS /v1/hooks/{source}": "tells of no job",
		"GET /v1/openapi.json": "tells of no job", "GET /v1/jobs": "lists: see TestAListGoesOnWhereItsPageEnded",
		"POST /v1/uploads": "makes jobs of the key's own customer", "PUT /v1/uploads/{name}": "makes jobs of the key's own customer",
		"POST /v1/uploads/presign": "makes jobs of the key's own customer", "PUT /v1/uploads/{id}/inputs/{name}": "who signed its URL said whose it is",
		"OPTIONS /v1/uploads/{id}/inputs/{name}": "says the same of every URL",
		"PUT /v1/files/{path...}":                "a customer's lie in a folder of its own", "GET /v1/files/{path...}": "a customer's lie in a folder of its own",
		"DELETE /v1/files/{path...}": "a customer's lie in a folder of its own",
	}
	known := map[string]string{
		"GET /v1/jobs/{id}": "", "DELETE /v1/jobs/{id}": "", "GET /v1/jobs/{id}/logs": "", "GET /v1/jobs/{id}/artifacts": "",
		"GET /v1/jobs/{id}/artifacts/{path...}": "secret.txt", "GET /v1/jobs/{id}/report": "",
		"POST /v1/uploads/{id}/complete": "",
	}
	for _, o := range f.g.operations() {
		if _, ok := without[o.name()]; ok {
			continue
		}
		path, ok := known[o.name()]
		require.True(t, ok, "%s: say here how it keeps customers apart", o.name())
		fill := func(id string) string { return strings.NewReplacer("{id}", id, "{path...}", path).Replace(o.path) }
		_, none := f.ask("evil", o.method, fill("evil.none"))
		for _, id := range []string{"acme.done", "acme.waits", "acme.running", "acme.none", "acme%2Edone", "h-00000000000000000000000000000000"} {
			res, body := f.ask("evil", o.method, fill(id))
			require.Equal(t, http.StatusNotFound, res.StatusCode, "%s %s: %s", o.name(), id, body)
			require.NotContains(t, body, "the secret")
			plain := strings.ReplaceAll(id, "%2E", ".")
			require.Equal(t, wordsOf(none), strings.ReplaceAll(wordsOf(body), plain, "evil.none"), "as of a job that is not there")
		}
		res, _ := f.ask("blind", o.method, fill("acme.done"))
		require.Equal(t, http.StatusForbidden, res.StatusCode)
		res, _ = f.ask("nobody", o.method, fill("acme.done"))
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	}
	require.Nil(t, must(f.book.Canceled(t.Context(), "acme.running")))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// wordsOf is a problem without what differs from one request to the next.
func wordsOf(body string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(body), &fields) != nil {
		return body
	}
	delete(fields, "request_id")
	delete(fields, "instance")
	var words []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		words = append(words, fmt.Sprint(k, "=", fields[k]))
	}
	return strings.Join(words, " ")
}

func TestACanceledJobIsAskedToStopOnce(t *testing.T) {
	f := newFront(t)
	f.run("acme.done", time.Now(), nil)
	f.wait("acme.waits")
	for range 2 {
		res, body := f.ask("acme", http.MethodDelete, "/v1/jobs/acme.waits?why=sent+twice")
		require.Equal(t, http.StatusAccepted, res.StatusCode, body)
		require.Contains(t, body, "will not run it")
	}
	c, err := f.book.Canceled(t.Context(), "acme.waits")
	require.NoError(t, err)
	require.Equal(t, "sent twice", c.Why)
	res, body := f.ask("acme", http.MethodDelete, "/v1/jobs/acme.done")
	require.Equal(t, http.StatusConflict, res.StatusCode)
	require.Contains(t, decode[Problem](t, body).Detail, "is over already: SUCCEEDED")
	res, _ = f.ask("acme", http.MethodDelete, "/v1/jobs/acme.waits?why="+strings.Repeat("x", maxWhy+1))
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
}

package gateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

// A front is a gateway on a folder and the embedded queue. Its keys are called by their secrets: "boss" sees all, "acme" and "evil" are
// customers, "blind" has no scope.
type front struct {
	t     testing.TB
	g     *Gateway
	book  *record.Book
	queue *localqueue.Driver
	url   string
}

func newFront(t testing.TB) *front {
	t.Helper()
	dir := t.TempDir()
	store, err := dirblob.Open(filepath.Join(dir, "store"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	q, err := localqueue.Open(t.Context(), localqueue.Config{Path: filepath.Join(dir, "queue.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	f := &front{t: t, book: record.New(store, time.Now), queue: q}
	keys := map[string]*Key{
		"boss": {Name: "boss", Scopes: Scopes()}, "blind": {Name: "blind"},
		"acme": {Name: "acme", Scopes: Scopes(), Customer: "acme"}, "evil": {Name: "evil", Scopes: Scopes(), Customer: "evil"},
	}
	f.g, err = New(Config{
		Send: func(ctx context.Context, j *job.Job, d queue.Draft) error {
			d.Attributes = map[string]string{localqueue.JobID: j.ID}
			_, err := q.Send(ctx, d)
			return err
		},
		Records: f.book, Store: store, Log: slog.New(slog.DiscardHandler),
		Desk: &desk.Desk{Records: f.book, Queue: &desk.Queue{Find: q.Find, Newest: q.Newest}},
		Keys: func(secret string) *Key { return keys[secret] },
	})
	require.NoError(t, err)
	server := httptest.NewServer(f.g)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// ask makes a request by a key. The path goes over the wire as it is written.
func (f *front) ask(key, method, path string, header ...string) (*http.Response, string) {
	f.t.Helper()
	res := f.open(key, method, path, header...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	return res, string(b)
}

func (f *front) open(key, method, path string, header ...string) *http.Response {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, nil)
	require.NoError(f.t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	require.NoError(f.t, err)
	return res
}

// wait puts a job into the queue that no worker takes.
func (f *front) wait(id string) {
	f.t.Helper()
	_, err := f.queue.Send(f.t.Context(), queue.Draft{
		Body: []byte(`{"pipeline": "hello_world", "id": "` + id + `"}`), Attributes: map[string]string{localqueue.JobID: id},
	})
	require.NoError(f.t, err)
}

// An at is a job under way.
type at struct {
	*record.Attempt
	log *record.Log
}

// begin claims a job and prints one line.
func (f *front) begin(id string, enqueued time.Time) at {
	f.t.Helper()
	a, err := f.book.Claim(f.t.Context(), &job.Job{ID: id, Pipeline: "p", Enqueued: enqueued}, record.Claim{Worker: "w"})
	require.NoError(f.t, err)
	log := a.NewLog(f.t.Context())
	log.Report(f.t.Context(), engine.Event{Kind: engine.RunStarted, Task: -1, Total: 1})
	log.Report(f.t.Context(), engine.Event{Kind: engine.TaskStdout, Line: "line of " + id})
	return at{a, log}
}

// run is a job that succeeded, with what it published: path → content.
func (f *front) run(id string, enqueued time.Time, files map[string]string) *record.Record {
	f.t.Helper()
	a := f.begin(id, enqueued)
	for path, content := range files {
		_, err := a.Publish(f.t.Context(), path, strings.NewReader(content))
		require.NoError(f.t, err)
	}
	return f.finish(a)
}

func (f *front) finish(a at) *record.Record {
	f.t.Helper()
	r, err := a.Commit(f.t.Context(), record.Outcome{Status: record.Succeeded, Run: &engine.Run{Report: "report.html"}})
	require.NoError(f.t, err)
	require.NoError(f.t, a.log.Close())
	return r
}

func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

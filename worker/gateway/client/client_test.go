package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/gateway/client"
	"github.com/millrace/millrace/worker/record"
)

// answering is a client of a server that answers one request after the other, and the requests that it got.
func answering(t *testing.T, answers ...func(w http.ResponseWriter, r *http.Request)) (*client.Client, *[]*http.Request) {
	t.Helper()
	var got []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r)
		answers[min(len(got), len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{Server: server.URL + "/below/", Key: "secret"})
	require.NoError(t, err)
	return c, &got
}

func refuse(status int, problem string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, problem)
	}
}

func say(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func TestARequestIsMadeAgainWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	busy := refuse(http.StatusServiceUnavailable, `{"detail": "the queue does not answer"}`)
	c, got := answering(t, busy, say(`{"jobs": [{"id": "j"}]}`))
	sent, err := c.Submit(t.Context(), []byte(`{}`))
	require.NoError(t, err)
	require.Equal(t, "j", sent.Jobs[0].ID)
	require.Len(t, *got, 2)
	key := (*got)[0].Header.Get("Idempotency-Key")
	require.NotEmpty(t, key)
	require.Equal(t, key, (*got)[1].Header.Get("Idempotency-Key"), "or it would be another job")
	require.Equal(t, "Bearer secret", (*got)[0].Header.Get("Authorization"))
	require.Equal(t, "/below/v1/jobs", (*got)[0].URL.Path)

	c, got = answering(t, busy, say(`{}`))
	_, err = c.Do(t.Context(), client.Request{Method: http.MethodPost, Path: "/v1/uploads", Stream: strings.NewReader("x"), Length: 1})
	require.EqualError(t, err, "the queue does not answer")
	require.Len(t, *got, 1)

	c, got = answering(t, refuse(http.StatusUnprocessableEntity, `{"detail": "it is no job"}`))
	_, err = c.Submit(t.Context(), nil)
	require.EqualError(t, err, "it is no job")
	require.Len(t, *got, 1)
}

func TestAFileThatIsRefusedIsNotSent(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, refuse(http.StatusInsufficientStorage, `{"detail": "there is no room"}`))
	file := bytes.NewReader(make([]byte, 8<<20))
	_, err := c.PutFile(t.Context(), "a", file, file.Size())
	require.EqualError(t, err, "there is no room")
	require.Equal(t, 8<<20, file.Len())
}

func TestNoKeyIsSentWhereARedirectLeads(t *testing.T) {
	t.Parallel()
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(other.Close)
	c, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/v1/jobs/j", http.StatusTemporaryRedirect)
	})
	_, err := c.Load(t.Context(), "j")
	require.ErrorContains(t, err, other.URL)
	require.False(t, reached)
}

func TestAJobThatIsNotThereIsToldFromAPathThatIsNot(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, refuse(http.StatusNotFound, `{"type": "urn:millrace:problem:no-such-job", "detail": "there is no job", "jobId": "j", "unsearched": "sqs:jobs"}`))
	r, err := desk.OrQueued(c.Load(t.Context(), "j"))
	require.NoError(t, err)
	require.Equal(t, record.Queued, r.Status)
	c, _ = answering(t, refuse(http.StatusNotFound, `{"detail": "there is nothing here"}`))
	_, err = desk.OrQueued(c.Load(t.Context(), "j"))
	require.EqualError(t, err, "there is nothing here")
}

func TestAnIDIsOnePartOfThePath(t *testing.T) {
	t.Parallel()
	c, got := answering(t, say("{}"))
	_, err := c.Load(t.Context(), "../a/b?c#d%2e")
	require.NoError(t, err)
	require.Equal(t, "/below/v1/jobs/..%2Fa%2Fb%3Fc%23d%252e", (*got)[0].RequestURI)
}

func TestAListIsAskedForAsTheQuerySays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 12, 0, 0, 7, time.UTC)
	c, got := answering(t, say(`{"jobs": [{"id": "j"}], "next": "1.k", "unsearched": "sqs:jobs"}`))
	page, err := c.List(t.Context(), desk.Query{Since: at, Limit: 1000, Status: []record.Status{record.Dead, record.Failed}, After: record.Place{ID: "i", Enqueued: at}})
	require.NoError(t, err)
	require.Equal(t, desk.Page{Jobs: []desk.Row{{ID: "j"}}, Next: record.Place{ID: "k", Enqueued: time.Unix(0, 1).UTC()}, Unsearched: "sqs:jobs"}, page)
	require.Equal(t, url.Values{
		"since": {"2026-03-14T12:00:00.000000007Z"}, "limit": {"200"}, "status": {"DEAD,FAILED"}, "cursor": {fmt.Sprint(at.UnixNano(), ".i")},
	}, (*got)[0].URL.Query())
}

func TestALogGoesOnWhereItsConnectionBroke(t *testing.T) {
	t.Parallel()
	first := "retry: 2000\n\n: alive\n\nid: 1-1-1\ndata: {\"kind\":\"task.stdout\",\"line\":\"one\"}\n\nid: 1-1-2\ndata: {\"kind\":\"task.stdout\",\"line\":\"two\"}\n\nid: 1-1-3\nda"
	second := "id: 1-1-3\ndata: {\"kind\":\"task.stdout\",\"line\":\"three\"}\n\nevent: drain\ndata: {\"detail\":\"the gateway ends\"}\n\n"
	third := "event: end\nid: end\ndata: {\"status\":\"SUCCEEDED\"}\n\n"
	c, got := answering(t, say(first), refuse(http.StatusBadGateway, "a proxy"), say(second), say(third))
	var lines []string
	for ev, err := range c.Logs(t.Context(), "j", true) {
		require.NoError(t, err)
		lines = append(lines, ev.Line)
	}
	require.Equal(t, []string{"one", "two", "three"}, lines)
	var from []string
	for _, r := range *got {
		require.Equal(t, "true", r.URL.Query().Get("follow"))
		from = append(from, r.Header.Get("Last-Event-ID"))
	}
	require.Equal(t, []string{"", "1-1-2", "1-1-2", "1-1-3"}, from)
}

// transport answers requests in this process.
type transport func(r *http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// A gateway that is started again is away for longer than a request is made again.
func TestAFollowedLogOutlivesItsGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		c, err := client.New(client.Config{Server: "http://gateway", Transport: transport(func(r *http.Request) (*http.Response, error) {
			stream := "id: 1-1-1\ndata: {\"line\":\"one\"}\n\n"
			switch away := time.Since(begun); {
			case r.Header.Get("Last-Event-ID") == "":
			case away < 20*time.Second:
				return nil, errors.New("connection refused")
			default:
				stream = "id: 1-1-2\ndata: {\"line\":\"two\"}\n\nevent: end\nid: end\ndata: {}\n\n"
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(stream))}, nil
		})})
		require.NoError(t, err)
		var lines []string
		for ev, err := range c.Logs(t.Context(), "j", true) {
			require.NoError(t, err)
			lines = append(lines, ev.Line)
		}
		require.Equal(t, []string{"one", "two"}, lines)
	})
	c, err := client.New(client.Config{Server: "http://gateway", Transport: transport(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("connection refused")
	})})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		for _, err := range c.Logs(t.Context(), "j", true) {
			require.ErrorContains(t, err, "does not answer")
		}
		require.Less(t, time.Since(begun), 10*time.Second, "one that was never there is not waited for")
	})
}

func TestALogIsWaitedForOnceTheGatewayHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		c, err := client.New(client.Config{Server: "http://gateway", Transport: transport(func(r *http.Request) (*http.Response, error) {
			text := "event: end\nid: end\ndata: {}\n\n"
			switch {
			case !strings.HasSuffix(r.URL.Path, "/logs"):
				text = "{}"
			case time.Since(begun) < 20*time.Second:
				return nil, errors.New("connection refused")
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text))}, nil
		})})
		require.NoError(t, err)
		_, err = c.Load(t.Context(), "j")
		require.NoError(t, err)
		for _, err := range c.Logs(t.Context(), "j", true) {
			require.NoError(t, err)
		}
	})
}

func TestAnAnswerThatBreaksOffMayCome(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"id": `)
	})
	_, err := c.Load(t.Context(), "j")
	broken, ok := errors.AsType[*client.Error](err)
	require.True(t, ok, err)
	require.True(t, broken.Passes())
	require.ErrorContains(t, err, "does not answer: unexpected EOF")
}

func TestALogThatIsEnoughEndsItsConnection(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	c, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "id: 1-1-1\ndata: {\"line\":\"one\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(closed)
	})
	for ev, err := range c.Logs(t.Context(), "j", true) {
		require.NoError(t, err)
		require.Equal(t, "one", ev.Line)
		break
	}
	<-closed
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range c.Logs(ctx, "j", true) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestAConfigThatCanNotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", "gateway", "ftp://host", "http://", "https://user@host", "https://host?x=1", "https://host#f", "http://[::1"} {
		_, err := client.New(client.Config{Server: server})
		require.Error(t, err, server)
	}
	_, err := client.New(client.Config{Server: "https://host", Key: "a\nb"})
	require.ErrorContains(t, err, "millrace gateway key")
}

package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
)

// SQS shows nothing that it does not deliver: what waits there can be followed and canceled all the same.
func TestAJobThatWaitsWhereNobodyCanLookIsFollowedAndCanceled(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.g.cfg.Desk.Queue, f.g.cfg.Desk.Unsearched = nil, []string{"sqs:jobs"}
	res, body := f.ask("acme", http.MethodGet, "/v1/jobs/acme.sent")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	p := decode[Problem](t, body)
	require.Equal(t, []string{NoSuchJob, "acme.sent", "sqs:jobs"}, []string{p.Type, p.JobID, p.Unsearched})
	require.Contains(t, p.Detail, "can't be searched")
	_, body = f.ask("acme", http.MethodGet, "/v1/jobs")
	require.Equal(t, JobList{Jobs: []desk.Row{}, Unsearched: "sqs:jobs"}, decode[JobList](t, body))

	follow := f.open("acme", http.MethodGet, "/v1/jobs/acme.sent/logs?follow=true")
	res, body = f.ask("acme", http.MethodDelete, "/v1/jobs/acme.sent")
	require.Equal(t, http.StatusAccepted, res.StatusCode, body)
	c, err := f.book.Canceled(t.Context(), "acme.sent")
	require.NoError(t, err)
	require.Contains(t, c.Why, "by the key acme")
	a := f.begin("acme.sent", time.Now())
	f.finish(a)
	ids, _ := f.stream(follow)
	require.Equal(t, "[1-1-1 1-1-2 end]", fmt.Sprint(ids))
}

// stream reads server-sent events to their end: their IDs and kinds.
func (f *front) stream(res *http.Response) (ids, kinds []string) {
	f.t.Helper()
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
		if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kinds = append(kinds, kind)
		}
	}
	return ids, kinds
}

func TestAHundredFollowersSeeTheWholeLogWhileItIsWritten(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.wait("acme.waits")
	const followers = 100
	var wg sync.WaitGroup
	var joined sync.WaitGroup
	joined.Add(followers)
	for range followers {
		wg.Go(func() {
			join := sync.OnceFunc(joined.Done)
			defer join() // if it can't open the log
			res := f.open("acme", http.MethodGet, "/v1/jobs/acme.waits/logs", "Accept", "text/event-stream")
			join()
			ids, kinds := f.stream(res)
			if fmt.Sprint(ids) != "[1-1-1 1-1-2 end]" || fmt.Sprint(kinds) != "[end]" {
				t.Errorf("a follower saw %v %v", ids, kinds)
			}
		})
	}
	joined.Wait()
	a := f.begin("acme.waits", time.Now())
	f.finish(a)
	wg.Wait()
	require.Zero(t, f.g.followers.all)
}

func TestAFollowerGoesOnBehindTheLastEventThatItHas(t *testing.T) {
	f := newFront(t)
	f.run("acme.done", time.Now(), nil)
	for last, want := range map[string]string{"": "[1-1-1 1-1-2 end]", "1-1-1": "[1-1-2 end]", "1-1-2": "[end]"} {
		ids, _ := f.stream(f.open("acme", http.MethodGet, "/v1/jobs/acme.done/logs?follow=false", "Accept", "text/event-stream", "Last-Event-ID", last))
		require.Equal(t, want, fmt.Sprint(ids), last)
	}
	res, _ := f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/logs?follow=true", "Last-Event-ID", "end")
	require.Equal(t, http.StatusNoContent, res.StatusCode, "so that a browser does not ask again")
	res, _ = f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/logs?follow=true", "Last-Event-ID", "1-2")
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	res, body := f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/logs")
	require.Equal(t, "line of acme.done\n", body)
	require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
}

func TestFollowersAreBoundedAndToldWhenTheGatewayEnds(t *testing.T) {
	f := newFront(t)
	f.wait("acme.waits")
	for range keyFollowers {
		leave, err := f.g.followers.take(&Key{Customer: "acme"})
		require.NoError(t, err)
		defer leave()
	}
	res, body := f.ask("acme", http.MethodGet, "/v1/jobs/acme.waits/logs?follow=true")
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.Contains(t, body, "end one first")
	res = f.open("boss", http.MethodGet, "/v1/jobs/acme.waits/logs?follow=true")
	f.g.Drain()
	_, kinds := f.stream(res)
	require.Equal(t, []string{"drain"}, kinds)
}

// Who does not read is dropped: what is sent fills the connection, and the next write has no end.
func TestAFollowerThatDoesNotReadIsDropped(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	a := f.begin("acme.running", time.Now())
	line := strings.Repeat("x", 64<<10)
	for range 200 {
		a.log.Report(t.Context(), engine.Event{Kind: engine.TaskStdout, Line: line})
	}
	f.finish(a)
	left := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{g: f.g, w: w, r: r, key: operator()}
		s := &stream{g: f.g, c: c, id: "acme.running", out: &patientWriter{ResponseWriter: w, control: http.NewResponseController(w), limit: 100 * time.Millisecond}}
		left <- s.send()
	}))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	require.True(t, tooSlow(<-left))
}

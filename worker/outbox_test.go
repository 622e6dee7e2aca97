package worker_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

func TestAWorkerDeliversWhatTheOutboxHolds(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { told <- req.Header.Get("webhook-id") }))
	defer srv.Close()
	p := newPlant(t, succeed)
	id := p.send(map[string]any{"id": "earlier", "pipeline": "p"})
	p.run()
	now := time.Now()
	require.NoError(t, p.records.Owe(t.Context(), record.Entry{Job: id, URL: srv.URL, First: now},
		record.Owed{Round: 1, Time: now.Add(-time.Hour), Tries: 3, Next: now.Add(-time.Minute)}))

	p.cfg.Callbacks = &callback.Sender{Client: srv.Client(), Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
	p.cfg.ExitWhenIdle = 0
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.runUntil(ctx) })
	require.Equal(t, callback.ID(id), <-told)
	stop() // the try is finished
	wg.Wait()
	require.Equal(t, http.StatusOK, p.load(id).Callback.Status)
	require.Equal(t, 4, p.load(id).Callback.Tries)
	require.EqualValues(t, 1, p.runs.Load())
}

func TestACallbackThatFailsNeverChangesTheOutcome(t *testing.T) {
	t.Parallel()
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(busy.Close) // after the parallel rows
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	t.Cleanup(gone.Close)
	for _, tt := range []struct {
		name   string
		do     func(context.Context, string, *launch.Request) *engine.Run
		status record.Status
		depth  queue.Depth
	}{
		{"of a job that succeeded", succeed, record.Succeeded, queue.Depth{}},
		{"of one that failed for good", fail(fault.Permanent), record.Failed, queue.Depth{Dead: 1}},
		{"of one whose attempts are used up", fail(fault.Unknown), record.Dead, queue.Depth{Dead: 1}},
	} {
		for how, to := range map[string]string{"busy": busy.URL, "gone": gone.URL, "refused": "http://10.0.0.1/", "nonsense": "http://"} {
			t.Run(tt.name+", "+how, func(t *testing.T) {
				t.Parallel()
				p := newPlant(t, tt.do)
				client := egress.NewClient(egress.Policy{AllowHosts: []string{"127.0.0.1"}})
				p.cfg.Callbacks = &callback.Sender{Client: client, Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
				p.cfg.CallbackURL = to
				id := p.send(map[string]any{"pipeline": "p", "max_attempts": 1})
				p.run()
				r := p.load(id)
				require.Equal(t, tt.status, r.Status)
				require.Len(t, r.Attempts, 1)
				require.Equal(t, tt.depth, p.depth())
				require.Equal(t, how == "busy", r.Owed != nil)
				require.Equal(t, how != "busy", r.Callback != nil)
				o := callback.Outbox{Records: p.records}
				owed, exhausted := 0, 0
				for _, err := range o.List(t.Context()) {
					require.NoError(t, err)
					owed++
				}
				for _, err := range o.Exhausted(t.Context()) {
					require.NoError(t, err)
					exhausted++
				}
				require.Equal(t, 1, owed+exhausted, "delivered, owed or listed as given up: nothing is lost")
			})
		}
	}
}

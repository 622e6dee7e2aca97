package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker"
)

// asked is what a worker that stands so answers.
func asked(s worker.Status, path string) (code int, body string) {
	w := httptest.NewRecorder()
	statusHandler(func() worker.Status { return s }, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestP35ProbesTellAWorkerThatHangsFromOneThatIdles(t *testing.T) {
	hangs, full := errors.New("receiving hangs"), errors.New("the disk is full")
	for _, tt := range []struct {
		name           string
		status         worker.Status
		health, ready  int
		says, readySay string
	}{
		{"it idles, or is full", worker.Status{Slots: 1}, 200, 200, "ok\n", "ok\n"},
		{"it takes nothing now", worker.Status{Idle: full}, 200, 503, "ok\n", "the disk is full\n"},
		{"it hangs", worker.Status{Stalled: hangs}, 503, 503, "receiving hangs\n", "receiving hangs\n"},
		{"it hangs, and jobs run on", worker.Status{Stalled: hangs, Busy: 1}, 200, 200, "ok\n", "ok\n"},
		{"it takes nothing now, and a job runs", worker.Status{Idle: full, Busy: 1}, 200, 200, "ok\n", "ok\n"},
		{"it drains, and a job runs", worker.Status{Idle: full, Busy: 1, Draining: time.Now()}, 200, 503, "ok\n", "the disk is full\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, body := asked(tt.status, "/healthz")
			require.Equal(t, tt.health, code)
			require.Equal(t, tt.says, body)
			code, body = asked(tt.status, "/readyz")
			require.Equal(t, tt.ready, code)
			require.Equal(t, tt.readySay, body)
		})
	}
}

func TestTheScalerHearsHowBusyAWorkerIs(t *testing.T) {
	for _, tt := range []struct {
		status worker.Status
		want   string
	}{
		{worker.Status{Slots: 4}, `{"slots":4,"busy":0,"draining":false}`},
		{
			worker.Status{Slots: 4, Busy: 2, Oldest: time.Date(2026, 11, 21, 10, 0, 0, 999, time.FixedZone("CET", 3600)), Draining: time.Now()},
			`{"slots":4,"busy":2,"oldest":"2026-11-21T09:00:00Z","draining":true}`,
		},
	} {
		code, body := asked(tt.status, "/busy")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, tt.want+"\n", body)
	}
}

func TestNobodyChangesAnythingThroughTheStatus(t *testing.T) {
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/busy"} {
		w := httptest.NewRecorder()
		statusHandler(func() worker.Status { return worker.Status{} }, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("POST", path, nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, path)
	}
	code, _ := asked(worker.Status{}, "/debug/pprof/")
	require.Equal(t, http.StatusNotFound, code)
}

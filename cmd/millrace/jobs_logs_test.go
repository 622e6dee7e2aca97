package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/gateway/client"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

func TestALogHasASeamBetweenAttempts(t *testing.T) {
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	d := &desk.Desk{Records: record.New(store, time.Now)}
	for _, line := range []string{"first", "second"} {
		a, err := d.Records.Claim(t.Context(), &job.Job{ID: "j"}, record.Claim{Worker: "w"})
		require.NoError(t, err)
		log := a.NewLog(t.Context())
		log.Report(t.Context(), engine.Event{Kind: engine.RunStarted, Task: -1})
		log.Report(t.Context(), engine.Event{Kind: engine.TaskStdout, Line: line})
		log.Finish()
		require.NoError(t, log.Close())
	}
	var out strings.Builder
	require.NoError(t, printLog(t.Context(), d, &out, "j", false, "stdout"))
	require.Equal(t, "first\n— another attempt —\nsecond\n", out.String())
}

// transport answers requests in this process.
type transport func(r *http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// awayGateway is a gateway that is away from here on, for that long, and then says that the job has succeeded.
func awayGateway(t *testing.T, d time.Duration) *client.Client {
	t.Helper()
	begun := time.Now()
	c, err := client.New(client.Config{Server: "http://gateway", Transport: transport(func(r *http.Request) (*http.Response, error) {
		switch {
		case r.Context().Err() != nil:
			return nil, r.Context().Err()
		case time.Since(begun) < d:
			return nil, errors.New("connection refused")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"id": "j", "status": "SUCCEEDED"}`))}, nil
	})})
	require.NoError(t, err)
	return c
}

func TestAWatchWaitsTwoMinutesForAGatewayThatIsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		away time.Duration
		err  string
		most time.Duration
	}{
		{"for less", 110 * time.Second, "", 2 * time.Minute},
		{"for longer", time.Hour, "the gateway http://gateway does not answer: ", watchAway},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				begun := time.Now()
				r, err := untilFinal(t.Context(), awayGateway(t, tt.away), newScreen(&out), "j")
				require.LessOrEqual(t, time.Since(begun), tt.most)
				require.Equal(t, 1, strings.Count(out.String(), "the gateway can't be asked (connection refused); waiting for it"), "said once: %s", &out)
				if tt.err != "" {
					require.GreaterOrEqual(t, time.Since(begun), tt.most-5*time.Second)
					require.ErrorContains(t, err, tt.err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, record.Succeeded, r.Status)
			})
		})
	}
}

func TestAWatchThatIsInterruptedSaysNothingOfTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(errors.New("interrupted")) }) // while the client asks for the first time
		var out strings.Builder
		_, err := untilFinal(ctx, awayGateway(t, time.Hour), newScreen(&out), "j")
		require.Error(t, err)
		require.Empty(t, out.String())
	})
}

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
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

package record_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

// All that a job leaves in a store lies below what is ours, or an event about it would make the next job.
func TestAllThatIsWrittenForAJobIsOurs(t *testing.T) {
	t.Parallel()
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	defer store.Close()
	b := record.New(store, time.Now)
	keep := 2 * 24 * time.Hour
	for _, j := range []*job.Job{{ID: "plain", Pipeline: "p"}, {ID: "kept", Pipeline: "p", KeepOutputs: &keep}} {
		require.NoError(t, b.KeepDocument(t.Context(), "p", "sha256:"+strings.Repeat("0", 64), []byte("tasks: []")))
		require.NoError(t, b.SendOn(t.Context(), j.ID, "gpu"))
		a, err := b.Claim(t.Context(), j, record.Claim{Worker: "w"})
		require.NoError(t, err)
		_, err = a.Publish(t.Context(), "x.txt", strings.NewReader("x"))
		require.NoError(t, err)
		_, err = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
		require.NoError(t, err)
		require.NoError(t, b.Owe(t.Context(), record.Entry{Job: j.ID, URL: "http://x"}, record.Owed{Round: 1, Next: time.Now()}))
	}
	n := 0
	for in, err := range store.List(t.Context(), "", "") {
		require.NoError(t, err)
		require.True(t, record.Ours(in.Key), in.Key)
		n++
	}
	require.Greater(t, n, 8)
	require.True(t, record.Ours(job.Uploads+"j/inputs/chair.fbx"))
	for _, foreign := range []string{"in/chair.fbx", "jobs", "jobsite/x", "artifacts-2/x", "x/jobs/y"} {
		require.False(t, record.Ours(foreign), foreign)
	}
}

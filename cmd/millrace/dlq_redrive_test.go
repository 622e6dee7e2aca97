package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	main "github.com/millrace/millrace/cmd/millrace"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// A worker finds the final record of the ID that the job had, and would run nothing.
func TestAJobThatWasSentOnIsSentAgainAsANewOneWhateverItsShape(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`hello name=Ada`, `{"pipeline": "p"}`, `{"pipeline": "p", "id": "mine"}`, "pipeline: p\n", `{"tasks": [{"module": "Exit"}]}`,
	} {
		first := queue.Message{ID: "first", Body: []byte(body), Attributes: map[string]string{"other": "kept"}, Enqueued: time.Now()}
		j, err := job.Decode(first)
		require.NoError(t, err, body)
		sent, ok := j.Forward(first, "gpu")
		require.True(t, ok)
		buried := queue.Buried{ID: "second", Body: sent.Body, Attributes: sent.Attributes, Buried: time.Now()}
		draft, err := main.Again(buried)
		require.NoError(t, err, body)
		require.Equal(t, "kept", draft.Attributes["other"])
		require.Contains(t, buried.Attributes, "job.forward", "the buried message is left as it is")
		again, err := job.Decode(queue.Message{ID: "third", Body: draft.Body, Attributes: draft.Attributes, Enqueued: time.Now()})
		require.NoError(t, err, body)
		require.NotEqual(t, j.ID, again.ID, body)
		require.Empty(t, again.Forwarded)
	}
}

package main_test

import (
	"fmt"
	"strings"
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
		j, err := job.One(first)
		require.NoError(t, err, body)
		sent, ok := j.Forward(first, "gpu")
		require.True(t, ok)
		buried := queue.Buried{ID: "second", Body: sent.Body, Attributes: sent.Attributes, Buried: time.Now()}
		draft, err := main.Again(buried)
		require.NoError(t, err, body)
		require.Equal(t, "kept", draft.Attributes["other"])
		require.Contains(t, buried.Attributes, "job.forward", "the buried message is left as it is")
		again, err := job.One(queue.Message{ID: "third", Body: draft.Body, Attributes: draft.Attributes, Enqueued: time.Now()})
		require.NoError(t, err, body)
		require.NotEqual(t, j.ID, again.ID, body)
		require.Empty(t, again.Forwarded)
	}
}

// cloudEvent is a CloudEvent whose data is a job.
func cloudEvent(id, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/t","type":"job","data":%s}`, id, data)
}

func TestAJobWhoseIDIsAnEventsIsSentAgainAsANewOne(t *testing.T) {
	t.Parallel()
	buried := queue.Buried{ID: "m", Body: []byte(cloudEvent("e-1", `{"pipeline":"p","state":{"x":1.0}}`)), Buried: time.Now()}
	first, err := job.One(queue.Message{ID: "m", Body: buried.Body})
	require.NoError(t, err)
	draft, err := main.Again(buried)
	require.NoError(t, err)
	again, err := job.One(queue.Message{ID: "n", Body: draft.Body, Attributes: draft.Attributes})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(again.ID, first.ID+"-retry-"), again.ID)
	require.Equal(t, first.State, again.State)
	require.Equal(t, again.ID, draft.Attributes["job_id"])
}

func TestTheJobsOfAMessageThatIsSentAgainGetNewIDsAndRememberTheOld(t *testing.T) {
	t.Parallel()
	body := "[" + cloudEvent("1", `{"pipeline":"p","id":"a"}`) + "," + cloudEvent("2", `{"pipeline":"p","id":"b"}`) + "]"
	draft, err := main.Again(queue.Buried{ID: "m", Body: []byte(body), Buried: time.Now()})
	require.NoError(t, err)
	require.Equal(t, body, string(draft.Body))
	m, err := job.Decode(queue.Message{ID: "n", Body: draft.Body, Attributes: draft.Attributes})
	require.NoError(t, err)
	for i, id := range []string{"a", "b"} {
		require.Regexp(t, "^"+id+"-retry-[0-9a-f]{12}$", m.Jobs[i].ID)
		require.Equal(t, []string{id}, m.Jobs[i].Before)
	}
	twice, err := main.Again(queue.Buried{ID: "n", Body: draft.Body, Attributes: draft.Attributes, Buried: time.Now()})
	require.NoError(t, err)
	m, err = job.Decode(queue.Message{ID: "o", Body: twice.Body, Attributes: twice.Attributes})
	require.NoError(t, err)
	require.Len(t, m.Jobs[0].Before, 2)
}

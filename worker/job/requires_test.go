package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

func TestAJobSaysWhatItRequiresOfItsWorker(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       map[string]string
	}{
		{"as a map", `{"pipeline": "p", "requires": {"Kind": "gpu", "gpus": 2, "memory": "16Gi", "nvenc": true}}`, map[string]string{"class": "gpu", "gpus": "2", "memory": "16Gi", "nvenc": "true"}},
		{"as a list", `{"pipeline": "p", "requires": ["gpu.product=A100 80GB", "x= y=z "]}`, map[string]string{"gpu.product": "A100 80GB", "x": "y=z"}},
		{"as a class", `{"pipeline": "p", "class": "gpu"}`, map[string]string{"class": "gpu"}},
		{"as a class that it says twice", `{"pipeline": "p", "class": "gpu", "requires": {"class": "gpu"}}`, map[string]string{"class": "gpu"}},
		{"as a kind", `{"pipeline": "p", "class": "gpu", "requires": ["kind=gpu"]}`, map[string]string{"class": "gpu"}},
		{"in YAML", "pipeline: p\nrequires: {gpus: 1.5}\n", map[string]string{"gpus": "1.5"}},
		{"not at all", `{"pipeline": "p", "requires": {}}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := job.One(queue.Message{ID: "m", Body: []byte(tt.body)})
			require.NoError(t, err)
			require.Equal(t, tt.want, j.Requires)
		})
	}
}

func TestAPriorityIsCarried(t *testing.T) {
	j, err := job.One(queue.Message{ID: "m", Body: []byte(`{"pipeline": "p", "priority": 5}`)})
	require.NoError(t, err)
	require.Equal(t, 5, j.Priority)
}

func TestAMessageThatIsSentOnIsTheSameJob(t *testing.T) {
	sent := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := queue.Message{
		ID: "first", Body: []byte(`{"pipeline": "p", "class": "gpu"}`), Enqueued: sent, Group: "acme",
		Attributes: map[string]string{"traceparent": "00-1"},
	}
	j, err := job.One(m)
	require.NoError(t, err)
	require.Empty(t, j.Forwarded)
	d, ok := j.Forward(m, "gpu")
	require.True(t, ok)
	require.Equal(t, "acme", d.Group)
	require.Equal(t, "first", d.Key)
	require.Equal(t, "00-1", d.Attributes["traceparent"])
	require.Len(t, m.Attributes, 1, "the message itself is left alone")

	again, err := job.One(queue.Message{ID: "second", Body: d.Body, Attributes: d.Attributes, Group: d.Group, Enqueued: sent.Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, []string{"gpu"}, again.Forwarded)
	again.Forwarded = nil
	require.Equal(t, j, again)
}

func TestAMessageWithTenAttributesIsNotSentOn(t *testing.T) {
	m := queue.Message{ID: "m", Body: []byte(`{"pipeline": "p"}`), Attributes: map[string]string{}}
	for i := range 10 {
		m.Attributes[fmt.Sprintf("a%d", i)] = "x"
	}
	j, err := job.One(m)
	require.NoError(t, err)
	_, ok := j.Forward(m, "gpu")
	require.False(t, ok)
}

func TestWhatAStrangerSaysOfSendingOnIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ name, attribute, id string }{
		{"no JSON", `{"id": `, "m"},
		{"too long", `{"id": "` + strings.Repeat("x", 2000) + `"}`, "m"},
		{"an ID that is a path", `{"id": "../x"}`, job.SafeID("../x")},
		{"the future", `{"id": "x", "enqueued": "2030-01-01T00:00:00Z"}`, "x"},
		{"a time before there were queues", `{"id": "x", "enqueued": "0001-01-02T00:00:00Z"}`, "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := job.One(queue.Message{ID: "m", Enqueued: now, Body: []byte(`{"pipeline": "p"}`), Attributes: map[string]string{"job.forward": tt.attribute}})
			require.NoError(t, err)
			require.Equal(t, tt.id, j.ID)
			require.Equal(t, now, j.Enqueued)
		})
	}
}

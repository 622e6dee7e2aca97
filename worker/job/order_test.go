package job_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

func TestTheStateKeepsItsOrder(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		attributes map[string]string
		want       string
	}{
		{"JSON", `{"pipeline": "p", "state": {"z": {"b": [{"y": 1, "x": 2}], "a": 3}, "c": 4}}`, nil, `{"z":{"b":[{"y":1,"x":2}],"a":3},"c":4}`},
		{"YAML", "pipeline: p\nstate: {z: {b: [{y: 1, x: 2}], a: 3}, c: 4}", nil, `{"z":{"b":[{"y":1,"x":2}],"a":3},"c":4}`},
		{"a line", `p z={"b":1,"a":2} c=3`, nil, `{"z":{"b":1,"a":2},"c":3}`},
		{
			"arguments over a state", `{"pipeline": "p", "state": {"z": {"b": 1, "a": 2}, "y": {"d": 1, "c": 2}}, "args": ["x={\"f\":1,\"e\":2}", "z={\"a\":1}"]}`,
			nil, `{"z":{"a":1},"y":{"d":1,"c":2},"x":{"f":1,"e":2}}`,
		},
		{"attributes", `{}`, map[string]string{"pipeline": "p", "state.z": `{"b":1,"a":2}`, "state.c": "3"}, `{"c":3,"z":{"b":1,"a":2}}`},
		{"sorted", `{"pipeline": "p", "state": {"a": {"b": 1, "c": 2}}}`, nil, `{"a":{"b":1,"c":2}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent, err := job.One(queue.Message{ID: "m", Body: []byte(tt.body), Attributes: tt.attributes})
			require.NoError(t, err)
			b, err := json.Marshal(sent)
			require.NoError(t, err)
			var child job.Job
			require.NoError(t, json.Unmarshal(b, &child))
			got, err := json.Marshal(nunjucks.WithOrder(child.State, child.StateOrder))
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
		})
	}
}

func TestAPipelineInAMessageOfYAMLKeepsItsOrder(t *testing.T) {
	j, err := job.One(queue.Message{ID: "m", Body: []byte("pipeline: {state: {b: 1, a: {d: 1, c: 2}}, tasks: []}")})
	require.NoError(t, err)
	require.Equal(t, `{"state":{"b":1,"a":{"d":1,"c":2}},"tasks":[]}`, string(j.Inline))
}

package job_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// whole is a job that says all that a message can say.
const whole = `{"apiVersion": "v1", "kind": "Job", "id": "b7d2", "name": "h<e>llo", "title": "Hello", "customerId": "acme", "cid": "c-1",
	"linkId": "batch-17", "externalId": "x", "debug": true, "dry_run": true, "deadline": "20m", "max_attempts": 5,
	"keep_outputs": "36h", "pipeline": "p@` + digest + `", "entry": "e", "state": {"z": 2.0, "a": {"y": -0.0, "x": 9007199254740993, "w": 1e30}},
	"callbacks": {"onError": [{"module": "Http", "props": {"n": 3.0}}]}, "callback": {"url": "https://example.com/done?a=1&b=2"},
	"requires": {"gpus": 2, "class": "gpu"}, "priority": 5,
	"inputs": [{"key": "uploads/b7d2/inputs/größe +.zip", "name": "in/größe +.zip", "unpack": true}, {"key": "uploads/x/y", "name": "y"}]}`

// requireStable holds a job against what is read of its canonical message.
func requireStable(t *testing.T, j *job.Job) {
	t.Helper()
	body, err := job.Encode(j)
	require.NoError(t, err)
	again, err := job.One(queue.Message{ID: j.ID, Body: body, Enqueued: j.Enqueued})
	require.NoError(t, err)
	twice, err := job.Encode(again)
	require.NoError(t, err)
	require.Equal(t, string(body), string(twice), "the order of the state, too")
	want := *j
	again.Forwarded, again.StateOrder, want.StateOrder = j.Forwarded, nil, nil // keys like 7 come first, whatever an order says
	require.Equal(t, &want, again)
}

func TestAJobIsTheSameAfterItsCanonicalMessage(t *testing.T) {
	for _, tt := range []struct{ name, body string }{
		{"with all that there is", whole},
		{"of a name alone", `{"pipeline": "p"}`},
		{"with an empty state", `{"pipeline": "p", "state": {}, "callbacks": {}}`},
		{"whose outputs are kept for no time", `{"pipeline": "p", "keep_outputs": "0s"}`},
		{"that is a pipeline", `{"name": "Hello", "tasks": [{"module":  "Debug"}]}`},
		{"that is a pipeline in YAML", "# hi\r\nname: x\ntasks:\n- module: Debug\n"},
		{"that is a pipeline on one line", `tasks: [{module: Debug}]`},
		{"that is a pipeline on an odd line", `? tasks`},
		{"that is a pipeline of templates", "{% for x in xs %}\n{% endfor %}\ntasks: {{ x }}\n"},
		{"around a pipeline", `{"pipeline": {"b": 1,  "tasks": [], "a": "\u00e9"}}`},
		{"around a pipeline of text", `{"pipeline": "{\"tasks\": []}"}`},
		{"with a control character", `{"pipeline": "p", "state": {"a\u007f": "\u0001\u007f\u2028"}}`},
		{"of a line", `p xs='[1, 2.0]' who="a b"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := job.One(queue.Message{ID: "m", Body: []byte(tt.body), Enqueued: time.Unix(7, 0)})
			require.NoError(t, err)
			requireStable(t, j)
		})
	}
}

func TestAJobThatNoMessageCanHoldIsNotEncoded(t *testing.T) {
	for _, tt := range []struct {
		name string
		job  job.Job
		want string
	}{
		{"without a pipeline", job.Job{}, `"pipeline" is empty`},
		{"of a path", job.Job{Pipeline: "../x"}, "is no name of a pipeline"},
		{"of too many attempts", job.Job{Pipeline: "p", MaxAttempts: 21}, `"max_attempts" must be`},
		{"of a number that is none", job.Job{Pipeline: "p", State: map[string]any{"a": math.NaN()}}, "unsupported value: NaN"},
		{"of bytes", job.Job{Inline: []byte("\xff\ntasks: []")}, "is not UTF-8"},
		{"of a file elsewhere", job.Job{Pipeline: "p", Inputs: []job.Input{{Key: "jobs/x", Name: "x"}}}, "lies outside uploads/"},
		{"with a callback to nowhere", job.Job{Pipeline: "p", Callback: &job.Callback{URL: "file:///x"}}, `"callback.url" must be`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := job.Encode(&tt.job)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestInputsStayInsideTheirFolders(t *testing.T) {
	for _, tt := range []struct{ name, inputs, want string }{
		{"text", `"x"`, `"inputs" must be a list of maps, not text`},
		{"a list of text", `["x"]`, `"inputs[0]" must be a map with "key" and "name", not text`},
		{"another key", `[{"key": "uploads/x/y", "name": "y", "mode": 7}]`, `"inputs[0].mode" is unknown`},
		{"no name", `[{"key": "uploads/x/y"}]`, "inputs[0].name: the name is empty"},
		{"a name that leads out", `[{"key": "uploads/x/y", "name": "../y"}]`, `"../y" is no path inside a folder`},
		{"a name that leads out and in", `[{"key": "uploads/x/y", "name": "a/../y"}]`, `is no path inside a folder`},
		{"an absolute name", `[{"key": "uploads/x/y", "name": "/etc/passwd"}]`, `is no path inside a folder`},
		{"the folder itself", `[{"key": "uploads/x/y", "name": "."}]`, `is no path inside a folder`},
		{"a name of two lines", `[{"key": "uploads/x/y", "name": "a\nb"}]`, "has a control character"},
		{"a name with a backslash", `[{"key": "uploads/x/y", "name": "a\\b"}]`, "has a backslash"},
		{"a long name", `[{"key": "uploads/x/y", "name": "` + strings.Repeat("x", 513) + `"}]`, "longer than 512 bytes"},
		{"two of a name", `[{"key": "uploads/x/y", "name": "y"}, {"key": "uploads/x/z", "name": "y"}]`, `"inputs" has the name "y" twice`},
		{"a key elsewhere", `[{"key": "jobs/x", "name": "y"}]`, `"jobs/x" lies outside uploads/`},
		{"a key that leads out", `[{"key": "uploads/../jobs/x", "name": "y"}]`, `has a part ".."`},
		{"a key of the folder", `[{"key": "uploads/", "name": "y"}]`, "has an empty part"},
		{"a key that is a number", `[{"key": 7, "name": "y"}]`, `"inputs[0].key" must be text, not a number`},
		{"many", `[` + strings.Repeat(`{},`, 256) + `{}]`, "more than 256 files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := job.One(queue.Message{ID: "m", Body: []byte(`{"pipeline": "p", "inputs": ` + tt.inputs + `}`)})
			require.ErrorContains(t, err, tt.want)
		})
	}
	j, err := job.One(queue.Message{ID: "m", Body: []byte(whole)})
	require.NoError(t, err)
	require.Equal(t, []job.Input{{Key: "uploads/b7d2/inputs/größe +.zip", Name: "in/größe +.zip", Unpack: true}, {Key: "uploads/x/y", Name: "y"}}, j.Inputs)
	b, err := json.Marshal(j)
	require.NoError(t, err)
	var child job.Job
	require.NoError(t, json.Unmarshal(b, &child))
	require.Equal(t, j.Inputs, child.Inputs)
}

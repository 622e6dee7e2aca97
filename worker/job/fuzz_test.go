package job_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// attributesOf reads name=value lines, as the fuzzer writes attributes.
func attributesOf(lines string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			all[name] = value
		}
	}
	return all
}

func linesOf(attributes map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		fmt.Fprintf(&b, "%s=%s\n", name, attributes[name])
	}
	return b.String()
}

// Whatever is sent is something, or is refused in a sentence, soon; and what it asks for is the same in the canonical message.
func FuzzDecodeKnowsEveryMessage(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(m.Body, linesOf(m.Attributes))
	}
	for _, s := range []string{
		`{"pipeline": "p", "args": ["a=[1,\"x\"", "b='"], "callback": {"url": "https://h"}}`, "hello_world a=1 b='x y'", whole,
		"tasks:\n- &a {module: Debug, props: {<<: *a}}\n", "{% if x %}\ntasks: []\n{% endif %}", "pipeline: |\n  tasks: []\n", "? tasks",
		"? [a]\n: b", "!!binary x", "a: &a [*a]", "\ufeff- - - -", `{"Records": [{}]}`, "--- |\n", "%YAML 1.2\n---\n", "x: 0o7\ny: .nan",
		`[{"specversion":"1.0"},1]`, `{"Type":"Notification","TopicArn":{}}`, `{"detail-type":1,"source":"aws.s3","detail":[]}`,
	} {
		f.Add([]byte(s), "")
	}
	f.Fuzz(func(t *testing.T, body []byte, lines string) {
		began := time.Now()
		d, err := job.Decode(queue.Message{ID: "m", Body: body, Attributes: attributesOf(lines)})
		require.Less(t, time.Since(began), 5*time.Second)
		if err != nil {
			require.Equal(t, fault.Permanent, fault.Of(err))
			require.NotEmpty(t, err.Error())
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NotEqual(t, len(d.Jobs)+len(d.Uploads) > 0, d.Nothing != "", "a message asks for something, or for nothing")
		for _, u := range d.Uploads {
			require.NotEmpty(t, u.Bucket)
			require.True(t, u.Key != "" && utf8.ValidString(u.Key) && !strings.Contains(u.Key, "\x00"), "%q", u.Key)
			require.Contains(t, []job.Change{job.Created, job.Deleted, job.Restored, job.Other}, u.Kind)
			require.GreaterOrEqual(t, u.Size, int64(-1))
			require.Empty(t, u.Endpoint)
			b, err := json.Marshal(u)
			require.NoError(t, err)
			var again job.Upload
			require.NoError(t, json.Unmarshal(b, &again))
			require.Equal(t, u, again)
		}
		for _, j := range d.Jobs {
			require.Equal(t, j.ID, job.SafeID(j.ID))
			require.NotEqual(t, j.Pipeline == "", j.Inline == nil, "a job has a pipeline's name or a pipeline")
			_, err := json.Marshal(j)
			require.NoError(t, err)
			requireEncodes(t, j)
		}
	})
}

// requireEncodes is requireStable, but for what is nested so deep that no envelope can be round it.
func requireEncodes(t *testing.T, j *job.Job) {
	t.Helper()
	if _, err := job.Encode(j); err != nil {
		require.ErrorContains(t, err, "nested more than 100 deep")
		return
	}
	requireStable(t, j)
}

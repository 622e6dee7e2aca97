package job_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

var update = flag.Bool("update", false, "write what becomes of the messages in testdata anew")

// An outcome is what becomes of a message, as testdata has it.
type outcome struct {
	Jobs    []map[string]any `json:"jobs,omitempty"`
	Uploads []job.Upload     `json:"uploads,omitempty"`
	Nothing string           `json:"nothing,omitempty"`
	Error   string           `json:"error,omitempty"`
}

func outcomeOf(t *testing.T, m queue.Message) outcome {
	t.Helper()
	d, err := job.Decode(m)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	o := outcome{Uploads: d.Uploads, Nothing: d.Nothing}
	for _, j := range d.Jobs {
		b, err := json.Marshal(j)
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(b, &fields))
		if j.Inline != nil {
			fields["inline"] = string(j.Inline)
		}
		o.Jobs = append(o.Jobs, fields)
	}
	return o
}

// messages are those of testdata, by name.
func messages(t testing.TB) map[string]queue.Message {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.message")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := map[string]queue.Message{}
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".message")
		m := queue.Message{ID: "m-1", Enqueued: time.Unix(1e9, 0).UTC()}
		m.Body, err = os.ReadFile(path)
		require.NoError(t, err)
		if b, err := os.ReadFile(name + ".attributes"); err == nil {
			require.NoError(t, json.Unmarshal(b, &m.Attributes))
		}
		all[name] = m
	}
	return all
}

func TestEveryMessageBecomesWhatItIsKnownFor(t *testing.T) {
	for name, m := range messages(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			require.NoError(t, enc.Encode(outcomeOf(t, m)))
			if *update {
				require.NoError(t, os.WriteFile(name+".want", b.Bytes(), 0o644))
			}
			want, err := os.ReadFile(name + ".want")
			require.NoError(t, err)
			require.Equal(t, string(want), b.String())
		})
	}
}

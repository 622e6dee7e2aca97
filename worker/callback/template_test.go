package callback_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/record"
)

func finished() *record.Record {
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	return &record.Record{
		ID: "job-7", Title: `Chair "oak" <!channel>`, Pipeline: "stl_to_glb", Status: record.Failed, Started: start, Finished: start.Add(75 * time.Second),
		Message: "exit code 2\nsee \"log\"", Attempts: make([]record.AttemptRecord, 2), Artifacts: []record.Artifact{{Path: "chair.glb", Size: 1536}},
	}
}

func TestShippedBodiesAreWhatChatsTake(t *testing.T) {
	for _, name := range []string{"slack.json", "teams.json"} {
		tpl, err := callback.OpenTemplate("", name)
		require.NoError(t, err)
		s := callback.Sender{Template: tpl, Log: slog.New(slog.DiscardHandler)}
		for _, r := range []*record.Record{finished(), {ID: "job-8", Status: record.Succeeded}} {
			body, mediaType := s.Body(t.Context(), r)
			require.Equal(t, "application/json", mediaType)
			var v map[string]any
			require.NoError(t, json.Unmarshal(body, &v), "%s", body)
			require.NotContains(t, v, "data", "it is not the standard body")
			require.Contains(t, string(body), r.ID)
		}
		body, _ := s.Body(t.Context(), finished())
		require.Contains(t, string(body), `Chair \"oak\" <!channel>`)
		require.Contains(t, string(body), `exit code 2\nsee \"log\"`)
		require.Contains(t, string(body), "2 attempts · 1 m 15 s · job-7")
		require.Contains(t, string(body), "chair.glb (1.5 KiB)")
	}
	tpl, err := callback.OpenTemplate("", "slack.json")
	require.NoError(t, err)
	body, _ := (&callback.Sender{Template: tpl}).Body(t.Context(), finished())
	var v struct{ Text string }
	require.NoError(t, json.Unmarshal(body, &v))
	require.Equal(t, `Chair "oak" &lt;!channel&gt;: failed`, v.Text, "it calls nobody")
}

func TestABodyThatFailsIsTheStandardBody(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.json"), []byte(`{"a": {{ data.message }} {{ data.id }}}`), 0o600))
	tpl, err := callback.OpenTemplate(dir, "bad.json")
	require.NoError(t, err)
	var log strings.Builder
	s := callback.Sender{Template: tpl, Log: slog.New(slog.NewTextHandler(&log, nil))}
	body, mediaType := s.Body(t.Context(), finished())
	require.Equal(t, callback.Body(finished()), body)
	require.Equal(t, "application/json", mediaType)
	require.Contains(t, log.String(), "callback template failed")

	_, err = callback.OpenTemplate(dir, "nosuch.json")
	require.ErrorContains(t, err, "none of those built in: slack.json, teams.json")
}

func TestABodySaysWhatItIs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mail.txt"), []byte("{{ data.id }}: {{ data.status }}"), 0o600))
	tpl, err := callback.OpenTemplate(dir, "mail.txt")
	require.NoError(t, err)
	body, mediaType := (&callback.Sender{Template: tpl}).Body(t.Context(), finished())
	require.Equal(t, "job-7: FAILED", string(body))
	require.Equal(t, "text/plain; charset=utf-8", mediaType)
}

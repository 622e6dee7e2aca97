package callback_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

var ended = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func final() *record.Record {
	return &record.Record{
		ID: "j", Name: "gear", CID: "c-1", LinkID: "l-1", CustomerID: "cu-1", ExternalID: "e-1", Pipeline: "hello",
		Status: record.Succeeded, Phase: record.PhaseSucceeded, PodName: "pod-1", PercentComplete: 100,
		Started: ended.Add(-time.Minute), Finished: ended, Attempts: []record.AttemptRecord{{N: 1}},
		ArtifactPath: "artifacts/j/1/",
		Artifacts:    []record.Artifact{{Path: "a", Key: "artifacts/j/1/a", Size: 5, SHA256: "ab"}},
		Result:       map[string]any{"ok": true},
		Expire:       ended.Add(time.Hour),
	}
}

func TestTheBodyOfACallback(t *testing.T) {
	require.JSONEq(t, `{
		"type": "job.succeeded", "timestamp": "2026-03-14T12:00:00Z",
		"data": {
			"id": "j", "name": "gear", "cid": "c-1", "linkId": "l-1", "customerId": "cu-1", "externalId": "e-1",
			"pipeline": "hello", "status": "SUCCEEDED", "phase": "Succeeded", "podName": "pod-1",
			"startedAt": "2026-03-14T11:59:00Z", "finishedAt": "2026-03-14T12:00:00Z", "attempts": 1, "percentComplete": 100,
			"artifactPath": "artifacts/j/1/",
			"artifacts": [{"path": "a", "key": "artifacts/j/1/a", "size": 5, "sha256": "ab"}],
			"artifactsExpireAt": "2026-03-14T13:00:00Z",
			"result": {"ok": true}
		}}`, string(callback.Body(final())))
}

func TestTheTypeFollowsTheStatus(t *testing.T) {
	for status, want := range map[record.Status]callback.Type{
		record.Succeeded: "job.succeeded", record.Failed: "job.failed", record.Dead: "job.dead", record.Cancelled: "job.cancelled",
	} {
		r := final()
		r.Status = status
		var p callback.Payload
		require.NoError(t, json.Unmarshal(callback.Body(r), &p))
		require.Equal(t, want, p.Type)
	}
}

func TestTheBodyStaysBelowTwentyKilobytes(t *testing.T) {
	long := strings.Repeat("long ", 5000)
	const note = "left out because it is too long; the job's record has it: "
	for _, tt := range []struct {
		name  string
		grow  func(*record.Record)
		note  string
		check func(*testing.T, callback.Data)
	}{
		{"the result goes first", func(r *record.Record) { r.Result["x"] = long }, "result", func(t *testing.T, d callback.Data) {
			require.Len(t, d.Artifacts, 1)
		}},
		{"a result without a JSON form goes too", func(r *record.Record) { r.Result["x"] = math.NaN() }, "result", nil},
		{"then the lists", func(r *record.Record) {
			for range 1000 {
				r.Artifacts = append(r.Artifacts, record.Artifact{Path: "long/path/to/it", Key: "artifacts/j/1/long/path/to/it"})
			}
		}, "result, artifacts", nil},
		{"what was not there is not named", func(r *record.Record) {
			r.Result, r.Warnings = nil, []string{long}
		}, "artifacts, warnings", nil},
		{"then the texts", func(r *record.Record) {
			hostile := strings.Repeat("\x01", 1<<16)
			for _, s := range []*string{&r.Message, &r.Name, &r.Title, &r.CID, &r.LinkID, &r.CustomerID, &r.ExternalID, &r.Pipeline, &r.Digest, &r.PodName} {
				*s = hostile
			}
		}, "result, artifacts, the end of long texts", func(t *testing.T, d callback.Data) {
			require.Len(t, []rune(d.Message), 1000)
			require.True(t, strings.HasSuffix(d.Name, "…"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := final()
			tt.grow(r)
			body := callback.Body(r)
			require.Less(t, len(body), 20_000)
			require.Equal(t, body, callback.Body(r), "the same for the same record")
			var p callback.Payload
			require.NoError(t, json.Unmarshal(body, &p))
			require.Equal(t, note+tt.note, p.Data.Note)
			require.Equal(t, "j", p.Data.ID)
			if tt.check != nil {
				tt.check(t, p.Data)
			}
		})
	}
}

func TestTheIDOfAJobsCallback(t *testing.T) {
	require.Equal(t, "msg_job-1_A", callback.ID("job-1_A"))
	require.Regexp(t, `^msg_v1_2_[0-9a-f]{16}$`, callback.ID("v1.2"))
	require.NotEqual(t, callback.ID("a.b"), callback.ID("a:b"))
	require.Equal(t, callback.ID("a.b"), callback.ID("a.b"))
}

func TestABodyIsTheSameForARecordThatIsReadBack(t *testing.T) {
	store := newStore(t)
	b := record.New(store, time.Now)
	a, err := b.Claim(t.Context(), &job.Job{ID: "j", Title: "chair \xff"}, record.Claim{Worker: "w"})
	require.NoError(t, err)
	output := map[string]any{"id": int64(9007199254740993), "least": int64(math.MinInt64), "big": 1e21, "whole": 1e20, "half": 0.5, "zero": math.Copysign(0, -1)}
	committed, err := a.Commit(t.Context(), record.Outcome{Status: record.Succeeded, Run: &engine.Run{
		Result: map[string]any{"deep": []any{output}}, Tasks: []engine.TaskRun{{Output: output}}, Warnings: []string{"tool printed \xc3("},
	}})
	require.NoError(t, err)
	read, err := b.Final(t.Context(), "j")
	require.NoError(t, err)
	require.Equal(t, committed, read)
	require.Equal(t, output, read.Tasks[0].Output)
	require.Equal(t, string(callback.Body(committed)), string(callback.Body(read)))
	require.Contains(t, string(callback.Body(read)), `"id":9007199254740993`)
}

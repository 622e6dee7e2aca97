package callback

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// maxBody is the size that Standard Webhooks asks bodies to stay under, in bytes.
const maxBody = 20_000

// Type is what happened to the job.
type Type string

const (
	JobSucceeded Type = "job.succeeded"
	JobFailed    Type = "job.failed" // it can never pass
	JobDead      Type = "job.dead"   // its attempts are used up, or it was quarantined
	JobCancelled Type = "job.cancelled"
)

// A Payload is a callback's body.
type Payload struct {
	Type      Type      `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when the job ended, however late this is sent
	Data      Data      `json:"data"`
}

// Data is the part of a job's record that its receiver gets, under the names that it has there.
type Data struct {
	ID          string              `json:"id"`
	Name        string              `json:"name,omitzero"`
	Title       string              `json:"title,omitzero"`
	CID         string              `json:"cid,omitzero"`
	LinkID      string              `json:"linkId,omitzero"`
	CustomerID  string              `json:"customerId,omitzero"`
	ExternalID  string              `json:"externalId,omitzero"`
	Pipeline    string              `json:"pipeline,omitzero"`
	Digest      string              `json:"digest,omitzero"`
	Entry       string              `json:"entry,omitzero"`
	Status      record.Status       `json:"status"`
	Phase       record.Phase        `json:"phase"`
	Reason      engine.Reason       `json:"reason,omitzero"`
	Message     string              `json:"message,omitzero"`
	Enqueued    time.Time           `json:"enqueued,omitzero"`
	Started     time.Time           `json:"startedAt,omitzero"`
	Finished    time.Time           `json:"finishedAt,omitzero"`
	LatencyMs   int64               `json:"latencyMs,omitzero"`
	GPUSeconds  float64             `json:"gpuSeconds,omitzero"`
	PodName     string              `json:"podName,omitzero"`
	Attempts    int                 `json:"attempts"`
	Percent     int                 `json:"percentComplete"`
	Path        string              `json:"artifactPath,omitzero"`
	Artifacts   []record.Artifact   `json:"artifacts,omitzero"`
	Expire      time.Time           `json:"artifactsExpireAt,omitzero"`
	Report      string              `json:"report,omitzero"`
	Result      map[string]any      `json:"result,omitzero"`
	Warnings    []string            `json:"warnings,omitzero"`
	Diagnostics []record.Diagnostic `json:"diagnosticEvents,omitzero"`
	Note        string              `json:"note,omitzero"` // what was left out because it was too long
}

// Body is the callback of a final record: JSON of less than 20 kB, the same for the same record. What is too long is
// left out, the result first, then the lists, and Note says so; the record has all of it.
func Body(final *record.Record) []byte {
	p := payload(final)
	d := &p.Data
	var left []string
	for _, step := range []struct {
		what string
		long bool
		omit func()
	}{
		{"result", len(d.Result) > 0, func() { d.Result = nil }},
		{"artifacts", len(d.Artifacts) > 0, func() { d.Artifacts = nil }},
		{"warnings", len(d.Warnings) > 0, func() { d.Warnings = nil }},
		{"diagnosticEvents", len(d.Diagnostics) > 0, func() { d.Diagnostics = nil }},
		{"the end of long texts", true, func() { clipTexts(d) }},
	} {
		if body, err := json.Marshal(p); err == nil && len(body) < maxBody {
			return body
		}
		if !step.long {
			continue
		}
		step.omit()
		left = append(left, step.what)
		d.Note = "left out because it is too long; the job's record has it: " + strings.Join(left, ", ")
	}
	body, _ := json.Marshal(p) // what could fail, a result that has no JSON form, is left out by now
	return body
}

func payload(r *record.Record) Payload {
	return Payload{
		Type:      typeOf(r.Status),
		Timestamp: r.Finished,
		Data: Data{
			ID: r.ID, Name: r.Name, Title: r.Title, CID: r.CID,
			LinkID: r.LinkID, CustomerID: r.CustomerID, ExternalID: r.ExternalID,
			Pipeline: r.Pipeline, Digest: r.Digest, Entry: r.Entry,
			Status: r.Status, Phase: r.Phase, Reason: r.Reason, Message: r.Message,
			Enqueued: r.Enqueued, Started: r.Started, Finished: r.Finished,
			LatencyMs: r.LatencyMs, GPUSeconds: r.GPUSeconds,
			PodName: r.PodName, Attempts: r.Tried(), Percent: r.PercentComplete,
			Path: r.ArtifactPath, Artifacts: r.Artifacts, Expire: r.Expire, Report: r.Report, Result: r.Result,
			Warnings: r.Warnings, Diagnostics: r.Diagnostics,
		},
	}
}

func typeOf(s record.Status) Type {
	switch s {
	case record.Succeeded:
		return JobSucceeded
	case record.Dead:
		return JobDead
	case record.Cancelled:
		return JobCancelled
	default:
		return JobFailed
	}
}

// clipTexts bounds every text. A character takes at most six bytes of JSON, so all of them stay below maxBody.
func clipTexts(d *Data) {
	d.Message = clip(d.Message, 1000)
	for _, s := range []*string{
		&d.Name, &d.Title, &d.CID, &d.LinkID, &d.CustomerID, &d.ExternalID, &d.Pipeline, &d.Digest, &d.Entry, &d.PodName,
	} {
		*s = clip(*s, 150)
	}
}

func clip(s string, chars int) string {
	runes := []rune(s)
	if len(runes) <= chars {
		return s
	}
	return string(runes[:chars-1]) + "…"
}

// ID is the webhook-id of a job's callback: msg_ and the job's ID. It holds letters, digits, "_" and "-" only, as the
// signature demands of it; where that changes the ID, a hash of it is added.
func ID(jobID string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, jobID)
	if clean != jobID {
		sum := sha256.Sum256([]byte(jobID))
		clean += "_" + hex.EncodeToString(sum[:8])
	}
	return "msg_" + clean
}

package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/worker/queue"
)

// A canonical is a Job as a message has it: the one form that Encode writes.
type canonical struct {
	APIVersion  string            `json:"apiVersion"`
	Kind        string            `json:"kind"`
	ID          string            `json:"id,omitzero"`
	Name        string            `json:"name,omitzero"`
	Title       string            `json:"title,omitzero"`
	CID         string            `json:"cid,omitzero"`
	LinkID      string            `json:"linkId,omitzero"`
	Customer    string            `json:"customerId,omitzero"`
	External    string            `json:"externalId,omitzero"`
	Format      string            `json:"format,omitzero"`
	Pipeline    string            `json:"pipeline"`
	Version     string            `json:"version,omitzero"`
	Entry       string            `json:"entry,omitzero"`
	State       any               `json:"state,omitzero"`
	Callbacks   any               `json:"callbacks,omitzero"`
	Callback    *Callback         `json:"callback,omitzero"`
	MaxAttempts int               `json:"max_attempts,omitzero"`
	Deadline    string            `json:"deadline,omitzero"`
	KeepOutputs string            `json:"keep_outputs,omitzero"`
	Inputs      []Input           `json:"inputs,omitzero"`
	Requires    map[string]string `json:"requires,omitzero"`
	Priority    int               `json:"priority,omitzero"`
	Debug       bool              `json:"debug,omitzero"`
	DryRun      bool              `json:"dry_run,omitzero"`
}

// Encode returns the body of the message that asks for j and nothing else. One reads the same job of it, but for Enqueued
// and Forwarded, which the queue knows, and for ID where it is empty. A job that One would not take is an error.
func Encode(j *Job) ([]byte, error) {
	c := canonical{
		APIVersion: "v1", Kind: "Job", ID: j.ID, Name: j.Name, Title: j.Title, CID: j.CID, LinkID: j.LinkID, Customer: j.Customer,
		External: j.External, Pipeline: j.Pipeline, Version: j.Version, Entry: j.Entry, Callback: j.Callback, MaxAttempts: j.MaxAttempts,
		Deadline: durationText(j.Deadline), Inputs: j.Inputs, Requires: j.Requires, Priority: j.Priority, Debug: j.Debug, DryRun: j.DryRun,
	}
	if j.State != nil {
		c.State = nunjucks.WithOrder(exactly(j.State), j.StateOrder)
	}
	if j.Callbacks != nil {
		c.Callbacks = exactly(j.Callbacks)
	}
	if j.KeepOutputs != nil {
		c.KeepOutputs = j.KeepOutputs.String()
	}
	if j.Inline != nil {
		if !utf8.Valid(j.Inline) {
			return nil, errors.New("encode job: its pipeline is not UTF-8")
		}
		c.Pipeline, c.Format = string(j.Inline), "yaml"
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	body := bytes.ReplaceAll(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte{0x7f}, []byte(`\u007f`)) // no document may hold it as it is
	if _, err := One(queue.Message{ID: "new", Body: body}); err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	return body, nil
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// exactly returns v with whole floats that JSON would write as whole numbers as they are read again: 2.0.
func exactly(v any) any {
	switch v := v.(type) {
	case float64:
		if math.Trunc(v) == v && math.Abs(v) < 1<<63 {
			return json.Number(strconv.FormatFloat(v, 'f', 1, 64))
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = exactly(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = exactly(e)
		}
		return out
	}
	return v
}

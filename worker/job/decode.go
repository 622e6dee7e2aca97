package job

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// An Unrecognised message is none of the shapes that Decode takes. Its text is one sentence.
type Unrecognised struct {
	What   string   // what it is, where we know: "an S3 event"
	Keys   []string // its top-level keys, sorted; nil when it is no map
	Packed bool     // it may hold a job, once a worker has unpacked it
}

// S3TestEvent is the What of a message that S3 sends when a bucket's notifications are set up. It asks for nothing.
const S3TestEvent = "an S3 test event"

func (e *Unrecognised) Error() string {
	const shown = 20
	var quoted []string
	for _, k := range e.Keys[:min(len(e.Keys), shown)] {
		quoted = append(quoted, fmt.Sprintf("%q", shorten(k)))
	}
	if len(e.Keys) > shown {
		quoted = append(quoted, fmt.Sprintf("%d more", len(e.Keys)-shown))
	}
	keys := strings.Join(quoted, ", ")
	switch {
	case e.Packed:
		return fmt.Sprintf("the message is %s, which only a worker unpacks", e.What)
	case e.What != "" && keys != "":
		return fmt.Sprintf("the message is %s (it has %s), which this version does not take yet", e.What, keys)
	case e.What != "":
		return fmt.Sprintf("the message is %s, which this version does not take yet", e.What)
	case keys != "":
		return fmt.Sprintf(`the message is no job: it has %s, but neither "pipeline" nor "tasks"`, keys)
	}
	return `the message is no job: send {"pipeline": "name"}, a pipeline with tasks, or a line like "hello_world name=Ada"`
}

// Decode reads the job that a message asks for: a pipeline's name with state, or a pipeline itself, as JSON, YAML or a
// line of text. Its errors are permanent, one sentence each, and an *Unrecognised when the message is no job at all.
// It checks what surrounds an inline pipeline; the pipeline itself is for pipelines.Parse.
func Decode(m queue.Message) (*Job, error) {
	j, err := classify(m)
	if err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	f := forwardOf(m)
	j.ID = SafeID(cmp.Or(j.ID, f.ID, m.ID))
	j.Enqueued, j.Forwarded = m.Enqueued, f.Classes
	if !f.Enqueued.IsZero() {
		j.Enqueued = f.Enqueued
	}
	return j, nil
}

// classify asks each shape in turn; the first that knows the message decides.
func classify(m queue.Message) (*Job, error) {
	if what := carrier(m.Attributes); what != "" {
		return nil, &Unrecognised{What: what, Packed: true}
	}
	body := bytes.TrimPrefix(m.Body, []byte("\ufeff"))
	if err := checkText(body); err != nil {
		return nil, err
	}
	if j, err := fromLine(string(body)); j != nil || err != nil {
		return j, err
	}
	d, err := read(body)
	if err != nil {
		if j := fromTemplate(body); j != nil {
			return j, nil
		}
		return nil, err
	}
	if what := foreign(d); what != "" {
		return nil, &Unrecognised{What: what, Keys: d.keys(), Packed: what == pointer}
	}
	for _, shape := range []func(document, queue.Message) (*Job, error){fromAttributes, fromEnvelope, fromPipeline} {
		if j, err := shape(d, m); j != nil || err != nil {
			return j, err
		}
	}
	return nil, &Unrecognised{What: foreignJob(d), Keys: d.keys()}
}

// checkText refuses what no text format can hold.
func checkText(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New(`the message is empty: send {"pipeline": "name"} at least`)
	}
	if !utf8.Valid(body) {
		return errors.New("the message is not UTF-8: send JSON, YAML or plain text")
	}
	if i := bytes.IndexByte(body, 0); i >= 0 {
		return fmt.Errorf("the message has a NUL at byte %d: send JSON, YAML or plain text", i)
	}
	return nil
}

// shorten keeps what a producer wrote from flooding a sentence.
func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

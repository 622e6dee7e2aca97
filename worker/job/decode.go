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

// Decode reads what a message asks for: a pipeline's name with state, a pipeline itself, as JSON, YAML or a line of text, or
// one of the events that other systems send, in which either may stand. Its errors are permanent, one sentence each, and an
// *Unrecognised when the message is nothing of this. It checks what surrounds an inline pipeline; the pipeline itself is for
// pipelines.Parse.
func Decode(m queue.Message) (*Message, error) {
	d, err := classify(content{body: m.Body, attributes: m.Attributes})
	if err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	f := forwardOf(m)
	for _, j := range d.Jobs {
		if len(d.Jobs) == 1 && j.ID == "" && f.ID != "" {
			j.ID = SafeID(f.ID) // renewed before it was sent on
		} else {
			j.ID = SafeID(cmp.Or(j.ID, m.ID))
			j.Renew(m.Attributes)
		}
		j.Enqueued, j.Forwarded = m.Enqueued, f.Classes
		if !f.Enqueued.IsZero() {
			j.Enqueued = f.Enqueued
		}
	}
	return d, nil
}

// A content is what a message holds, or what one of the wrappers in it does.
type content struct {
	body       []byte
	attributes map[string]string
	in         string      // what wraps it, for people; empty where nothing does
	id         string      // of its job, by what wraps it
	event      *cloudEvent // whose data it is; nil where it is none's
	depth      int         // how many wrappers there are around it
}

// maxDepth is how many wrappers may be around each other.
const maxDepth = 3

// A shape is one kind of message. It returns nil, nil for what is of another kind.
type shape func(document, content) (*Message, error)

// shapes are all kinds of maps and lists. The first that knows the message decides.
func shapes() []shape {
	return []shape{
		fromTestEvent, fromSNS, fromCloudEvent, fromCloudEvents, fromEventBridge, fromS3, fromCOS, fromObject, fromForeign,
		fromAttributes, fromEnvelope, fromPipeline, fromVideoGenie,
	}
}

func classify(c content) (*Message, error) {
	if what := carrier(c.attributes); what != "" {
		return nil, c.packed(what)
	}
	if e, err := binaryEvent(c); e != nil || err != nil {
		return e.message(c, err)
	}
	body := bytes.TrimPrefix(c.body, []byte("\ufeff"))
	if err := checkText(body); err != nil {
		return nil, err
	}
	if j, err := fromLine(string(body)); j != nil || err != nil {
		return c.asks(j, err)
	}
	d, err := read(body)
	if err != nil {
		if j := fromTemplate(body); j != nil {
			return c.asks(j, nil)
		}
		return nil, err
	}
	for _, from := range shapes() {
		if found, err := from(d, c); found != nil || err != nil {
			return found, err
		}
	}
	return nil, &Unrecognised{Keys: d.keys()}
}

// asks is a content that asks for one job.
func (c content) asks(j *Job, err error) (*Message, error) {
	if err != nil || j == nil {
		return nil, err
	}
	j.ID = cmp.Or(j.ID, c.id)
	return &Message{Jobs: []*Job{j}}, nil
}

// within classifies what c wraps, which inner is but for its depth.
func (c content) within(inner content) (*Message, error) {
	inner.depth, inner.id = c.depth+1, cmp.Or(inner.id, c.id)
	if inner.depth > maxDepth {
		return nil, fmt.Errorf("the message is wrapped more than %d times: send what is in %s itself", maxDepth, inner.in)
	}
	m, err := classify(inner)
	if err != nil {
		return nil, fmt.Errorf("in %s: %w", inner.in, err)
	}
	return m, nil
}

// packed refuses what only a worker unpacks, and that only where nothing is around it.
func (c content) packed(what string) error {
	if c.depth > 0 {
		return fmt.Errorf("this is %s: only a message itself may be packed", what)
	}
	return &Unrecognised{What: what, Packed: true}
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

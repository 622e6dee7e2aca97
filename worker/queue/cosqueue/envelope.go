package cosqueue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/worker/queue"
)

const (
	maxBody       = 1 << 20
	maxAttributes = 10
	maxNotes      = 256 << 10 // bytes of attributes and group
	// maxObject is the longest message of ours, dead ones included: a body in base64 or escaped, attributes, a reason.
	maxObject = 4 << 20
	// maxDelay is the longest delay, and the longest that a lease is believed to last.
	maxDelay = 7 * 24 * time.Hour
)

// mark is how the object of a message of ours begins. Everything else is a body.
const mark = `{"millrace":"message/1"`

// An envelope is the object of a message.
type envelope struct {
	Millrace   string            `json:"millrace"`
	ID         string            `json:"id,omitempty"` // of a dead one
	Enqueued   time.Time         `json:"enqueued"`
	Group      string            `json:"group,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Text       string            `json:"body,omitempty"`
	Bytes      []byte            `json:"body_base64,omitempty"` // in place of a Text that JSON can't hold, or not shortly

	Deliveries int       `json:"deliveries,omitempty"` // of a dead one, as what follows
	Reason     string    `json:"reason,omitempty"`
	Buried     time.Time `json:"buried,omitzero"`
}

func (e *envelope) body() []byte {
	if e.Text != "" {
		return []byte(e.Text)
	}
	return append([]byte{}, e.Bytes...)
}

func (e *envelope) setBody(b []byte) {
	plain := func(r rune) bool { return r >= ' ' || r == '\n' || r == '\t' || r == '\r' }
	e.Text, e.Bytes = "", nil
	if utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return !plain(r) || r == unicode.ReplacementChar }) < 0 {
		e.Text = string(b)
		return
	}
	e.Bytes = b
}

func (e *envelope) encode() ([]byte, error) {
	e.Millrace = "message/1"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// open reads an object below jobs/ or dead/. One that is not of ours is a body.
func open(b []byte, o object) envelope {
	var e envelope
	if bytes.HasPrefix(b, []byte(mark)) && json.Unmarshal(b, &e) == nil &&
		check(queue.Draft{Body: e.body(), Attributes: e.Attributes, Group: e.Group}) == nil {
		return e
	}
	e = envelope{Enqueued: o.modified}
	e.setBody(b)
	return e
}

// check says what is wrong with a draft.
func check(d queue.Draft) error {
	notes := len(d.Group)
	for k, v := range d.Attributes {
		notes += len(k) + len(v)
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return fmt.Errorf("message attribute %q is not UTF-8", clip(strings.ToValidUTF8(k, "?"), 80))
		}
	}
	switch {
	case len(d.Body) > maxBody:
		return fmt.Errorf("message body has %d bytes, the queue takes at most %d: put the input into the store and send its key",
			len(d.Body), maxBody)
	case len(d.Attributes) > maxAttributes:
		return fmt.Errorf("message has %d attributes, the queue takes at most %d", len(d.Attributes), maxAttributes)
	case notes > maxNotes:
		return fmt.Errorf("message attributes have %d bytes, the queue takes at most %d", notes, maxNotes)
	case !utf8.ValidString(d.Group):
		return fmt.Errorf("message group is not UTF-8")
	case d.Delay < 0, d.Delay > maxDelay:
		return fmt.Errorf("message delay %s is not between 0 and %s", d.Delay, maxDelay)
	}
	return nil
}

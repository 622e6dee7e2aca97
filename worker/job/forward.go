package job

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

const (
	// forwardAttribute says what a message was before it was sent on: its new message has another ID and another age. What
	// begins with "millrace." is the drivers' own.
	forwardAttribute = "job.forward"
	maxForward       = 1 << 10 // bytes of it
	maxAttributes    = 10      // of a message
)

type forward struct {
	ID       string    `json:"id"` // of the job
	Enqueued time.Time `json:"enqueued,omitzero"`
	Classes  []string  `json:"classes"` // that it was sent on to, in order
}

// Forward makes the message that takes m's place in the queue of another class of workers. Decode reads the same job of
// it: the same ID, age and group. ok is false when m has no room for one more attribute.
func (j *Job) Forward(m queue.Message, class string) (d queue.Draft, ok bool) {
	b, err := json.Marshal(forward{ID: j.ID, Enqueued: j.Enqueued, Classes: append(slices.Clone(j.Forwarded), class)})
	if err != nil || len(b) > maxForward {
		return d, false
	}
	attributes := maps.Clone(m.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes[forwardAttribute] = string(b)
	return queue.Draft{Body: m.Body, Attributes: attributes, Group: m.Group, Key: j.ID}, len(attributes) <= maxAttributes
}

// ForgetForward takes out of a message's attributes what it was before it was sent on: it is a new job's then, where its body
// does not name one.
func ForgetForward(attributes map[string]string) { delete(attributes, forwardAttribute) }

// forwardOf reads what Forward wrote. Anybody may have: what is malformed or impossible counts for nothing.
func forwardOf(m queue.Message) forward {
	var f forward
	text := m.Attributes[forwardAttribute]
	if text == "" || len(text) > maxForward || json.Unmarshal([]byte(text), &f) != nil {
		return forward{}
	}
	if f.Enqueued.Year() < 2000 || !m.Enqueued.IsZero() && f.Enqueued.After(m.Enqueued) {
		f.Enqueued = time.Time{}
	}
	return f
}

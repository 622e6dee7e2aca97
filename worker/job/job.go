// Package job is what a message asks for.
package job

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// A Job is one decoded message. Its JSON form is what a child gets on stdin.
type Job struct {
	ID         string          `json:"id"`             // idempotency key, else the broker's message ID; safe in paths and keys
	Name       string          `json:"name,omitzero"`  // for people
	Title      string          `json:"title,omitzero"` // correlation fields are carried into logs, callbacks and records
	CID        string          `json:"cid,omitzero"`
	LinkID     string          `json:"link_id,omitzero"`
	Customer   string          `json:"customer_id,omitzero"`
	External   string          `json:"external_id,omitzero"`
	Pipeline   string          `json:"pipeline,omitzero"`    // name in the catalogue; empty with Inline
	Version    string          `json:"version,omitzero"`     // digest that the pipeline must have, "sha256:…"; empty is any
	Entry      string          `json:"entry,omitzero"`       // of the pipeline's entries; empty is its own tasks
	Inline     []byte          `json:"inline,omitzero"`      // the document itself, YAML or JSON
	State      map[string]any  `json:"state,omitzero"`       // laid over the document's, shallow; data, never rendered
	StateOrder *nunjucks.Order `json:"state_order,omitzero"` // of State
	// Callbacks are appended to the pipeline's own; a document fragment, event → list, as the message had it.
	Callbacks   map[string]any `json:"callbacks,omitzero"`
	Callback    *Callback      `json:"callback,omitzero"` // the completion callback
	MaxAttempts int            `json:"max_attempts,omitzero"`
	Deadline    time.Duration  `json:"deadline,omitzero"`
	// KeepOutputs is how long its outputs are kept from its end on, at most MaxKeep; nil is for as long as the operator says.
	KeepOutputs *time.Duration `json:"keep_outputs,omitzero"`
	// Inputs are files of the store that its workspace has before its first task.
	Inputs []Input `json:"inputs,omitzero"`
	// Requires are the labels that a worker must have: name → value. "class" among them names the class of worker.
	Requires map[string]string `json:"requires,omitzero"`
	// Priority is 0 to 9, as the producer says. It tells people; the order of work is that of the queues it was sent to.
	Priority  int       `json:"priority,omitzero"`
	Debug     bool      `json:"debug,omitzero"`
	DryRun    bool      `json:"dry_run,omitzero"`
	Enqueued  time.Time `json:"enqueued,omitzero"`
	Before    []string  `json:"-"` // the IDs that it had before its message was sent again, see MarkAgain
	Forwarded []string  `json:"-"` // the classes of workers that it was sent on to, see Forward
}

// A Callback is where the worker posts a job's outcome.
type Callback struct {
	URL string `json:"url"`
}

// An Input is a file that was uploaded for a job.
type Input struct {
	Key    string `json:"key"`             // in the store, below Uploads
	Name   string `json:"name"`            // in the workspace: a local path, slashes between its parts
	Unpack bool   `json:"unpack,omitzero"` // it is an archive, whose files are wanted in the folder Name
}

// Uploads is the prefix of all that was uploaded for jobs, in the store. An Input lies nowhere else.
const Uploads = "uploads/"

// UnmarshalJSON reads a Job back. Whole numbers in it are int64, as Decode made them, where they fit.
func (j *Job) UnmarshalJSON(b []byte) error {
	type plain Job // without this method
	return modules.UnmarshalJSON(b, (*plain)(j))
}

// MaxKeep is the longest that a message may have outputs kept.
const MaxKeep = 365 * 24 * time.Hour

// maxID is how long a job's ID may be, in bytes.
const maxID = 128

// SafeID returns id when it can stand in paths and keys: letters, digits, ".", "_" and "-", a letter or digit first,
// at most 128 bytes. For any other it returns a digest of it that can, always the same one.
func SafeID(id string) string {
	if isSafe(id) {
		return id
	}
	return digest(id)
}

// IsName says whether text can be a customer's name, which the IDs of its jobs begin with, or another part of an ID: 1 to 40 of
// a-z, 0-9 and -, a letter or digit first.
func IsName(text string) bool {
	const most = 40
	return text != "" && len(text) <= most && text[0] != '-' && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// digestID makes an ID of texts that are one only together.
func digestID(parts ...string) string { return digest(fmt.Sprintf("%q", parts)) }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "h-" + hex.EncodeToString(sum[:16])
}

func isSafe(id string) bool {
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

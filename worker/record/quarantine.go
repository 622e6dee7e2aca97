package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines/engine"
)

// ReasonQuarantine is why a job is DEAD that no worker runs any more, though it may have attempts left.
const ReasonQuarantine engine.Reason = "quarantine"

const (
	maxPayloadBytes  = 1 << 20 // of a message's body, and of a pipeline, in a Quarantine
	maxCrumbSentence = 2 << 10
)

// A Quarantine is what a person needs to find out why a job takes down what runs it. It is created once, before the final
// record that names it. Payload and Attributes are the message's own, as the dead-letter queue has them: unlike records
// they may hold secrets.
type Quarantine struct {
	ID            string            `json:"id"` // of the job
	Time          time.Time         `json:"time"`
	Reason        string            `json:"reason"` // a sentence
	MessageID     string            `json:"messageId"`
	Delivery      int               `json:"delivery"`               // the broker's count
	Payload       string            `json:"payload,omitzero"`       // the message's body, at most 1 MiB of it
	PayloadBase64 []byte            `json:"payloadBase64,omitzero"` // in place of Payload, of a body that is no UTF-8
	Truncated     bool              `json:"truncated,omitzero"`     // the payload or the document is longer than stands here
	Attributes    map[string]string `json:"attributes,omitzero"`
	Pipeline      string            `json:"pipeline,omitzero"`
	Digest        string            `json:"digest,omitzero"`
	Document      string            `json:"document,omitzero"` // the pipeline's text, at most 1 MiB of it
	Attempts      []AttemptRecord   `json:"attempts"`
	Log           []Diagnostic      `json:"log,omitzero"` // the last lines of the newest attempt that left any, redacted
	Machine       Machine           `json:"machine"`      // that found the job out
}

// A Machine is where a worker runs, as far as it can say.
type Machine struct {
	Host        string `json:"host,omitzero"`
	OS          string `json:"os,omitzero"` // and architecture: linux/amd64
	Kernel      string `json:"kernel,omitzero"`
	CPUs        int    `json:"cpus,omitzero"`
	MemoryBytes int64  `json:"memoryBytes,omitzero"`
	LimitBytes  int64  `json:"limitBytes,omitzero"`    // memory of the worker's control group; 0 is no limit
	JobBytes    int64  `json:"jobBytes,omitzero"`      // memory that one job may use
	FreeBytes   int64  `json:"freeDiskBytes,omitzero"` // where jobs have their folders
	Version     string `json:"version,omitzero"`       // of the worker
	Isolation   string `json:"isolation,omitzero"`
	Confined    bool   `json:"confined"` // jobs are confined as far as the kernel can
}

// SetPayload puts a message's body in, and SetDocument a pipeline's text: as much of either as a Quarantine takes.
func (q *Quarantine) SetPayload(body []byte) {
	body = q.cut(body)
	if utf8.Valid(body) {
		q.Payload = string(body)
		return
	}
	q.PayloadBase64 = slices.Clone(body)
}

// SetDocument is described at SetPayload.
func (q *Quarantine) SetDocument(doc []byte) { q.Document = string(q.cut(doc)) }

// cut returns the first maxPayloadBytes of b, without the piece of a character at their end.
func (q *Quarantine) cut(b []byte) []byte {
	if len(b) <= maxPayloadBytes {
		return b
	}
	q.Truncated = true
	n := maxPayloadBytes
	for n > maxPayloadBytes-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// Quarantine returns what was kept of a job that was quarantined, or ErrNotFound.
func (b *Book) Quarantine(ctx context.Context, id string) (*Quarantine, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	q := new(Quarantine)
	err := b.readJSON(ctx, quarantineKey(id), q)
	if errors.Is(err, blob.ErrNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read quarantine of job %s: %w", id, err)
	}
	return q, nil
}

// quarantine creates what o.Quarantine holds, with what r knows of the job, and has r name it.
func (a *Attempt) quarantine(ctx context.Context, r *Record, o Outcome) error {
	if o.Quarantine == nil {
		return nil
	}
	q := *o.Quarantine
	q.ID, q.Time, q.Attempts = r.ID, r.Updated, r.Attempts
	q.Pipeline, q.Digest = r.Pipeline, r.Digest
	if o.Failure != nil {
		q.Reason = o.Failure.Message
	}
	q.Log = a.tail(ctx)
	if err := a.book.createJSON(ctx, quarantineKey(r.ID), &q); err != nil {
		return fmt.Errorf("quarantine job %s: %w", r.ID, err)
	}
	r.Quarantine, r.Reason = quarantineKey(r.ID), ReasonQuarantine
	return nil
}

// tail is the last lines of this attempt's log, else those of the newest chunk that an earlier one left. A store that does
// not tell them is no reason to keep the job.
func (a *Attempt) tail(ctx context.Context) []Diagnostic {
	var t trail
	if a.log != nil {
		a.log.mu.Lock()
		t.lines = slices.Clone(a.log.trail.lines)
		a.log.mu.Unlock()
	}
	if len(t.lines) > 0 {
		return t.lines
	}
	f, err := a.book.folder(ctx, a.claimed.ID)
	if err != nil || len(f.logs) == 0 {
		return nil
	}
	see := func(ev LogEvent, _ error) bool {
		t.see(ev.Event)
		return true
	}
	newest := tailer{book: a.book, id: a.claimed.ID, yield: see}
	_ = newest.chunk(ctx, f.logs[len(f.logs)-1]) // what it read is what there is
	return t.lines
}

// A Crumb is a word about a job that is about to take its process down, or just has, left in case its worker goes too: a
// claim without an end counts as a failure of the job where there is one, and as a dead worker's otherwise.
type Crumb struct {
	Time    time.Time     `json:"time"`
	Reason  engine.Reason `json:"reason"` // engine.OOM or engine.Crash
	Message string        `json:"message"`
}

// Blame leaves a Crumb of this attempt. The first one stands, and the attempt's end or the final outweighs it.
func (a *Attempt) Blame(ctx context.Context, f engine.Failure) error {
	c := Crumb{Time: a.book.now(), Reason: f.Reason, Message: lastChars(f.Message, maxCrumbSentence)}
	if err := a.book.createJSON(ctx, crumbKey(a.claimed.ID, a.N), c); err != nil {
		return fmt.Errorf("blame attempt %d of job %s: %w", a.N, a.claimed.ID, err)
	}
	return nil
}

// bereave makes r, the claim of an attempt that never ended, tell how it did: by its crumb, or with its worker.
func (b *Book) bereave(ctx context.Context, r *Record, crumbs bool) error {
	last := r.last()
	if !crumbs {
		last.Status = AttemptDied
		return nil
	}
	c := new(Crumb)
	if err := b.readJSON(ctx, crumbKey(r.ID, last.N), c); err != nil {
		return err
	}
	last.Status, last.Reason, last.Ended = AttemptFailed, c.Reason, c.Time
	last.Failure = &engine.Failure{Reason: c.Reason, Message: c.Message + "; its worker died too"}
	return nil
}

// A History is how many of a job's earlier attempts ended how.
type History struct {
	Failed       int // they count against the job
	Crashed      int // of Failed: they took down the process that ran them
	Hoarded      int // of Crashed: by the memory that they used
	HoardedAlone int // of Hoarded: they had their worker to themselves
	Interrupted  int
	Bounced      int // of Interrupted: their machine could not run them, and they had begun by then
	Crowded      int // of Interrupted: they needed more memory than a slot has, and no more than the worker
	Died         int // they never ended, and nothing says that the job was to blame
	DiedAlone    int // of Died: they had their worker to themselves
	// GPUsLost are the hosts of those of Interrupted under which a GPU failed, each once.
	GPUsLost []string
}

// count adds up how attempts ended, of which no record may be running.
func (r *Record) count() History {
	var gone Folded // and those that are listed still
	if r.Folded != nil {
		gone = *r.Folded
	}
	var h History
	for _, a := range r.Attempts {
		switch a.Status {
		case AttemptFailed:
			h.Failed++
			if Crashed(a.Reason) {
				h.Crashed++
			}
			if a.Reason == engine.OOM {
				h.Hoarded++
				if a.Alone {
					h.HoardedAlone++
				}
			}
		case AttemptDied:
			h.Died++
			if a.Alone {
				h.DiedAlone++
			}
		default:
			gone.add(a)
		}
	}
	h.Interrupted, h.Bounced, h.Crowded, h.GPUsLost = gone.Interrupted, gone.Bounced, gone.Crowded, gone.GPUsLost
	return h
}

// bounced says whether a machine could not go on with an attempt that had begun, and not for what other jobs had of it.
func (a *AttemptRecord) bounced() bool {
	return a.Reason == engine.Unfit && a.Begun && (a.Failure == nil || !a.Failure.Busy)
}

// crowded says whether an attempt needed more memory than a slot has, and no more than its worker.
func (a *AttemptRecord) crowded() bool {
	return a.Reason == engine.Unfit && a.Failure != nil && a.Failure.Alone
}

// fitTime is how long an attempt may take that finds its machine unfit before it begins.
const fitTime = time.Minute

// begun says whether the newest attempt has cost more than a look at its machine. What tasks it ran its process has told, which
// may not be true, so the time that it took counts too.
func (r *Record) begun() bool {
	last := r.last()
	return len(r.Tasks) > 0 || last.Ended.Sub(last.Started) > fitTime
}

// Crashed says whether an attempt that ended for this reason took down the process that ran it.
func Crashed(r engine.Reason) bool { return r == engine.Crash || r == engine.OOM }

// Alone says whether this attempt has its worker to itself.
func (a *Attempt) Alone() bool { return a.claimed.last().Alone }

// Earlier are the attempts before this one, the oldest first.
func (a *Attempt) Earlier() []AttemptRecord {
	return slices.Clone(a.claimed.Attempts[:len(a.claimed.Attempts)-1])
}

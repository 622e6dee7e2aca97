package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

const (
	duePrefix       = "outbox/due/"
	claimPrefix     = "outbox/claims/"
	exhaustedPrefix = "outbox/exhausted/"
	gonePrefix      = "outbox/gone/"
	dueFormat       = "20060102T150405Z"
	// maxEntryBytes is the largest entry of the outbox that is read.
	maxEntryBytes = 128 << 10
	// claimWindow is how long a claim of a due callback keeps others away.
	claimWindow = 5 * time.Minute
)

// ClaimedFor is how long whoever called ClaimDue may deal with the callback. After that it may be another's.
const ClaimedFor = time.Minute

// ErrNotExhausted says that no callback of the job was given up.
var ErrNotExhausted = errors.New("no callback of this job was given up")

// An Entry is a callback in the outbox: one that waits for its next try, or one that was given up.
type Entry struct {
	Job    string    `json:"job"`
	URL    string    `json:"url"`             // may hold a token: it is for sending, and shown nowhere
	Round  int       `json:"round"`           // rounds of tries that have failed, as in Owed
	Replay bool      `json:"replay,omitzero"` // somebody asked for it after it was given up
	Tries  int       `json:"tries"`           // so far
	First  time.Time `json:"first"`           // when it was due first: the end of the job
	Due    time.Time `json:"due"`             // in whole seconds; not set once it is given up
	Error  string    `json:"error"`           // of the last try
}

// Owe writes that e's callback did not get through: first the word on it in the job's folder, then the entry in the
// outbox that is due at o.Next. Nobody needs the message after that. Of several that write the same round the first
// decides; doing so again changes nothing, and finishes what a crash left half done.
func (b *Book) Owe(ctx context.Context, e Entry, o Owed) error {
	if err := b.owe(ctx, e, o); err != nil {
		return fmt.Errorf("put the callback of job %s into the outbox: %w", e.Job, err)
	}
	return nil
}

func (b *Book) owe(ctx context.Context, e Entry, o Owed) error {
	o, err := createOrRead(ctx, b, owedKey(e.Job, o.Round), o)
	if err != nil {
		return err
	}
	e.Round, e.Tries, e.Error, e.Due = o.Round, o.Tries, o.Error, o.Next
	return b.putDue(ctx, e)
}

func (b *Book) putDue(ctx context.Context, e Entry) error {
	e.Due = wholeSecond(e.Due)
	return b.createJSON(ctx, duePrefix+e.Due.Format(dueFormat)+"-"+e.Job, e)
}

// wholeSecond rounds up, so that nothing is due before its time.
func wholeSecond(t time.Time) time.Time {
	return t.UTC().Add(time.Second - 1).Truncate(time.Second)
}

// parseDue undoes the name of a due entry. It returns false for what is none.
func parseDue(name string) (due time.Time, job string, ok bool) {
	at, job, _ := strings.Cut(name, "-")
	due, err := time.Parse(dueFormat, at)
	return due, job, err == nil && checkID(job) == nil
}

// Due yields the names of the entries that are due, and were not before since, the oldest first. It reads no entry.
func (b *Book) Due(ctx context.Context, since time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		now := b.now()
		after := ""
		if !since.IsZero() {
			after = duePrefix + since.UTC().Format(dueFormat)
		}
		for in, err := range b.store.List(ctx, duePrefix, after) {
			if err != nil {
				yield("", fmt.Errorf("list the outbox: %w", err))
				return
			}
			name := strings.TrimPrefix(in.Key, duePrefix)
			due, _, ok := parseDue(name)
			if !ok {
				continue
			}
			if due.After(now) || !yield(name, nil) {
				return
			}
		}
	}
}

// ReadDue reads a due entry without claiming it. It returns nil when it is gone; an error that is permanent says that it
// is damaged.
func (b *Book) ReadDue(ctx context.Context, name string) (*Entry, error) {
	e, err := b.entry(ctx, duePrefix+name)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, job, ok := parseDue(name); !ok || e.Job != job {
		return nil, damagedEntry(duePrefix+name, errors.New("it names another job"))
	}
	return e, nil
}

// ClaimDue claims a due entry for ClaimedFor from now and reads it. It returns nil when the entry is another's, or gone.
// Time since the entry was due is cut into windows of five minutes; whoever creates the object of the window has it, so
// what a claimer that died left is the next window's. Where clocks differ two may have it, and the receiver gets it twice.
func (b *Book) ClaimDue(ctx context.Context, name string) (*Entry, error) {
	e, err := b.claimDue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("claim callback %s: %w", name, err)
	}
	return e, nil
}

func (b *Book) claimDue(ctx context.Context, name string) (*Entry, error) {
	due, _, ok := parseDue(name)
	now := b.now()
	if !ok || now.Before(due) {
		return nil, nil
	}
	first, last := int64(now.Sub(due)/claimWindow), int64(now.Add(ClaimedFor).Sub(due)/claimWindow)
	for window := first; window <= last; window++ {
		err := b.store.Create(ctx, claimKey(name, window), []byte(now.Format(time.RFC3339)))
		if errors.Is(err, blob.ErrExists) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	e, err := b.ReadDue(ctx, name)
	if err != nil {
		return nil, err
	}
	if e == nil { // another was done with it just now
		return nil, b.removeClaims(ctx, name, math.MaxInt64)
	}
	if first > 0 { // those of claimers that died, or could not do it
		err = b.removeClaims(ctx, name, first)
	}
	return e, err
}

// RemoveDue removes an entry that has been dealt with, and who claimed it.
func (b *Book) RemoveDue(ctx context.Context, name string) error {
	err := b.removeClaims(ctx, name, math.MaxInt64) // the entry goes last: what a crash leaves, it leads to
	if err == nil {
		err = b.store.Delete(ctx, duePrefix+name)
	}
	if err != nil {
		return fmt.Errorf("remove callback %s from the outbox: %w", name, err)
	}
	return nil
}

func claimKey(name string, window int64) string {
	return claimPrefix + name + "." + strconv.FormatInt(window, 10)
}

// removeClaims removes the claims of the windows before the given one.
func (b *Book) removeClaims(ctx context.Context, name string, before int64) error {
	prefix := claimPrefix + name + "."
	for in, err := range b.store.List(ctx, prefix, "") {
		if err != nil {
			return err
		}
		// One that is no number is of a job whose ID begins with this one's.
		if n, err := strconv.ParseUint(strings.TrimPrefix(in.Key, prefix), 10, 63); err != nil || int64(n) >= before {
			continue
		}
		if err := b.store.Delete(ctx, in.Key); err != nil {
			return err
		}
	}
	return nil
}

// Outbox yields the callbacks that wait for their next try, the one due first before the others. One that can't be
// read is yielded as its job and the error, and the listing goes on; an error without a job ends it.
func (b *Book) Outbox(ctx context.Context) iter.Seq2[Entry, error] { return b.entries(ctx, duePrefix) }

// Exhausted yields the callbacks that were given up and can be replayed, as Outbox does, by the job's ID.
func (b *Book) Exhausted(ctx context.Context) iter.Seq2[Entry, error] {
	return b.entries(ctx, exhaustedPrefix)
}

func (b *Book) entries(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for in, err := range b.store.List(ctx, prefix, "") {
			if err != nil {
				yield(Entry{}, fmt.Errorf("list the outbox: %w", err))
				return
			}
			e, err := b.entry(ctx, in.Key)
			if errors.Is(err, blob.ErrNotFound) { // done meanwhile
				continue
			}
			if err != nil {
				e = &Entry{Job: strings.TrimPrefix(in.Key, prefix)}
				if _, job, ok := parseDue(e.Job); ok && prefix == duePrefix {
					e.Job = job
				}
			}
			if !yield(*e, err) {
				return
			}
		}
	}
}

func (b *Book) entry(ctx context.Context, key string) (*Entry, error) {
	body, err := blob.ReadAll(ctx, b.store, key, maxEntryBytes)
	if errors.Is(err, blob.ErrTooLarge) {
		return nil, damagedEntry(key, err)
	}
	if err != nil {
		return nil, err
	}
	e := new(Entry)
	if err := json.Unmarshal(body, e); err != nil {
		return nil, damagedEntry(key, err)
	}
	return e, nil
}

func damagedEntry(key string, err error) error {
	return fault.As(fault.Permanent, fmt.Errorf("the outbox entry %s is damaged: %w; remove it, and tell the receiver another way", key, err))
}

package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

var (
	// ErrNotFound says that the store knows nothing of the job. It may still wait in the queue.
	ErrNotFound = errors.New("no record of this job")
	// ErrSuperseded says that another attempt has ended the job.
	ErrSuperseded = errors.New("job ended by another attempt")
)

// A FinalError says that the job is over. Final is how, with the callback's delivery if there was one.
type FinalError struct{ Final *Record }

func (e *FinalError) Error() string {
	return fmt.Sprintf("job %s is over: %s", e.Final.ID, e.Final.Status)
}

// A DamagedError says that what a store holds is not what was written there, or that no store can hold what was to be
// written: no retry and no other worker can do better.
type DamagedError struct{ text string }

func (e *DamagedError) Error() string { return e.text }

func damaged(format string, args ...any) error {
	return fault.As(fault.Permanent, &DamagedError{fmt.Sprintf(format, args...)})
}

// maxRecordBytes is the largest record that is read.
const maxRecordBytes = 64 << 20

// A Book writes and reads the records of all jobs in one store. It may be used from several goroutines, and any
// number of Books in any number of processes may share a store.
type Book struct {
	store blob.Store
	now   func() time.Time

	mu   sync.Mutex
	kept map[string]time.Time // when documents were last seen to stand, by key; guarded by mu
}

// New returns the Book of a store. now is the clock; every time in a record comes from it, in UTC.
func New(store blob.Store, now func() time.Time) *Book {
	return &Book{store: store, now: func() time.Time { return now().UTC() }, kept: map[string]time.Time{}}
}

// create puts r under a key that is free, durably, and returns it as it reads back. When r's owner has done so before it
// returns what stands there; when somebody else has it returns theirs and blob.ErrExists.
func (b *Book) create(ctx context.Context, key string, r *Record) (*Record, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	r = new(Record)
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	err = b.store.Create(ctx, key, body)
	if err == nil {
		return r, nil
	}
	standing, readErr := b.read(ctx, key)
	switch {
	case readErr == nil:
	case errors.Is(err, blob.ErrExists):
		return nil, readErr
	default:
		return nil, err
	}
	// The fate of a create that did not say ErrExists was unknown until now. It is asked again, because only that
	// answer makes what stands there durable.
	if !errors.Is(err, blob.ErrExists) {
		if err := b.store.Create(ctx, key, body); err != nil && !errors.Is(err, blob.ErrExists) {
			return nil, err
		}
	}
	if standing.Owner == r.Owner {
		return standing, nil
	}
	return standing, blob.ErrExists
}

func (b *Book) read(ctx context.Context, key string) (*Record, error) {
	r := new(Record)
	return r, b.readJSON(ctx, key, r)
}

func (b *Book) readJSON(ctx context.Context, key string, v any) error {
	body, err := blob.ReadAll(ctx, b.store, key, maxRecordBytes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return damaged("the record %s is damaged: %v; remove it to have the job run again", key, err)
	}
	return nil
}

// createJSON creates a small object that many may want to create; the first stands.
func (b *Book) createJSON(ctx context.Context, key string, v any) error {
	if err := b.tryJSON(ctx, key, v); !errors.Is(err, blob.ErrExists) {
		return err
	}
	return nil
}

// createOrRead creates a small object that many may want to create, and returns the one that stands.
func createOrRead[T any](ctx context.Context, b *Book, key string, v T) (T, error) {
	if err := b.tryJSON(ctx, key, v); !errors.Is(err, blob.ErrExists) {
		return v, err
	}
	var standing T
	err := b.readJSON(ctx, key, &standing)
	return standing, err
}

func (b *Book) tryJSON(ctx context.Context, key string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	return b.store.Create(ctx, key, body)
}

// final returns how the job ended, with its callback's delivery, or blob.ErrNotFound.
func (b *Book) final(ctx context.Context, id string) (*Record, error) {
	r, err := b.read(ctx, finalKey(id))
	if err != nil {
		return nil, err
	}
	if !r.Status.Final() {
		return nil, damaged("the record %s is damaged: it has the status %q; remove it to have the job run again", finalKey(id), r.Status)
	}
	d := new(Delivery)
	switch err := b.readJSON(ctx, callbackKey(id), d); {
	case err == nil:
		r.Callback = d
	case !errors.Is(err, blob.ErrNotFound):
		return nil, err
	default:
		if r.Owed, err = b.owed(ctx, id); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// owed returns the newest word on a callback that is owed; nil when there is none.
func (b *Book) owed(ctx context.Context, id string) (*Owed, error) {
	f, err := b.folder(ctx, id)
	if err != nil || f.owed == 0 {
		return nil, err
	}
	o := new(Owed)
	return o, b.readJSON(ctx, owedKey(id, f.owed), o)
}

// Final returns how the job ended, or ErrNotFound while it has not.
func (b *Book) Final(ctx context.Context, id string) (*Record, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	r, err := b.final(ctx, id)
	if errors.Is(err, blob.ErrNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read how job %s ended: %w", id, err)
	}
	return r, nil
}

// Cancel asks that the job stop, wherever it is. It returns a *FinalError when the job is over. Asking again changes
// nothing: the first reason stands.
func (b *Book) Cancel(ctx context.Context, id, why string) error {
	final, err := b.Final(ctx, id)
	if err == nil {
		return &FinalError{Final: final}
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := b.createJSON(ctx, cancelKey(id), Cancellation{Time: b.now(), Why: why}); err != nil {
		return fmt.Errorf("cancel job %s: %w", id, err)
	}
	return nil
}

// Canceled returns the wish that the job stop, or nil. It is one read: made to be asked on every heartbeat.
func (b *Book) Canceled(ctx context.Context, id string) (*Cancellation, error) {
	c := new(Cancellation)
	err := b.readJSON(ctx, cancelKey(id), c)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("see whether job %s is canceled: %w", id, err)
	}
	return c, nil
}

// CallbackDone writes that nothing more is owed to the job's receiver. The first delivery stands; only one that got
// through takes the place of one that was given up.
func (b *Book) CallbackDone(ctx context.Context, id string, d Delivery) error {
	if err := b.callbackDone(ctx, id, d); err != nil {
		return fmt.Errorf("record callback of job %s: %w", id, err)
	}
	return nil
}

func (b *Book) callbackDone(ctx context.Context, id string, d Delivery) error {
	standing, err := createOrRead(ctx, b, callbackKey(id), d)
	if err != nil || d.Error != "" || standing.Error == "" {
		return err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode delivery: %w", err)
	}
	_, err = b.store.Put(ctx, callbackKey(id), bytes.NewReader(body), blob.PutOptions{})
	return err
}

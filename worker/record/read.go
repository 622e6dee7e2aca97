package record

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// Load returns the job as it stands, or ErrNotFound. A job whose worker has died shows as RUNNING until the queue gives
// it to another.
func (b *Book) Load(ctx context.Context, id string) (*Record, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	r, err := b.load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read job %s: %w", id, err)
	}
	return r, nil
}

func (b *Book) load(ctx context.Context, id string) (*Record, error) {
	f, err := b.folder(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.empty() {
		return nil, ErrNotFound
	}
	if f.final {
		return b.final(ctx, id)
	}
	r, err := b.newest(ctx, id, f)
	if err == nil {
		r, err = b.awaited(ctx, r, f)
	}
	if err != nil {
		return nil, err
	}
	if f.cancel {
		if r.CancelRequested, err = b.Canceled(ctx, id); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// newest reads the newest record of a job that is not over. A progress record that a power cut has cut off is passed
// over: the claim says less, and is durable.
func (b *Book) newest(ctx context.Context, id string, f *folder) (*Record, error) {
	n := f.newest()
	switch p := len(f.progress) - 1; {
	case n == 0:
		r := &Record{ID: id}
		r.set(Queued)
		return r, nil
	case f.ended[n]:
		return b.read(ctx, endKey(id, n))
	case p >= 0 && f.progress[p].n == n:
		if r, err := b.read(ctx, chunkKey(id, "progress", f.progress[p])); err == nil {
			return r, nil
		}
	}
	return b.read(ctx, attemptKey(id, n))
}

// A Summary is one job of a listing.
type Summary struct {
	ID       string    `json:"id"`
	Name     string    `json:"name,omitzero"`
	Title    string    `json:"title,omitzero"`
	Pipeline string    `json:"pipeline,omitzero"`
	Status   Status    `json:"status"`
	Phase    Phase     `json:"phase"`
	Message  string    `json:"message,omitzero"`
	Enqueued time.Time `json:"enqueued"`
	Started  time.Time `json:"startedAt,omitzero"`
	Finished time.Time `json:"finishedAt,omitzero"`
	PodName  string    `json:"podName,omitzero"`
	Attempts int       `json:"attempts"`
	Percent  int       `json:"percentComplete"`
}

func summarize(r *Record) Summary {
	return Summary{
		ID: r.ID, Name: r.Name, Title: r.Title, Pipeline: r.Pipeline,
		Status: r.Status, Phase: r.Phase, Message: r.Message,
		Enqueued: r.Enqueued, Started: r.Started, Finished: r.Finished,
		PodName: r.PodName, Attempts: r.Tried(), Percent: r.PercentComplete,
	}
}

// List yields the jobs that were enqueued in [from, to), newest first; a zero from or to is no bound. It knows those
// that a worker has had: what only waits is the queue's to tell. A job that can't be read is yielded as its ID and the error,
// and the listing goes on. Each job costs one read, or a few while it is not over.
func (b *Book) List(ctx context.Context, from, to time.Time) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		days, err := b.days(ctx, from, to)
		if err != nil {
			yield(Summary{}, fmt.Errorf("list jobs: %w", err))
			return
		}
		for _, day := range slices.Backward(days) {
			for in, err := range b.store.List(ctx, day+"/", "") {
				if err != nil {
					yield(Summary{}, fmt.Errorf("list jobs: %w", err))
					return
				}
				id, at, ok := parseIndexKey(in.Key)
				if !ok || at.Before(from) || !to.IsZero() && !at.Before(to) {
					continue
				}
				if !b.summary(ctx, id, yield) {
					return
				}
			}
		}
	}
}

// summary yields one job. One that is in the index and nowhere else was cleared away: it is passed over.
func (b *Book) summary(ctx context.Context, id string, yield func(Summary, error) bool) bool {
	r, err := b.read(ctx, finalKey(id))
	if errors.Is(err, blob.ErrNotFound) {
		r, err = b.load(ctx, id)
	}
	if errors.Is(err, ErrNotFound) {
		return true
	}
	if err != nil {
		return yield(Summary{ID: id}, fmt.Errorf("list job %s: %w", id, err))
	}
	return yield(summarize(r), nil)
}

// days returns the folders of the index that can hold jobs of [from, to), oldest first. It hops from day to day, so
// it costs one short listing for each day there is.
func (b *Book) days(ctx context.Context, from, to time.Time) ([]string, error) {
	after := indexPrefix
	if !from.IsZero() {
		after += from.UTC().Format(dateFormat)
	}
	var days []string
	for {
		day, err := b.nextDay(ctx, after)
		if err != nil || day == "" {
			return days, err
		}
		if !to.IsZero() && day > indexPrefix+to.UTC().Format(dateFormat) {
			return days, nil
		}
		days = append(days, day)
		after = day + "0" // the character after the slash: the next key is another day's
	}
}

// nextDay returns the folder of the first index entry after a key, or "".
func (b *Book) nextDay(ctx context.Context, after string) (string, error) {
	const width = len(indexPrefix) + len(dateFormat)
	for in, err := range b.store.List(ctx, indexPrefix, after) {
		if err != nil {
			return "", err
		}
		if len(in.Key) > width && in.Key[width] == '/' {
			return in.Key[:width], nil
		}
	}
	return "", nil
}

package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
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

// A Place is where a job stands in the index.
type Place struct {
	ID       string
	Enqueued time.Time
}

// Compare orders jobs as listings do: the newest first, those of one moment by their IDs.
func (p Place) Compare(o Place) int {
	return cmp.Or(o.Enqueued.Compare(p.Enqueued), cmp.Compare(p.ID, o.ID))
}

// String writes a place so that it can stand in a URL: the nanoseconds of its time, and its job. The zero one is empty.
func (p Place) String() string {
	if p == (Place{}) {
		return ""
	}
	return strconv.FormatInt(p.Enqueued.UnixNano(), 10) + "." + p.ID
}

// ParsePlace undoes String.
func ParsePlace(text string) (Place, error) {
	if text == "" {
		return Place{}, nil
	}
	number, id, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || id == "" || len(text) > 2*maxIDBytes {
		return Place{}, fmt.Errorf("%.40q is no place in a list", text)
	}
	return Place{ID: id, Enqueued: time.Unix(0, n).UTC()}, nil
}

// Index yields the jobs that were enqueued at from or later, in the order of Compare, those after one place alone where that
// is not the zero one. A zero from is no bound. It knows those that a worker has had, what only waits is the queue's to tell, and
// those that were cleared away since. It ends with the first error. It reads no job: see Summarize.
func (b *Book) Index(ctx context.Context, from time.Time, after Place) iter.Seq2[Place, error] {
	return func(yield func(Place, error) bool) {
		days, err := b.days(ctx, from, after.Enqueued)
		if err != nil {
			yield(Place{}, fmt.Errorf("list jobs: %w", err))
			return
		}
		behind := ""
		if !after.Enqueued.IsZero() {
			behind = indexKey(after.ID, after.Enqueued)
		}
		for _, day := range slices.Backward(days) {
			for in, err := range b.store.List(ctx, day+"/", behindIn(day, behind)) {
				if err != nil {
					yield(Place{}, fmt.Errorf("list jobs: %w", err))
					return
				}
				id, at, ok := parseIndexKey(in.Key)
				if !ok || at.Before(from) {
					continue
				}
				if !yield(Place{id, at}, nil) {
					return
				}
			}
		}
	}
}

// behindIn is where a listing of a day begins that goes on behind a key.
func behindIn(day, key string) string {
	if strings.HasPrefix(key, day+"/") {
		return key
	}
	return ""
}

// Summarize returns a job for a listing, or ErrNotFound where it was cleared away. It costs one read, or a few while the job is not
// over.
func (b *Book) Summarize(ctx context.Context, id string) (Summary, error) {
	r, err := b.read(ctx, finalKey(id))
	if errors.Is(err, blob.ErrNotFound) {
		r, err = b.load(ctx, id)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("list job %s: %w", id, err)
	}
	return summarize(r), nil
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

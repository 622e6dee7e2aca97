package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// LeastRecords is the shortest time that records may be kept: for the longest that a queue keeps a message (SQS: 14 days),
// and a day, they say that a job is over, and keep a copy of its message from running it again.
const LeastRecords = 15 * 24 * time.Hour

// A Keep says how long what jobs leave is kept, from their end on. 0 is for ever.
type Keep struct {
	Outputs time.Duration // of jobs that don't say it themselves
	Uploads time.Duration // that jobs were made of; 0 is as long as their records
	Records time.Duration // and all that is left then; not less than LeastRecords, nor than Outputs
}

// Swept counts the jobs whose outputs, and whose records, a sweep removed, and the uploads.
type Swept struct{ Outputs, Records, Uploads int }

// Sweep removes what jobs left that ended longer ago than k says, outputs that have had the time which their job gave them, and
// uploads that no job was made of in a day. A job that is not over, and one whose callback waits in
// the outbox, keeps all. A record goes last, and the index's entry after it: a sweep that is cut short is finished by the
// next. Several may sweep one store at a time. A job that can't be swept keeps what it has; the others are, and the error is the
// first of such a job.
func (b *Book) Sweep(ctx context.Context, k Keep) (Swept, error) {
	var n Swept
	if err := b.sweep(ctx, k, &n); err != nil {
		return n, fmt.Errorf("sweep old jobs: %w", err)
	}
	return n, nil
}

func (b *Book) sweep(ctx context.Context, k Keep, n *Swept) error {
	owed, err := b.owing(ctx)
	if err != nil {
		return err
	}
	failed, err := b.sweepKept(ctx, owed, n)
	if err == nil {
		var other error
		other, err = b.sweepUploads(ctx, k, n)
		failed = cmp.Or(failed, other)
	}
	first := k.Outputs
	if first == 0 {
		first = k.Records
	}
	if err != nil || first == 0 {
		return cmp.Or(err, failed)
	}
	now := b.now()
	days, err := b.days(ctx, time.Time{}, now.Add(-first)) // none is over before it is in the queue
	if err != nil {
		return err
	}
	for _, day := range days {
		keys, err := b.keys(ctx, day+"/")
		if err != nil {
			return err
		}
		for _, key := range keys {
			id, enqueued, ok := parseIndexKey(key)
			if !ok || owed[id] || now.Sub(enqueued) < first {
				continue
			}
			if err := b.sweepJob(ctx, k, key, id, n); err != nil {
				failed = cmp.Or(failed, fmt.Errorf("job %s: %w", id, err))
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		if err := b.prune(ctx, day); err != nil {
			return err
		}
	}
	return failed
}

// owing is the jobs whose callbacks are still to be delivered.
func (b *Book) owing(ctx context.Context) (map[string]bool, error) {
	owed := map[string]bool{}
	for e, err := range b.Outbox(ctx) {
		if err != nil {
			return nil, err
		}
		owed[e.Job] = true
	}
	return owed, nil
}

// sweepKept removes the outputs of jobs that said how long they are kept. failed is the first job that it can't sweep.
func (b *Book) sweepKept(ctx context.Context, owed map[string]bool, n *Swept) (failed, err error) {
	for _, days := range Kept() {
		prefix, last := KeptPrefix(days), ""
		for in, err := range b.store.List(ctx, prefix, "") { // once: a folder is read whole for each listing
			if err != nil {
				return nil, err
			}
			id, _, _ := strings.Cut(strings.TrimPrefix(in.Key, prefix), "/")
			if id == last {
				continue
			}
			if last = id; owed[id] {
				continue
			}
			if err := b.sweepOutputs(ctx, prefix+id+"/", id, n); err != nil {
				failed = cmp.Or(failed, fmt.Errorf("job %s: %w", id, err))
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
	}
	return failed, nil
}

// sweepOutputs removes the outputs of a job that has said for how long they are kept, and is over so long. In dir lies what is left
// of others too: a job whose messages did not say the same has outputs in two folders, and a record that knows of one.
func (b *Book) sweepOutputs(ctx context.Context, dir, id string, n *Swept) error {
	if checkID(id) != nil {
		return nil // not ours
	}
	final, err := b.read(ctx, finalKey(id))
	if errors.Is(err, blob.ErrNotFound) {
		if left, err := b.keys(ctx, jobDir(id)); err != nil || len(left) > 0 {
			return err // it is not over
		}
		_, err := b.removeAll(ctx, dir, "")
		return err
	}
	if err != nil || final.Expire.IsZero() || b.now().Before(final.Expire) {
		return err
	}
	return b.removeOutputs(ctx, final, n)
}

// removeOutputs removes what all attempts at a job that is over have published.
func (b *Book) removeOutputs(ctx context.Context, final *Record, n *Swept) error {
	var keep *time.Duration
	if !final.Expire.IsZero() {
		keep = new(final.Expire.Sub(final.Finished))
	}
	removed, err := b.removeAll(ctx, artifactsOf(final.ID, keep), "")
	if removed > 0 {
		n.Outputs++
	}
	return err
}

// sweepJob removes what is too old of a job that has an entry in the index.
func (b *Book) sweepJob(ctx context.Context, k Keep, index, id string, n *Swept) error {
	final, err := b.read(ctx, finalKey(id))
	if errors.Is(err, blob.ErrNotFound) {
		return b.sweepIndex(ctx, k, index, id)
	}
	if err != nil {
		return err
	}
	age := b.now().Sub(final.Finished)
	if final.Finished.IsZero() {
		return nil
	}
	records := k.Records > 0 && age >= k.Records
	if records || k.Outputs > 0 && age >= k.Outputs && final.Expire.IsZero() {
		if err := b.removeOutputs(ctx, final, n); err != nil {
			return err
		}
	}
	if !records {
		return nil
	}
	if _, err := b.removeAll(ctx, artifactsOf(id, nil), ""); err != nil { // of another message of the job, that did not say
		return err
	}
	if _, err := b.removeAll(ctx, jobDir(id), finalKey(id)); err != nil {
		return err
	}
	for _, key := range []string{exhaustedPrefix + id, finalKey(id), index} {
		if err := b.store.Delete(ctx, key); err != nil {
			return err
		}
	}
	n.Records++
	return b.prune(ctx, strings.TrimSuffix(jobDir(id), "/"))
}

// sweepIndex removes an entry of the index that a sweep has left behind: its job has nothing any more.
func (b *Book) sweepIndex(ctx context.Context, k Keep, index, id string) error {
	keys, err := b.keys(ctx, jobDir(id))
	if err != nil || len(keys) > 0 || k.Records == 0 {
		return err
	}
	_, enqueued, _ := parseIndexKey(index)
	if b.now().Sub(enqueued) < k.Records {
		return nil
	}
	return errors.Join(b.store.Delete(ctx, index), b.prune(ctx, strings.TrimSuffix(jobDir(id), "/")))
}

// removeAll removes the objects below a prefix, but one, and returns how many there were.
func (b *Book) removeAll(ctx context.Context, prefix, but string) (int, error) {
	keys, err := b.keys(ctx, prefix)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, key := range keys {
		if key == but {
			continue
		}
		if err := b.store.Delete(ctx, key); err != nil {
			return n, err
		}
		n++
	}
	return n, b.prune(ctx, strings.TrimSuffix(prefix, "/"))
}

func (b *Book) keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	for in, err := range b.store.List(ctx, prefix, "") {
		if err != nil {
			return nil, err
		}
		keys = append(keys, in.Key)
	}
	return keys, nil
}

// prune removes the folder of objects that are gone, where a store has folders.
func (b *Book) prune(ctx context.Context, dir string) error {
	if s, ok := b.store.(interface {
		Prune(ctx context.Context, dir string) error
	}); ok {
		return s.Prune(ctx, dir)
	}
	return nil
}

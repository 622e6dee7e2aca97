// Package desk is how people look at jobs: what the records and the queue know of them, together, and the wish that one stop.
package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// A Queue is one that can be searched for a job.
type Queue struct {
	// Find returns a waiting message by its own ID or its job's, or queue.ErrNotFound.
	Find func(ctx context.Context, id string) (queue.Waiting, error)
	// Newest yields the waiting messages whose ID, or whose job's, begins with prefix, the latest first, give or take a second.
	Newest func(ctx context.Context, prefix string) iter.Seq2[queue.Waiting, error]
}

// A Desk knows the records of one store, and the queues that jobs wait in. It may be used from several goroutines.
type Desk struct {
	Records    *record.Book
	Queue      *Queue   // nil where none of the queues can be searched
	Unsearched []string // names of the queues that can't be searched
}

// A NoJobError says that nothing is known of a job.
type NoJobError struct {
	ID         string
	Unsearched string // the queues that it may wait in all the same; empty is none
}

func (e *NoJobError) Error() string {
	if e.Unsearched != "" {
		return fmt.Sprintf("there is no job %q that a worker has taken, and %s can't be searched for one that waits", clip(e.ID), e.Unsearched)
	}
	return fmt.Sprintf("there is no job %q", clip(e.ID))
}

// clip keeps what somebody asked for from flooding a sentence.
func clip(id string) string {
	const most = 200
	if len(id) <= most {
		return id
	}
	return strings.ToValidUTF8(id[:most], "") + "…"
}

// Missing is the error for a job that is not there.
func (d *Desk) Missing(id string) error {
	return &NoJobError{ID: id, Unsearched: d.unsearched()}
}

func (d *Desk) unsearched() string { return strings.Join(d.Unsearched, ", ") }

// Load returns the record of exactly this job, or a *NoJobError. One that no worker has claimed is in the queue alone, but for the
// wish that it be canceled, and why it waits.
func (d *Desk) Load(ctx context.Context, id string) (*record.Record, error) {
	r, err := d.recorded(ctx, id)
	if err != nil || r != nil && len(r.Attempts) > 0 {
		return r, err
	}
	m, err := d.find(ctx, id)
	if err == nil {
		q := pick(Queued(m), id)
		if r != nil {
			q.CancelRequested, q.Reason, q.Message = r.CancelRequested, r.Reason, cmp.Or(r.Message, q.Message)
		}
		return q, nil
	}
	if !errors.Is(err, queue.ErrNotFound) {
		return nil, err
	}
	// A worker may have run it since we looked: what leaves the queue has a record.
	if r, err = d.recorded(ctx, id); err == nil && r == nil {
		err = d.Missing(id)
	}
	return r, err
}

// pick returns the record of a job among those of its message.
func pick(rs []*record.Record, id string) *record.Record {
	for _, r := range rs {
		if r.ID == id {
			return r
		}
	}
	return rs[0]
}

// recorded returns the record of a job, or nil where there is none.
func (d *Desk) recorded(ctx context.Context, id string) (*record.Record, error) {
	r, err := d.Records.Load(ctx, id)
	if errors.Is(err, record.ErrNotFound) {
		return nil, nil
	}
	return r, err
}

// find returns the message of a job; queue.ErrNotFound where none can be found.
func (d *Desk) find(ctx context.Context, id string) (queue.Waiting, error) {
	if d.Queue == nil {
		return queue.Waiting{}, queue.ErrNotFound
	}
	return d.Queue.Find(ctx, id)
}

// Due is in how long the message of a job may be delivered, 0 is at once; known is false where the queue can't tell, or a worker has it.
func (d *Desk) Due(ctx context.Context, id string) (in time.Duration, known bool) {
	m, err := d.find(ctx, id)
	return m.Hidden, err == nil && m.State != queue.InFlight
}

// Logs yields what a job's attempts have written to their logs: see record.Book.Logs.
func (d *Desk) Logs(ctx context.Context, id string, follow bool) iter.Seq2[engine.Event, error] {
	return d.Records.Logs(ctx, id, follow)
}

// OrQueued takes a job that is nowhere to be found for one that is queued, where a queue can't be searched for it.
func OrQueued(r *record.Record, err error) (*record.Record, error) {
	missing, ok := errors.AsType[*NoJobError](err)
	if !ok || missing.Unsearched == "" {
		return r, err
	}
	return &record.Record{
		ID: job.SafeID(missing.ID), Status: record.Queued, Phase: record.PhasePending, ProcessingState: record.Waiting,
		ProcessingStateMessage: "pending", Message: "no worker has taken it, and " + missing.Unsearched + " can't be searched for it",
	}, nil
}

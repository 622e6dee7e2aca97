package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// queued is what there is to say of a job that no worker has claimed.
func queued(m queue.Waiting) *record.Record {
	r := &record.Record{
		ID: job.SafeID(m.ID), Enqueued: m.Enqueued, Status: record.Queued, Phase: record.PhasePending,
		ProcessingState: record.Waiting, ProcessingStateMessage: "pending",
	}
	j, err := job.Decode(queue.Message{ID: m.ID, Body: m.Body, Attributes: m.Attributes, Enqueued: m.Enqueued})
	if err != nil {
		r.Message = err.Error()
		return r
	}
	r.ID, r.Name, r.Pipeline = j.ID, j.Name, j.Pipeline
	return r
}

// find returns the record of a job by its ID, or by a beginning of it that only one job has. The error is a sentence.
func (d *desk) find(ctx context.Context, id string) (*record.Record, error) {
	safe := job.SafeID(id)
	r, err := d.load(ctx, safe)
	if !errors.Is(err, errNoJob) {
		return r, err
	}
	var ids []string
	if safe == id { // a digest shares its beginning with nothing
		if ids, err = d.startingWith(ctx, id); err != nil {
			return nil, err
		}
	}
	switch len(ids) {
	case 0:
		if len(d.remote) > 0 {
			return nil, fmt.Errorf("%w %q that a worker has taken; `millrace jobs list` shows what there is", errNoJob, id)
		}
		return nil, fmt.Errorf("%w %q; `millrace jobs list` shows what there is", errNoJob, id)
	case 1:
		return d.load(ctx, ids[0])
	}
	return nil, fmt.Errorf("several jobs' IDs begin with %q (%s, …): write more of it", id, strings.Join(ids[:2], ", "))
}

var errNoJob = errors.New("there is no job")

// orQueued takes a job that is nowhere to be found for one that is queued, where a queue can't be searched for it.
func (d *desk) orQueued(id string, r *record.Record, err error) (*record.Record, error) {
	if !errors.Is(err, errNoJob) || len(d.remote) == 0 {
		return r, err
	}
	return &record.Record{ID: job.SafeID(id), Status: record.Queued, Message: "no worker has taken it, and " + d.unsearched() + " can't be searched for it"}, nil
}

// load returns the record of exactly this job. One that no worker has claimed is in the queue alone, but for the wish
// that it be canceled, and why it waits.
func (d *desk) load(ctx context.Context, id string) (*record.Record, error) {
	r, err := d.recorded(ctx, id)
	if err != nil || r != nil && len(r.Attempts) > 0 {
		return r, err
	}
	m, err := d.findWaiting(ctx, id)
	if err == nil {
		q := queued(m)
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
		err = errNoJob
	}
	return r, err
}

// findWaiting returns the message of a job; queue.ErrNotFound where none can be found.
func (d *desk) findWaiting(ctx context.Context, id string) (queue.Waiting, error) {
	if d.local == nil {
		return queue.Waiting{}, queue.ErrNotFound
	}
	return d.local.Find(ctx, id)
}

// recorded returns the record of a job, or nil where there is none.
func (d *desk) recorded(ctx context.Context, id string) (*record.Record, error) {
	r, err := d.records.Load(ctx, id)
	if errors.Is(err, record.ErrNotFound) {
		return nil, nil
	}
	return r, err
}

// startingWith returns IDs that begin with prefix; two are enough to know that it is ambiguous.
func (d *desk) startingWith(ctx context.Context, prefix string) ([]string, error) {
	var ids []string
	note := func(id string) {
		if strings.HasPrefix(id, prefix) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for s, err := range d.records.List(ctx, time.Time{}, time.Time{}) {
		if err != nil && s.ID == "" {
			return nil, err
		}
		if note(s.ID); len(ids) > 1 {
			return ids, nil
		}
	}
	if d.local == nil {
		return ids, nil
	}
	const enough = 10 // several messages may be one job
	waiting, err := d.local.FindPrefix(ctx, prefix, enough)
	for _, m := range waiting {
		note(queued(m).ID)
	}
	return ids, err
}

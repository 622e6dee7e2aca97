package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

// mostWaiting is how many messages of the queue are looked into for jobs that have no record yet.
const mostWaiting = 1000

// waiting yields the jobs of messages that the queue holds, the oldest first, up to mostWaiting. Those that no worker
// has claimed have no record: they are QUEUED. A message that is no job counts under its own ID.
func (d *desk) waiting(ctx context.Context) iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		messages, err := d.queue.Peek(ctx, mostWaiting)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, m := range messages {
			if !yield(queued(m), nil) {
				return
			}
		}
	}
}

// queued is what there is to say of a job that no worker has claimed.
func queued(m localqueue.Waiting) *record.Record {
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
	r, err := d.load(ctx, id)
	if !errors.Is(err, errNoJob) {
		return r, err
	}
	ids, err := d.startingWith(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, fmt.Errorf("%w %q; `millrace jobs list` shows what there is", errNoJob, id)
	case len(ids) > 1:
		return nil, fmt.Errorf("several jobs' IDs begin with %q (%s, …): write more of it", id, strings.Join(ids[:2], ", "))
	}
	return d.load(ctx, ids[0])
}

var errNoJob = errors.New("there is no job")

// load returns the record of exactly this job. One that no worker has claimed is in the queue alone, but for the wish
// that it be canceled.
func (d *desk) load(ctx context.Context, id string) (*record.Record, error) {
	r, err := d.records.Load(ctx, id)
	if err == nil && len(r.Attempts) > 0 || err != nil && !errors.Is(err, record.ErrNotFound) {
		return r, err
	}
	for q, err := range d.waiting(ctx) {
		if err != nil {
			return nil, err
		}
		if q.ID == id {
			if r != nil {
				q.CancelRequested = r.CancelRequested
			}
			return q, nil
		}
	}
	if r != nil {
		return r, nil
	}
	return nil, errNoJob
}

// startingWith returns IDs that begin with prefix; two are enough to know that it is ambiguous.
func (d *desk) startingWith(ctx context.Context, prefix string) ([]string, error) {
	found := map[string]bool{}
	var ids []string
	note := func(id string) {
		if strings.HasPrefix(id, prefix) && !found[id] {
			found[id] = true
			ids = append(ids, id)
		}
	}
	if prefix == "" {
		return nil, nil
	}
	for s, err := range d.records.List(ctx, time.Time{}, time.Time{}) {
		if err != nil {
			return nil, err
		}
		if note(s.ID); len(ids) > 1 {
			return ids, nil
		}
	}
	for q, err := range d.waiting(ctx) {
		if err != nil {
			return nil, err
		}
		note(q.ID)
	}
	return ids, nil
}

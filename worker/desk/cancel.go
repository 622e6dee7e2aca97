package desk

import (
	"context"

	"github.com/millrace/millrace/worker/record"
)

// A Canceled job is one that will stop, or stopped before.
type Canceled struct {
	ID     string        `json:"id"`
	Status record.Status `json:"status"` // as it was when the wish was written down
	Detail string        `json:"detail"` // what will become of it
}

// Cancel writes down that a job is to stop, wherever it is. Asking again changes nothing: the first reason stands. It returns a
// *record.FinalError for one that is over, and a *NoJobError where there is no such job, but not where it may wait in a queue that can't be
// searched.
func (d *Desk) Cancel(ctx context.Context, id, why string) (Canceled, error) {
	r, err := OrQueued(d.Load(ctx, id))
	if err != nil {
		return Canceled{}, err
	}
	if r.Status.Final() {
		return Canceled{}, &record.FinalError{Final: r}
	}
	if err := d.Records.Cancel(ctx, r.ID, why); err != nil {
		return Canceled{}, err
	}
	c := Canceled{ID: r.ID, Status: r.Status}
	switch r.Status {
	case record.Running:
		c.Detail = "it is running: its worker stops it at the next heartbeat of its lease"
	case record.Retrying:
		c.Detail = "it waits for another attempt, which will not be made"
	default:
		c.Detail = "it is queued"
		if r.Message != "" {
			c.Detail = r.Message
		}
		c.Detail += ": the worker that takes it will not run it, and record it as " + string(record.Cancelled)
	}
	return c, nil
}

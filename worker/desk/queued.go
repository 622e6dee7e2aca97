package desk

import (
	"fmt"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// Queued is what there is to say of the jobs of a message that no worker has claimed: one at least. A message that is no job is
// shown under its own ID, with the reason as its Message.
func Queued(m queue.Waiting) []*record.Record {
	d, err := job.Decode(queue.Message{ID: m.ID, Body: m.Body, Attributes: m.Attributes, Enqueued: m.Enqueued, Group: m.Group})
	switch {
	case err != nil:
		return []*record.Record{alone(m, err.Error())}
	case d.Nothing != "":
		return []*record.Record{alone(m, d.Nothing)}
	case len(d.Jobs) == 0:
		return []*record.Record{alone(m, fmt.Sprintf("it tells of %d uploads: which jobs they make is for the worker's routing table", len(d.Uploads)))}
	}
	var all []*record.Record
	for _, j := range d.Jobs {
		r := waiting(j.ID)
		r.Enqueued, r.Name, r.Title, r.Pipeline, r.Entry = j.Enqueued, j.Name, j.Title, j.Pipeline, j.Entry
		r.CID, r.LinkID, r.CustomerID, r.ExternalID = j.CID, j.LinkID, j.Customer, j.External
		all = append(all, r)
	}
	return all
}

func alone(m queue.Waiting, why string) *record.Record {
	r := waiting(job.SafeID(m.ID))
	r.Enqueued, r.Message = m.Enqueued, why
	return r
}

func waiting(id string) *record.Record {
	return &record.Record{
		ID: id, Status: record.Queued, Phase: record.PhasePending, ProcessingState: record.Waiting, ProcessingStateMessage: "pending",
	}
}

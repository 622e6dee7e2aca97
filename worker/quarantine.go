package worker

import "github.com/millrace/millrace/worker/record"

// quarantine gathers what a person needs to know of the job, as far as its record does not.
func (a *attempt) quarantine() *record.Quarantine {
	m := a.lease.Message
	q := &record.Quarantine{MessageID: m.ID, Delivery: m.Delivery, Attributes: m.Attributes, Machine: a.worker.cfg.Machine()}
	q.SetPayload(m.Body)
	if a.req != nil {
		q.SetDocument(a.req.Document)
	}
	return q
}

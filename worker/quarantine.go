package worker

import (
	"context"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

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

// blame leaves word that the job is about to take its process down, or just has. It is given blameTimeout: what it is
// called for can't wait for a store that hangs.
func (a *attempt) blame(ctx context.Context, f engine.Failure) {
	if a.lease.Lost() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), blameTimeout)
	defer cancel()
	if err := a.record.Blame(ctx, f); err != nil {
		a.log.WarnContext(ctx, "culprit not recorded", "err", err)
	}
}

// blameTimeout is for one small write.
const blameTimeout = time.Second

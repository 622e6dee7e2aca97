package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/payload"
	"github.com/millrace/millrace/worker/queue"
)

// unpackTimeout bounds how long a message's body may take to fetch.
const unpackTimeout = 2 * time.Minute

// decode reads what a message asks for. A permanent error says that it is nothing that we know; any other, that its body could
// not be had now.
func (w *Worker) decode(taking, held context.Context, l *queue.Lease) (*job.Message, error) {
	if !payload.Packed(l.Message) {
		return job.Decode(l.Message)
	}
	ctx, cancel := context.WithTimeout(held, unpackTimeout)
	defer cancel()
	defer context.AfterFunc(taking, cancel)()
	m, err := w.cfg.Payloads.Resolve(ctx, l.Message)
	if err != nil {
		return nil, err
	}
	return job.Decode(m)
}

// logOf adds to a log what a job's lines carry, as far as the job says it.
func logOf(log *slog.Logger, j *job.Job) *slog.Logger {
	log = log.With("job_id", j.ID)
	for _, kv := range [][2]string{{"correlation_id", j.CID}, {"customer_id", j.Customer}, {"pipeline", j.Pipeline}} {
		if kv[1] != "" {
			log = log.With(kv[0], kv[1])
		}
	}
	return log
}

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

// decode reads the job that a message asks for. A permanent error says that it is none; any other, that its body could
// not be had now.
func (w *Worker) decode(ctx context.Context, l *queue.Lease) (*job.Job, error) {
	if !payload.Packed(l.Message) {
		return job.Decode(l.Message)
	}
	held, release := l.Hold(ctx)
	defer release()
	held, cancel := context.WithTimeout(held, unpackTimeout)
	defer cancel()
	m, err := w.cfg.Payloads.Resolve(held, l.Message)
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

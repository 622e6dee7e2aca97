package record

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
)

// A Past is what is known of a job before it is claimed.
type Past struct {
	Final    bool // it is over
	Canceled bool // somebody wants it stopped
	// Pipeline and Digest are of the document that the first attempt ran; empty where there was none.
	Pipeline, Digest string
	History

	newest int // attempt; 0 is none
	waited int // delivery of the newest Wait since then; 0 is none
}

// Past returns what is known of a job. It costs a listing of the job's folder, and what reading its attempts does.
func (b *Book) Past(ctx context.Context, id string) (*Past, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	f, err := b.folder(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("look for attempts of job %s: %w", id, err)
	}
	p := &Past{Final: f.final, Canceled: f.cancel, newest: f.newest(), waited: f.waited()}
	if p.Final || p.newest == 0 {
		return p, nil
	}
	r, err := b.known(ctx, id, f)
	if err != nil {
		return nil, err
	}
	p.Pipeline, p.Digest, p.History = r.Pipeline, r.Digest, r.count()
	return p, nil
}

// A Wait is why a worker gave a job up that it had not claimed.
type Wait struct {
	Host     string
	Delivery int // the broker's count
	Reason   engine.Reason
	Message  string
}

// maxWaitSentence is how many characters of a Wait's message are kept.
const maxWaitSentence = 1 << 10

// Wait has the job say why it waits; p is its Past. It writes the first time, and again whenever its message has come twice as
// often: a job may wait for as long as a queue keeps messages.
func (b *Book) Wait(ctx context.Context, j *job.Job, p *Past, w Wait) error {
	delivery := max(1, w.Delivery)
	if p.waited > 0 && delivery < 2*p.waited {
		return nil
	}
	r := recordOf(j, b.now())
	r.Reason, r.Message = w.Reason, fmt.Sprintf("it waits for a worker that can run it; %s can't: %s", cmp.Or(w.Host, "one"), firstChars(w.Message, maxWaitSentence))
	r.set(Queued)
	if !j.Enqueued.IsZero() { // else its first claim says where it is listed
		if err := b.list(ctx, r); err != nil {
			return err
		}
	}
	if err := b.createJSON(ctx, waitKey(j.ID, chunk{p.newest, delivery}), r); err != nil {
		return fmt.Errorf("record why job %s waits: %w", j.ID, err)
	}
	return nil
}

// firstChars cuts s to its first n characters.
func firstChars(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// awaited is r, which is the newest record of a job's attempts, with why the job waits since then.
func (b *Book) awaited(ctx context.Context, r *Record, f *folder) (*Record, error) {
	n := f.waited()
	if n == 0 {
		return r, nil
	}
	w, err := b.read(ctx, waitKey(r.ID, chunk{f.newest(), n}))
	switch {
	case err != nil:
		return nil, err
	case f.newest() == 0:
		return w, nil
	case w.Updated.Before(r.Updated):
		return r, nil
	}
	r.Reason, r.Message, r.Updated = w.Reason, w.Message, w.Updated
	r.set(Retrying)
	return r, nil
}

// recordOf is what a job says of itself.
func recordOf(j *job.Job, now time.Time) *Record {
	return &Record{
		ID: j.ID, Name: j.Name, Title: j.Title, CID: j.CID,
		LinkID: j.LinkID, CustomerID: j.Customer, ExternalID: j.External,
		Pipeline: j.Pipeline, Enqueued: j.Enqueued.UTC(), Updated: now, MaxAttempts: j.MaxAttempts,
	}
}

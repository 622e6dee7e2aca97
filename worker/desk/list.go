package desk

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// A Row is one job of a list.
type Row struct {
	ID       string        `json:"id"`
	Name     string        `json:"name,omitzero"`
	Pipeline string        `json:"pipeline,omitzero"`
	Status   record.Status `json:"status"`
	Created  time.Time     `json:"createdAt,omitzero"`
	Started  time.Time     `json:"startedAt,omitzero"`
	Stopped  time.Time     `json:"stoppedAt,omitzero"`
	Problem  string        `json:"problem,omitzero"` // why its record can't be read
}

// Unreadable is the status in a list of a job whose record can't be read.
const Unreadable record.Status = "?"

// A Query says which jobs are listed: the newest first, those of one moment by their IDs.
type Query struct {
	Since  time.Time       // sent then or later; zero is no bound
	Prefix string          // that their IDs begin with
	Status []record.Status // one of these; empty is any
	Limit  int             // at most so many; 0 is all
	After  record.Place    // where the page before ended; zero is the first page
	// Effort bounds what one call looks at: one for each job that is passed over, and costOfRead for each that is read. A page that
	// used it up has a Next, and maybe no jobs. 0 is no bound.
	Effort int
}

// costOfRead is what reading a job costs of a Query's Effort: listing gives a thousand for one call to the store.
const costOfRead = 20

// A Page is a part of a list.
type Page struct {
	Jobs       []Row
	Next       record.Place // the next one's After; zero where this is the last
	Unsearched string       // the queues whose waiting jobs are missing; empty is none
}

// List returns a page of jobs.
func (d *Desk) List(ctx context.Context, q Query) (Page, error) {
	p := Page{Jobs: []Row{}, Unsearched: d.unsearched()}
	seen := map[string]bool{}
	spent, last := 0, q.After
	for c, err := range d.candidates(ctx, q) {
		if err != nil {
			return Page{}, err
		}
		if q.Limit > 0 && len(p.Jobs) == q.Limit || q.Effort > 0 && spent >= q.Effort {
			p.Next = last
			break
		}
		last = q.place(c.Place)
		spent++
		if seen[c.ID] || !strings.HasPrefix(c.ID, q.Prefix) {
			continue
		}
		spent += costOfRead
		row, ok, err := d.row(ctx, c)
		if err != nil {
			return Page{}, err
		}
		if seen[c.ID] = ok; ok && (len(q.Status) == 0 || slices.Contains(q.Status, row.Status)) {
			p.Jobs = append(p.Jobs, row)
		}
	}
	return p, nil
}

// place is where a page ends behind c. It names no job that the list passes over: that may be another customer's.
func (q Query) place(c record.Place) record.Place {
	switch {
	case strings.HasPrefix(c.ID, q.Prefix):
		return c
	case c.ID < q.Prefix: // the list's jobs of that moment come behind it
		return record.Place{ID: q.Prefix, Enqueued: c.Enqueued}
	}
	return record.Place{ID: q.Prefix, Enqueued: c.Enqueued.Add(-time.Nanosecond)}
}

// row is what a list shows of a job; ok is false where that is nothing, or is shown elsewhere.
func (d *Desk) row(ctx context.Context, c candidate) (_ Row, ok bool, _ error) {
	if c.waiting != nil {
		r, err := d.recorded(ctx, c.ID)
		if ctx.Err() != nil {
			return Row{}, false, context.Cause(ctx)
		}
		if err != nil {
			return Row{ID: c.ID, Status: Unreadable, Problem: err.Error()}, true, nil
		}
		if r != nil && !r.Enqueued.IsZero() {
			return Row{}, false, nil // it is in the index, and listed by its record
		}
		w := c.waiting
		return Row{ID: w.ID, Name: w.Name, Pipeline: w.Pipeline, Status: w.Status, Created: w.Enqueued}, true, nil
	}
	s, err := d.Records.Summarize(ctx, c.ID)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return Row{}, false, nil
	case ctx.Err() != nil:
		return Row{}, false, context.Cause(ctx)
	case err != nil:
		return Row{ID: c.ID, Status: Unreadable, Problem: err.Error()}, true, nil
	}
	return Row{ID: s.ID, Name: s.Name, Pipeline: s.Pipeline, Status: s.Status, Created: s.Enqueued, Started: s.Started, Stopped: s.Finished}, true, nil
}

// A candidate is a job that a list may show: one of the index, or one that waits in the queue.
type candidate struct {
	record.Place
	waiting *record.Record
}

// candidates yields those of the index and of the queue in the order of the list.
func (d *Desk) candidates(ctx context.Context, q Query) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		indexed, stopIndex := iter.Pull2(d.indexed(ctx, q))
		defer stopIndex()
		waiting, stopQueue := iter.Pull2(d.waiting(ctx, q))
		defer stopQueue()
		a, aErr, aOK := indexed()
		b, bErr, bOK := waiting()
		for aOK || bOK {
			if aErr != nil || bErr != nil {
				yield(candidate{}, errors.Join(aErr, bErr))
				return
			}
			if aOK && (!bOK || a.Compare(b.Place) <= 0) {
				if !yield(a, nil) {
					return
				}
				a, aErr, aOK = indexed()
				continue
			}
			if !yield(b, nil) {
				return
			}
			b, bErr, bOK = waiting()
		}
	}
}

func (d *Desk) indexed(ctx context.Context, q Query) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		for e, err := range d.Records.Index(ctx, q.Since, q.After) {
			if !yield(candidate{Place: e}, err) {
				return
			}
		}
	}
}

// slack is how far a queue's order may be from that of its messages' times.
const slack = time.Second

// waiting yields the jobs of waiting messages in the order of the list. A job may be older than its message, which a worker has sent on:
// each is held back until no message can follow that is newer.
func (d *Desk) waiting(ctx context.Context, q Query) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		if d.Queue == nil {
			return
		}
		var held []candidate
		for m, err := range d.Queue.Newest(ctx, q.Prefix) {
			if err != nil {
				yield(candidate{}, err)
				return
			}
			if m.Enqueued.Before(q.Since.Add(-slack)) {
				break
			}
			held = hold(held, m, q)
			for len(held) > 0 && held[0].Enqueued.After(m.Enqueued.Add(slack)) {
				if !yield(held[0], nil) {
					return
				}
				held = held[1:]
			}
		}
		for _, c := range held {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// hold puts a message's jobs among those that are held back, which are in order.
func hold(held []candidate, m queue.Waiting, q Query) []candidate {
	for _, r := range Queued(m) {
		c := candidate{record.Place{ID: r.ID, Enqueued: r.Enqueued}, r}
		if r.Enqueued.Before(q.Since) || !q.After.Enqueued.IsZero() && c.Compare(q.After) <= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(held, c, func(a, b candidate) int { return a.Compare(b.Place) })
		held = slices.Insert(held, at, c)
	}
	return held
}

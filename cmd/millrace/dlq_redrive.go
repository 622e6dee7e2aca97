package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
)

const (
	redrivePage = 50   // messages looked at together: few enough to be sent before the look at them is over
	maxRate     = 1000 // a second
)

// A redrive sends messages of dead-letter queues again.
type redrive struct {
	cmd   *cobra.Command
	began time.Time
	pace  *time.Ticker
	sent  int
	stuck map[string]bool // messages that can't be sent again, by their IDs
}

func newRedriveCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "redrive ID|--all",
		Short: "Send messages of the dead-letter queue again, as new jobs",
		Long: `Sends a message of the dead-letter queue again, or with --all every one that lies
there now, at most --rate a second. The record of a buried job is final, so each
is a new job; its ID goes to stdout, and the message leaves the dead-letter queue.
Of a message with several jobs, or that tells of uploads, those run again that failed,
and no other; the new message's ID goes to stdout.

Stopped at any moment it loses nothing: the same command goes on with what is left.`,
		Args: args(cobra.MaximumNArgs(1)),
	}
	all := cmd.Flags().Bool("all", false, "every message that lies there now")
	rate := cmd.Flags().Int("rate", 10, "messages a second with --all, at most")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, a []string) error {
		switch {
		case *all == (len(a) == 1):
			return usage("which messages? give one ID, or --all (see `%s --help`)", c.CommandPath())
		case *rate < 1 || *rate > maxRate:
			return usage("--rate: must be 1 to %d, got %d", maxRate, *rate)
		}
		r := &redrive{cmd: c, began: time.Now(), pace: time.NewTicker(time.Second / time.Duration(*rate)), stuck: map[string]bool{}}
		defer r.pace.Stop()
		if !*all {
			d, err := b.find(c.Context(), a[0])
			if err != nil {
				return err
			}
			return r.send(c.Context(), d)
		}
		return untilStopped(c.Context(), func(ctx context.Context) error { return r.all(ctx, b) })
	})
}

// all sends what lay there when it began. What is buried meanwhile stays: a job that can't pass would go round for ever. One that
// can't be sent keeps none of the others.
func (r *redrive) all(ctx context.Context, b *brokers) (err error) {
	defer func() {
		fmt.Fprintf(r.cmd.ErrOrStderr(), "%s sent again\n", count(r.sent, "message"))
		if err == nil && len(r.stuck) > 0 {
			err = fmt.Errorf("%s can't be sent again, for what stands above", count(len(r.stuck), "message"))
		} else if err != nil && r.sent > 0 {
			err = fmt.Errorf("%w; the same command goes on with what is left", err)
		}
	}()
	for _, q := range b.all {
		depth, err := q.Depth(ctx)
		if err != nil {
			return err
		}
		left, most := max(depth.Dead, 1), redrivePage // a broker counts roughly: one look at least
		for left > 0 && most <= maxDead {
			n, full, err := r.page(ctx, q, most)
			switch {
			case err != nil:
				return err
			case n > 0:
				left -= n
			case full:
				most *= 2 // all of these were buried since: what was there before lies behind them
			default:
				left = 0
			}
		}
	}
	return nil
}

// page looks at so many messages of a queue's, sends those again that lay there at the start, and returns how many they
// were; full says that there may be more.
func (r *redrive) page(ctx context.Context, q queue.Broker, most int) (n int, full bool, err error) {
	dead, err := q.Dead(ctx, most)
	if err != nil {
		return 0, false, err
	}
	full = len(dead) >= most
	for _, d := range dead {
		if d.Buried.After(r.began) || r.stuck[d.ID] {
			continue
		}
		select {
		case <-r.pace.C:
		case <-ctx.Done():
			return n, full, context.Cause(ctx)
		}
		err := r.send(ctx, deadOne{d, q})
		if errors.Is(err, queue.ErrNotFound) {
			continue // another command has sent it, or our look at it is over: the next page shows it again
		}
		if fault.Of(err) == fault.Permanent {
			r.stuck[d.ID] = true
			fmt.Fprintln(r.cmd.ErrOrStderr(), err)
			continue
		}
		if err != nil {
			return n, full, err
		}
		n++
	}
	return n, full, nil
}

// send sends one message again, under a new job's ID, which goes to stdout.
func (r *redrive) send(ctx context.Context, d deadOne) error {
	draft, err := again(d.Buried)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	sent, err := d.of.Revive(ctx, d.Buried, draft)
	if err != nil {
		return err
	}
	sent = job.SafeID(sent)
	if own := draft.Attributes[localqueue.JobID]; own != "" {
		sent = own
	}
	r.sent++
	_, err = fmt.Fprintln(r.cmd.OutOrStdout(), sent)
	return err
}

// again is a buried message as it is sent once more. An ID that it gives its job is made a new one, for a worker that
// finds a final record runs nothing; it is the same one every time, so that a message that is sent twice, because a
// redrive was killed between sending it and deleting it here, is still one job. What asks for several jobs, or leaves it to a
// worker's routing table which, is marked: the worker runs those of its jobs that failed, under new IDs.
func again(b queue.Buried) (queue.Draft, error) {
	of := fmt.Appendf(nil, "%s %d %d", b.ID, b.Buried.UnixNano(), b.Delivery)
	sum := sha256.Sum256(of)
	draft := queue.Draft{Body: b.Body, Attributes: maps.Clone(b.Attributes), Group: b.Group, Key: "again-" + hex.EncodeToString(sum[:16])}
	delete(draft.Attributes, localqueue.JobID)
	job.ForgetForward(draft.Attributes) // it would give the job the ID that it had
	m, err := job.Decode(queue.Message{ID: b.ID, Body: b.Body, Attributes: draft.Attributes})
	packed, _ := errors.AsType[*job.Unrecognised](err)
	switch {
	case err != nil && (packed == nil || !packed.Packed):
		return draft, nil // it is no job
	case err != nil || len(m.Uploads)+len(m.Jobs) > 1 || len(m.Uploads) == 1:
		marked, ok := job.MarkAgain(draft.Attributes, job.Mark(of))
		if !ok {
			return draft, fmt.Errorf("message %s has no room for one more attribute, or was sent again too often: send what was meant anew", b.ID)
		}
		draft.Attributes = marked
		return draft, nil
	case len(m.Jobs) == 0 || m.Jobs[0].ID == job.SafeID(b.ID): // the message's ID is new anyway
		return draft, nil
	}
	return renewed(draft, m.Jobs[0], job.AgainID(m.Jobs[0].ID, job.Mark(of)))
}

// renewed gives a message's only job another ID.
func renewed(draft queue.Draft, j *job.Job, id string) (queue.Draft, error) {
	if draft.Attributes == nil {
		draft.Attributes = map[string]string{}
	}
	draft.Attributes[localqueue.JobID] = id
	body, err := withID(draft.Body, id)
	if err == nil {
		draft.Body = body
		if same, err := job.One(queue.Message{ID: "new", Body: body, Attributes: draft.Attributes}); err == nil && same.ID == id {
			return draft, nil
		}
	}
	j.ID = id // its ID is not what the body calls so: that of an event, say
	draft.Attributes = map[string]string{localqueue.JobID: id}
	draft.Body, err = job.Encode(j)
	return draft, err
}

// withID returns a message with another ID for its job. All else stays as it was written, where that was JSON.
func withID(body []byte, id string) ([]byte, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(body, &raw); err == nil {
		raw["id"], _ = json.Marshal(id) // a text always can be
		return json.Marshal(raw)
	}
	v, err := pipelines.Decode("message", body)
	fields, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, fmt.Errorf("read the message: %w", err)
	}
	fields["id"] = id
	return json.Marshal(fields)
}

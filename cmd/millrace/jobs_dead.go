package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
)

// A deadRow is one message of the dead-letter queue. Its JSON form is an element of `millrace jobs dead --json`.
type deadRow struct {
	ID         string            `json:"id"`            // the message's
	Job        string            `json:"job,omitzero"`  // empty for what is no job
	Name       string            `json:"name,omitzero"` // the job's, else its pipeline's
	Sent       time.Time         `json:"sentAt"`
	Buried     time.Time         `json:"buriedAt"`
	Deliveries int               `json:"deliveries"`
	Reason     string            `json:"reason"`
	Attributes map[string]string `json:"attributes,omitzero"` // of `show` alone, as Body
	Body       string            `json:"body,omitzero"`
}

func newDeadRow(b queue.Buried) deadRow {
	r := deadRow{ID: b.ID, Sent: b.Enqueued, Buried: b.Buried, Deliveries: b.Delivery, Reason: b.Reason}
	q := queued(queue.Waiting{ID: b.ID, Body: b.Body, Attributes: b.Attributes})
	if q.Message == "" {
		r.Job, r.Name = q.ID, q.Name
		if r.Name == "" {
			r.Name = q.Pipeline
		}
	}
	return r
}

func newJobsDeadCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List the dead-letter queue, the latest first; show one of it, send one again",
		Args:  args(cobra.NoArgs),
	}
	var cfg placeConfig
	load := bind(cmd, &cfg)
	limit := cmd.Flags().Int("limit", 100, "how many at most; 0 is all")
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	cmd.RunE = func(c *cobra.Command, _ []string) (err error) {
		if err := load(); err != nil {
			return err
		}
		if *limit < 0 {
			return usage("--limit: must be 0 or more, got %d", *limit)
		}
		d, err := openDesk(c.Context(), &cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.close()) }()
		if *limit == 0 {
			*limit = -1
		}
		dead, err := d.local.Dead(c.Context(), *limit)
		if err != nil {
			return err
		}
		return printDead(c, dead, *asJSON)
	}
	cmd.AddCommand(newDeadShowCmd(), newDeadRetryCmd())
	return cmd
}

func printDead(c *cobra.Command, dead []queue.Buried, asJSON bool) error {
	rows, cells := []deadRow{}, [][]string{}
	for _, b := range dead {
		r := newDeadRow(b)
		rows = append(rows, r)
		cells = append(cells, []string{r.ID, shorten(r.Name, 24), shortClock(r.Buried), strconv.Itoa(r.Deliveries), shorten(plain(r.Reason), 80)})
	}
	switch {
	case asJSON:
		return printJSON(c.OutOrStdout(), rows)
	case len(rows) == 0:
		fmt.Fprintln(c.ErrOrStderr(), "the dead-letter queue is empty")
		return nil
	}
	return table(newScreen(c.OutOrStdout()), []string{"ID", "NAME", "BURIED", "DELIVERIES", "REASON"}, cells)
}

func newDeadShowCmd() *cobra.Command {
	var asJSON bool
	cmd := onJob("show", "Show a message of the dead-letter queue, with its body", func(c *cobra.Command, d *desk, id string) error {
		b, err := d.dead(c.Context(), id)
		if err != nil {
			return err
		}
		r := newDeadRow(b)
		r.Attributes, r.Body = b.Attributes, string(b.Body)
		if asJSON {
			return printJSON(c.OutOrStdout(), r)
		}
		s := newScreen(c.OutOrStdout())
		s.printf("%s\n", s.paint(bold, plain(r.ID)))
		for _, line := range [][2]string{
			{"job", r.Job},
			{"name", r.Name},
			{"sent", clock(r.Sent)},
			{"buried", clock(r.Buried)},
			{"delivered", count(r.Deliveries, "time")},
			{"why", r.Reason},
		} {
			if line[1] != "" {
				labeled(s, line[0], line[1])
			}
		}
		s.printf("\n%s\n", s.paint(bold, "Body"))
		for line := range strings.Lines(r.Body) {
			s.printf("%s\n", plain(strings.TrimRight(line, "\r\n")))
		}
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func newDeadRetryCmd() *cobra.Command {
	cmd := onJob("retry", "Send a message of the dead-letter queue again, as a new job", func(c *cobra.Command, d *desk, id string) error {
		b, err := d.dead(c.Context(), id)
		if err != nil {
			return err
		}
		draft, err := again(b, time.Now())
		if err != nil {
			return err
		}
		sent, err := d.local.Revive(c.Context(), b, draft)
		if err != nil {
			return err
		}
		if own := draft.Attributes[localqueue.JobID]; own != "" {
			sent = own
		}
		if _, err := fmt.Fprintln(c.OutOrStdout(), sent); err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "sent again as job %s, for the record of the first is final; it has left the dead-letter queue\n", sent)
		return nil
	})
	cmd.Long += "\n\nThe record of a buried job is final, so the job that is sent has an ID of its own,\nwhich goes to stdout. In the same step the message leaves the dead-letter queue."
	return cmd
}

// dead returns the one buried message that id names: its own ID, its job's, or a beginning that only one has.
func (d *desk) dead(ctx context.Context, id string) (queue.Buried, error) {
	found, err := d.local.DeadPrefix(ctx, id, 2)
	if err != nil {
		return queue.Buried{}, err
	}
	for _, b := range found {
		if b.ID == id || b.Attributes[localqueue.JobID] == id {
			return b, nil // the latest, where one job was buried several times
		}
	}
	switch len(found) {
	case 0:
		return queue.Buried{}, fmt.Errorf("the dead-letter queue has no message %q; `millrace jobs dead` shows what there is", id)
	case 1:
		return found[0], nil
	}
	return queue.Buried{}, fmt.Errorf("several dead messages' IDs begin with %q (%s, %s, …): write more of it", id, found[0].ID, found[1].ID)
}

// again is a buried message as it is sent once more. An ID that it gives its job is made a new one: a worker that finds
// a final record runs nothing.
func again(b queue.Buried, now time.Time) (queue.Draft, error) {
	draft := queue.Draft{Body: b.Body, Attributes: maps.Clone(b.Attributes)}
	delete(draft.Attributes, localqueue.JobID)
	own, err := job.Decode(queue.Message{ID: b.ID, Body: b.Body, Attributes: b.Attributes})
	if err != nil || own.ID == job.SafeID(b.ID) {
		return draft, nil // it is no job, or has the message's ID, which is new anyway
	}
	base, _, _ := strings.Cut(own.ID, "-retry-")
	fresh := job.SafeID(base[:min(len(base), 100)] + "-retry-" + strconv.FormatInt(now.UnixNano(), 36))
	if draft.Attributes == nil {
		draft.Attributes = map[string]string{}
	}
	draft.Attributes[localqueue.JobID] = fresh
	draft.Body, err = withID(b.Body, fresh)
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

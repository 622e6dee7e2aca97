package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// A deadRow is one message of a dead-letter queue. Its JSON form is an element of `millrace dlq list --json`.
type deadRow struct {
	ID         string            `json:"id"` // the message's
	Queue      string            `json:"queue"`
	Job        string            `json:"job,omitzero"`     // empty for what is no job, or several
	Jobs       []string          `json:"jobs,omitzero"`    // of a message with several
	Uploads    int               `json:"uploads,omitzero"` // that it tells of: which jobs they make is a routing table's to say
	Name       string            `json:"name,omitzero"`    // the job's, else its pipeline's
	Sent       time.Time         `json:"sentAt,omitzero"`
	Buried     time.Time         `json:"buriedAt,omitzero"`
	Deliveries int               `json:"deliveries"`
	Reason     string            `json:"reason"`
	Attributes map[string]string `json:"attributes,omitzero"` // of `explain` alone, as Body
	Body       string            `json:"body,omitzero"`
	packed     bool              // what it asks for is not known before it is unpacked
}

func newDeadRow(d deadOne) deadRow {
	r := deadRow{ID: d.ID, Queue: d.of.Name(), Sent: d.Enqueued, Buried: d.Buried.Buried, Deliveries: d.Delivery, Reason: d.Reason}
	m, err := job.Decode(queue.Message{ID: d.ID, Body: d.Body, Attributes: d.Attributes})
	if err != nil {
		e, _ := errors.AsType[*job.Unrecognised](err)
		r.packed = e != nil && e.Packed
		return r
	}
	r.Uploads = len(m.Uploads)
	switch {
	case len(m.Uploads) > 0:
		r.Name = count(len(m.Uploads), "upload")
	case len(m.Jobs) == 1:
		r.Job, r.Name = m.Jobs[0].ID, cmp.Or(m.Jobs[0].Name, m.Jobs[0].Pipeline)
	case len(m.Jobs) > 1:
		r.Name = count(len(m.Jobs), "job")
	}
	if len(m.Jobs)+len(m.Uploads) > 1 {
		for _, j := range m.Jobs {
			r.Jobs = append(r.Jobs, j.ID)
		}
	}
	return r
}

// of says whether the message asks for a job of this ID.
func (r *deadRow) of(id string) bool { return id != "" && (r.Job == id || slices.Contains(r.Jobs, id)) }

func newDLQCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Look at what was given up, and send it again",
	}
	list := newDeadListCmd()
	list.Use = "list"
	cmd.AddCommand(list, newDeadExplainCmd(), newRedriveCmd(), newReplayCmd())
	return group(cmd)
}

// newJobsDeadCmd is the dead-letter queue by the words it had first.
func newJobsDeadCmd() *cobra.Command {
	cmd := newDeadListCmd()
	cmd.Use = "dead"
	cmd.Short = "List the dead-letter queue, as `millrace dlq list`; show one of it, send one again"
	show, retry := newDeadExplainCmd(), newRedriveCmd()
	show.Use, retry.Use = "show ID", "retry ID|--all"
	cmd.AddCommand(show, retry)
	return cmd
}

func newDeadListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Short: "List the dead-letter queue, the latest first where the queue keeps an order",
		Args:  args(cobra.NoArgs),
	}
	limit := cmd.Flags().Int("limit", 100, "how many at most; 0 is all")
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, _ []string) error {
		if *limit < 0 {
			return usage("--limit: must be 0 or more, got %d", *limit)
		}
		dead, err := b.dead(c.Context(), *limit)
		if err != nil {
			return err
		}
		return b.printDead(c, dead, *asJSON)
	})
}

func (b *brokers) printDead(c *cobra.Command, dead []deadOne, asJSON bool) error {
	rows, cells := []deadRow{}, [][]string{}
	for _, d := range dead {
		r := newDeadRow(d)
		rows = append(rows, r)
		cells = append(cells, b.columns(d.of, r.ID, shorten(r.Name, 24), shortClock(r.Buried), strconv.Itoa(r.Deliveries), shorten(plain(r.Reason), 80)))
	}
	switch {
	case asJSON:
		return printJSON(c.OutOrStdout(), rows)
	case len(rows) == 0:
		fmt.Fprintln(c.ErrOrStderr(), "the dead-letter queue is empty")
		return nil
	}
	return table(newScreen(c.OutOrStdout()), b.columns(nil, "ID", "NAME", "BURIED", "DELIVERIES", "REASON"), cells)
}

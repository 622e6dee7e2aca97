package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/record"
)

// An explanation is all that is known of a buried message. Its JSON form is what `millrace dlq explain --json` prints.
type explanation struct {
	deadRow
	Record *record.Record `json:"record,omitzero"` // of its job; none where no worker began it
	// Several are where the jobs of a message with more than one stand, by their IDs.
	Several map[string]record.Status `json:"several,omitzero"`
	// Quarantine is what was kept of a job that takes down what runs it.
	Quarantine *record.Quarantine `json:"quarantine,omitzero"`
	Advice     string             `json:"advice"`
}

func newDeadExplainCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Show a message of the dead-letter queue: why it is there, what its job did, what to do",
		Long: `Shows a message of the dead-letter queue: why it is there, what its job did, and what
to do about it. ID is the message's, its job's, or a beginning that only one has.`,
		Args: args(cobra.ExactArgs(1)),
	}
	asJSON := cmd.Flags().Bool("json", false, "as JSON")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, a []string) error {
		d, err := b.find(c.Context(), a[0])
		if err != nil {
			return err
		}
		records, err := b.cfg.openRecords(c.Context())
		if err != nil {
			return err
		}
		e, err := explain(c.Context(), records, d)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), e)
		}
		e.show(newScreen(c.OutOrStdout()))
		return nil
	})
}

func explain(ctx context.Context, records *record.Book, d deadOne) (*explanation, error) {
	e := &explanation{deadRow: newDeadRow(d)}
	e.Attributes, e.Body = d.Attributes, string(d.Body)
	if e.Job != "" {
		r, err := records.Load(ctx, e.Job)
		if err != nil && !errors.Is(err, record.ErrNotFound) {
			return nil, err
		}
		e.Record = r
		if e.Quarantine, err = records.Quarantine(ctx, e.Job); err != nil && !errors.Is(err, record.ErrNotFound) {
			return nil, err
		}
	}
	for _, id := range e.Jobs {
		if e.Several == nil {
			e.Several = map[string]record.Status{}
		}
		e.Several[id] = record.Queued
		r, err := records.Load(ctx, id)
		if err != nil && !errors.Is(err, record.ErrNotFound) {
			return nil, err
		}
		if r != nil {
			e.Several[id] = r.Status
		}
	}
	e.Advice = e.advice()
	return e, nil
}

// advice is what to do about a buried message, in a sentence or two.
func (e *explanation) advice() string {
	redrive := "`millrace dlq redrive " + e.ID + "`"
	switch {
	case e.Uploads > 0 && strings.Contains(e.Reason, "MILLRACE_ROUTES"):
		return "Give the workers a routing table (docs/routes.md, `millrace route test` tries it), then " + redrive + "."
	case e.Uploads > 0 || len(e.Jobs) > 0:
		return "The reason names the job that failed, or those: look at each (`millrace jobs describe ID`), mend the cause, then " + redrive + ": what has succeeded is not run again."
	case e.packed:
		return "Its body is packed, so what it asks for is not known here: try it with `millrace dlq replay --local " + e.ID + "`, mend the cause, then " + redrive + "."
	case e.Job == "":
		return "It is no job that this version knows: send what was meant anew, or leave it; sent again as it is it comes back here."
	case e.Record == nil:
		return "No worker has begun its job: where the queue itself moved it here, its maxReceiveCount is too low (`millrace doctor`); then " + redrive + "."
	case e.Quarantine != nil:
		return "It takes down what runs it: find the cause in the log and on the machine shown here, give it more memory (--job-memory) or mend the pipeline, try it with `millrace dlq replay --local " +
			e.ID + "`, then " + redrive + "."
	case e.Record.Status == record.Succeeded:
		return "Its job has succeeded all the same, so there is nothing to do; sent again it would be another job."
	case e.Record.Status == record.Failed:
		return "It can never pass as it is: mend the pipeline and " + redrive + ", or send a message that is right."
	}
	return "Mend the cause, try it here with `millrace dlq replay --local " + e.ID + "`, then " + redrive + "."
}

func (e *explanation) show(s *screen) {
	s.printf("%s\n", s.paint(bold, plain(e.ID)))
	for _, line := range [][2]string{
		{"queue", e.Queue},
		{"job", e.Job},
		{"name", e.Name},
		{"sent", clock(e.Sent)},
		{"buried", clock(e.Buried)},
		{"delivered", count(e.Deliveries, "time")},
		{"why", e.Reason},
		{"do", e.Advice},
	} {
		if line[1] != "" {
			labeled(s, line[0], line[1])
		}
	}
	if r := e.Record; r != nil {
		labeled(s, "status", string(r.Status))
		if len(r.Attempts) > 0 {
			s.printf("\n%s\n", s.paint(bold, "Attempts"))
		}
		for _, a := range r.Attempts {
			describeAttempt(s, a)
		}
	}
	if q := e.Quarantine; q != nil {
		showQuarantine(s, q)
	}
	if len(e.Jobs) > 0 {
		s.printf("\n%s\n", s.paint(bold, "Jobs"))
	}
	for _, id := range e.Jobs {
		s.printf("  %-10s %s\n", e.Several[id], plain(id))
	}
	s.printf("\n%s\n", s.paint(bold, "Body"))
	for line := range strings.Lines(e.Body) {
		s.printf("%s\n", plain(strings.TrimRight(line, "\r\n")))
	}
}

// showQuarantine shows what was kept of a job that takes down what runs it.
func showQuarantine(s *screen, q *record.Quarantine) {
	s.printf("\n%s\n", s.paint(bold, "Quarantined "+clock(q.Time)))
	labeled(s, "why", q.Reason)
	labeled(s, "digest", q.Digest)
	m := q.Machine
	labeled(s, "machine", fmt.Sprintf("%s, %s, kernel %s, %s, %s of memory (limit %s, a job's %s), %s of disk free, millrace %s, isolation %s",
		m.Host, m.OS, m.Kernel, count(m.CPUs, "processor"), bytesOf(m.MemoryBytes), bytesOf(m.LimitBytes), bytesOf(m.JobBytes), bytesOf(m.FreeBytes),
		m.Version, m.Isolation))
	for _, d := range q.Log {
		s.printf("  %s\n", plain(d.Message))
	}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/record"
)

// A row is one job of a list. Its JSON form is an element of `millrace jobs list --json`.
type row struct {
	ID       string        `json:"id"`
	Name     string        `json:"name,omitzero"`
	Pipeline string        `json:"pipeline,omitzero"`
	Status   record.Status `json:"status"`
	Created  time.Time     `json:"createdAt,omitzero"`
	Started  time.Time     `json:"startedAt,omitzero"`
	Stopped  time.Time     `json:"stoppedAt,omitzero"`
}

func newJobsListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, the newest first",
		Args:  args(cobra.NoArgs),
	}
	var cfg placeConfig
	load := bind(cmd, &cfg)
	from := cmd.Flags().StringP("from", "f", "1 day", `jobs sent since: 12h, "12 hours ago", 2026-01-31, or RFC 3339`)
	limit := cmd.Flags().Int("limit", 100, "how many at most; 0 is all")
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	cmd.RunE = func(c *cobra.Command, _ []string) (err error) {
		if err := load(); err != nil {
			return err
		}
		now := time.Now()
		start, err := since(*from, now)
		if err != nil {
			return usage("--from: %w", err)
		}
		if *limit < 0 {
			return usage("--limit: must be 0 or more, got %d", *limit)
		}
		d, err := openDesk(c.Context(), &cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.close()) }()
		rows, err := d.list(c.Context(), start, now, *limit, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), rows)
		}
		if note := d.unseen(); note != "" {
			fmt.Fprintln(c.ErrOrStderr(), note)
		}
		if len(rows) == 0 {
			fmt.Fprintf(c.ErrOrStderr(), "no jobs in %s since %s\n", cfg.storeName(), clock(start))
			return nil
		}
		return printRows(newScreen(c.OutOrStdout()), rows)
	}
	return cmd
}

// unreadable is the status in a list of a job whose record can't be read.
const unreadable record.Status = "?"

// list returns up to limit jobs (0 is all) sent from start to end, the newest first. Of those that can't be read it
// says on stderr why.
func (d *desk) list(ctx context.Context, start, end time.Time, limit int, stderr io.Writer) ([]row, error) {
	rows := []row{}
	known := map[string]bool{}
	for s, err := range d.records.List(ctx, start, end) {
		switch {
		case err != nil && s.ID == "":
			return nil, err
		case err != nil:
			fmt.Fprintln(stderr, "millrace:", err)
			s.Status = unreadable
		}
		known[s.ID] = true
		rows = append(rows, row{s.ID, s.Name, s.Pipeline, s.Status, s.Enqueued, s.Started, s.Finished})
		if len(rows) == limit {
			break
		}
	}
	waiting, err := d.waiting(ctx, start, limit, known)
	if err != nil {
		return nil, err
	}
	rows = append(rows, waiting...)
	slices.SortStableFunc(rows, func(a, b row) int { return b.Created.Compare(a.Created) })
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	return rows, nil
}

// waiting returns up to limit jobs (0 is all) that wait in the embedded queue since start, the newest first; those that
// are known, or have a record, count but are left out.
func (d *desk) waiting(ctx context.Context, start time.Time, limit int, known map[string]bool) (rows []row, err error) {
	if d.local == nil {
		return nil, nil
	}
	n := 0
	for m, err := range d.local.Newest(ctx) {
		if err != nil {
			return nil, err
		}
		if m.Enqueued.Before(start) || n == limit && limit > 0 {
			break
		}
		n++
		q := queued(m)
		if known[q.ID] || d.hasRecord(ctx, q.ID) {
			continue
		}
		known[q.ID] = true
		rows = append(rows, row{ID: q.ID, Name: q.Name, Pipeline: q.Pipeline, Status: q.Status, Created: q.Enqueued})
	}
	return rows, nil
}

// hasRecord says whether a worker has claimed a waiting job before: it is listed by its record then, or is too old.
func (d *desk) hasRecord(ctx context.Context, id string) bool {
	_, err := d.records.Load(ctx, id)
	return err == nil
}

func printRows(s *screen, rows []row) error {
	cells := make([][]string, len(rows))
	for i, r := range rows {
		cells[i] = []string{r.ID, shorten(cmp.Or(r.Name, r.Pipeline), 32), string(r.Status), shortClock(r.Created), shortClock(r.Started), shortClock(r.Stopped)}
	}
	return table(s, []string{"ID", "NAME", "STATUS", "CREATED", "STARTED", "STOPPED"}, cells)
}

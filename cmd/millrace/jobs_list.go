package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/record"
)

func newJobsListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, the newest first",
		Args:  args(cobra.NoArgs),
	}
	var cfg jobsConfig
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
		d, done, err := cfg.open(c.Context(), c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
		rows, unsearched, err := list(c.Context(), d, desk.Query{Since: start, Limit: *limit})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Problem != "" {
				fmt.Fprintln(c.ErrOrStderr(), "millrace:", r.Problem)
			}
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), rows)
		}
		if unsearched != "" {
			fmt.Fprintf(c.ErrOrStderr(), "jobs that no worker has taken are not shown: %s can't be searched\n", unsearched)
		}
		if len(rows) == 0 {
			fmt.Fprintf(c.ErrOrStderr(), "no jobs in %s since %s\n", cfg.name(), clock(start))
			return nil
		}
		return printRows(newScreen(c.OutOrStdout()), rows)
	}
	return cmd
}

// list returns up to q.Limit jobs, however many pages that takes, and the queues whose waiting jobs are missing.
func list(ctx context.Context, v jobView, q desk.Query) (rows []desk.Row, unsearched string, err error) {
	rows = []desk.Row{}
	for most := q.Limit; ; q.Limit = most - len(rows) {
		p, err := v.List(ctx, q)
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, p.Jobs...)
		if q.After = p.Next; q.After == (record.Place{}) || most > 0 && len(rows) >= most {
			return rows, p.Unsearched, nil
		}
	}
}

func printRows(s *screen, rows []desk.Row) error {
	cells := make([][]string, len(rows))
	for i, r := range rows {
		cells[i] = []string{r.ID, shorten(cmp.Or(r.Name, r.Pipeline), 32), string(r.Status), shortClock(r.Created), shortClock(r.Started), shortClock(r.Stopped)}
	}
	return table(s, []string{"ID", "NAME", "STATUS", "CREATED", "STARTED", "STOPPED"}, cells)
}

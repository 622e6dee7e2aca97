package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/record"
)

func newJobsCancelCmd() *cobra.Command {
	var why string
	cmd := onJob("cancel", "Stop a job, or keep it from being run", func(c *cobra.Command, d *desk, id string) error {
		r, err := d.find(c.Context(), id)
		if r, err = d.orQueued(id, r, err); err != nil {
			return err
		}
		if r.Status.Final() {
			return fmt.Errorf("job %s is over already: %s", r.ID, r.Status)
		}
		if err := d.records.Cancel(c.Context(), r.ID, why); err != nil {
			return err
		}
		what := "it is queued: the worker that takes it will not run it, and record it as " + string(record.Cancelled)
		if r.Message != "" {
			what = r.Message + ": a worker that takes it will not run it, and record it as " + string(record.Cancelled)
		}
		switch r.Status {
		case record.Running:
			what = "it is running: its worker stops it at the next heartbeat of its lease"
		case record.Retrying:
			what = "it waits for another attempt, which will not be made"
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", r.ID, what)
		return err
	})
	cmd.Flags().StringVar(&why, "why", "canceled by `millrace jobs cancel`", "reason, for the record")
	return cmd
}

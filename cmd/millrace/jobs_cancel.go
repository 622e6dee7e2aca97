package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/record"
)

func newJobsCancelCmd() *cobra.Command {
	var why string
	cmd := onJob("cancel", "Stop a job, or keep it from being run", func(c *cobra.Command, d jobView, id string) error {
		r, err := findOrQueued(c.Context(), d, id)
		if err != nil {
			return err
		}
		done, err := d.Cancel(c.Context(), r.ID, why)
		if over, ok := errors.AsType[*record.FinalError](err); ok {
			return fmt.Errorf("job %s is over already: %s", over.Final.ID, over.Final.Status)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", done.ID, done.Detail)
		return err
	})
	cmd.Flags().StringVar(&why, "why", "canceled by `millrace jobs cancel`", "reason, for the record")
	return cmd
}

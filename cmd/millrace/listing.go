package main

import (
	"context"

	"github.com/spf13/cobra"
)

// listing has cmd show what a file holds that cfg, a pointer to a config struct, names: as a table, a row for each, or as JSON.
func listing[V any](cmd *cobra.Command, cfg any, list func(ctx context.Context) ([]V, error), head []string, row func(V) []string) *cobra.Command {
	load := bind(cmd, cfg)
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if err := load(); err != nil {
			return err
		}
		views, err := list(c.Context())
		switch {
		case err != nil:
			return err
		case *asJSON:
			return printJSON(c.OutOrStdout(), views)
		}
		rows := make([][]string, len(views))
		for i, v := range views {
			rows[i] = row(v)
		}
		return table(newScreen(c.OutOrStdout()), head, rows)
	}
	return cmd
}

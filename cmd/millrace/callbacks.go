package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/callback"
)

// outboxConfig is what commands about completion callbacks can be told.
type outboxConfig struct {
	placeConfig
	callbackConfig
}

func (c *outboxConfig) complete(from func(string) string) []error {
	return append(c.placeConfig.complete(from), c.callbackConfig.complete(from)...)
}

func newCallbacksCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "callbacks",
		Short: "Look at completion callbacks that did not get through, and send them",
	}
	cmd.AddCommand(newCallbacksListCmd(), newCallbacksReplayCmd(), newDeliverCmd())
	return group(cmd)
}

// onOutbox makes cmd one that is about the outbox of a store.
func onOutbox(cmd *cobra.Command, run func(c *cobra.Command, o *callback.Outbox, a []string) error) *cobra.Command {
	var cfg outboxConfig
	load := bind(cmd, &cfg)
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) && cfg.store.kind == kindLocal {
			return fmt.Errorf("%w %s: name another with --data, or the bucket with --store", errNoFolder, cfg.Data)
		}
		records, err := cfg.openRecords(c.Context())
		if err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
		return run(c, &callback.Outbox{Records: records, Sender: cfg.sender(log), Log: log}, a)
	}
	return cmd
}

// An owedRow is a callback that did not get through. Its JSON form is an element of `millrace callbacks list --json`.
type owedRow struct {
	callback.Waiting
	State string `json:"state"` // owed, or given up
}

func newCallbacksListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the callbacks that are owed, and those that were given up",
		Args:  args(cobra.NoArgs),
	}
	limit := cmd.Flags().Int("limit", 100, "how many of each at most; 0 is all")
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list")
	return onOutbox(cmd, func(c *cobra.Command, o *callback.Outbox, _ []string) error {
		if *limit < 0 {
			return usage("--limit: must be 0 or more, got %d", *limit)
		}
		owed, err := owedRows(c, o.List(c.Context()), "owed", *limit)
		if err != nil {
			return err
		}
		gone, err := owedRows(c, o.Exhausted(c.Context()), "given up", *limit)
		if err != nil {
			return err
		}
		rows := append(owed, gone...)
		switch {
		case *asJSON:
			return printJSON(c.OutOrStdout(), rows)
		case len(rows) == 0:
			fmt.Fprintln(c.ErrOrStderr(), "no callback is owed, and none was given up")
			return nil
		}
		cells := make([][]string, len(rows))
		for i, r := range rows {
			cells[i] = []string{r.Job, r.State, r.Host, strconv.Itoa(r.Tries), shortClock(r.First), shortClock(r.Due), shorten(plain(r.Error), 60)}
		}
		return table(newScreen(c.OutOrStdout()), []string{"JOB", "STATE", "RECEIVER", "TRIES", "SINCE", "DUE", "ERROR"}, cells)
	})
}

// owedRows reads up to limit entries; one that can't be read is said and left out.
func owedRows(c *cobra.Command, entries iter.Seq2[callback.Waiting, error], state string, limit int) ([]owedRow, error) {
	rows := []owedRow{}
	for w, err := range entries {
		switch {
		case err != nil && w.Job == "":
			return nil, err
		case err != nil:
			fmt.Fprintln(c.ErrOrStderr(), "millrace:", err)
			continue
		}
		rows = append(rows, owedRow{w, state})
		if len(rows) == limit {
			break
		}
	}
	return rows, nil
}

func newCallbacksReplayCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay JOB|--all",
		Short: "Make callbacks that were given up due again",
		Long: `Makes the callback of a job due again that was given up, or with --all every such
one, and lets a receiver have callbacks again that had answered 410 Gone. Workers
send it within a minute; ` + "`millrace callbacks deliver`" + ` does at once.`,
		Args: args(cobra.MaximumNArgs(1)),
	}
	all := cmd.Flags().Bool("all", false, "every callback that was given up")
	return onOutbox(cmd, func(c *cobra.Command, o *callback.Outbox, a []string) error {
		if *all == (len(a) == 1) {
			return usage("which callback? give a job's ID, or --all (see `%s --help`)", c.CommandPath())
		}
		jobs := a
		if *all {
			gone, err := owedRows(c, o.Exhausted(c.Context()), "", 0)
			if err != nil {
				return err
			}
			for _, r := range gone {
				jobs = append(jobs, r.Job)
			}
		}
		for _, job := range jobs {
			if err := o.Replay(c.Context(), job); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(c.OutOrStdout(), job); err != nil {
				return err
			}
		}
		return nil
	})
}

func newDeliverCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deliver",
		Short: "Send every callback that is due, once; for a CronJob where workers scale to zero",
		Args:  args(cobra.NoArgs),
	}
	return onOutbox(cmd, func(c *cobra.Command, o *callback.Outbox, _ []string) error {
		return untilStopped(c.Context(), func(ctx context.Context) error {
			n, err := o.DeliverDue(ctx)
			fmt.Fprintf(c.ErrOrStderr(), "%s delivered\n", count(n, "callback"))
			return err
		})
	})
}

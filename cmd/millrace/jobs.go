package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

func newJobsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Send jobs to the queue and look at them",
	}
	cmd.AddCommand(newJobsRunCmd(), newJobsListCmd(), newJobsDescribeCmd(), newJobsLogsCmd(), newJobsWatchCmd(), newJobsCancelCmd(),
		newJobsDeadCmd())
	return group(cmd)
}

// group makes a command that only holds others say which there are: alone with its help, after a word that is none of
// them as a usage error.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args, cmd.SuggestionsMinimumDistance = cobra.ArbitraryArgs, 2
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if len(a) == 0 {
			return c.Help()
		}
		if near := c.SuggestionsFor(a[0]); len(near) > 0 {
			return usage("%q is no command of `%s`, did you mean %q?", a[0], c.CommandPath(), near[0])
		}
		return usage("%q is no command of `%s` (see `%s --help`)", a[0], c.CommandPath(), c.CommandPath())
	}
	return cmd
}

// A desk is the queue and the records of one data folder, for commands that look at jobs and send them.
type desk struct {
	queue   *localqueue.Driver
	records *record.Book
}

// openDesk opens what is in the data folder. Close it after use. Without such a folder the error is errNoFolder.
func openDesk(ctx context.Context, cfg dataConfig) (*desk, error) {
	if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w %s: send a job first (`millrace jobs run`), or name another with --data", errNoFolder, cfg.Data)
	}
	return makeDesk(ctx, cfg)
}

var errNoFolder = errors.New("there is no folder")

// makeDesk is openDesk that makes the folder where there is none.
func makeDesk(ctx context.Context, cfg dataConfig) (*desk, error) {
	_, driver, err := cfg.openQueue(ctx, 30*time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	records, err := cfg.openRecords()
	if err != nil {
		return nil, errors.Join(err, driver.Close())
	}
	return &desk{driver, records}, nil
}

func (d *desk) close() error { return d.queue.Close() }

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package main

import (
	"context"
	"errors"
	"strings"
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

// A desk is the records of one store, and the queues that jobs wait in, for commands that look at jobs.
type desk struct {
	local   *localqueue.Driver // nil where none of the queues is the embedded one: no other can be searched for a job
	remote  []queueRef         // the queues that can't be searched
	records *record.Book
}

// openDesk opens what commands look at. Close it after use. Where all of it would be in the data folder, and there is
// none, the error is errNoFolder.
func openDesk(ctx context.Context, cfg *placeConfig) (*desk, error) {
	if err := cfg.mustStand(); err != nil {
		return nil, err
	}
	return makeDesk(ctx, cfg)
}

var errNoFolder = errors.New("there is no folder")

// makeDesk is openDesk that makes the folder where there is none.
func makeDesk(ctx context.Context, cfg *placeConfig) (*desk, error) {
	d := &desk{}
	for _, ref := range cfg.queues {
		if ref.kind != kindLocal {
			d.remote = append(d.remote, ref)
			continue
		}
		var err error
		if d.local, err = localqueue.Open(ctx, localqueue.Config{Path: cfg.queueFile()}); err != nil {
			return nil, err
		}
	}
	var err error
	if d.records, err = cfg.openRecords(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *desk) close() error {
	if d.local == nil {
		return nil
	}
	return d.local.Close()
}

// unseen says where jobs may wait that can't be shown; empty where there is no such queue.
func (d *desk) unseen() string {
	if len(d.remote) == 0 {
		return ""
	}
	return "jobs that no worker has taken are not shown: " + d.unsearched() + " can't be searched"
}

// unsearched names the queues that can't be searched.
func (d *desk) unsearched() string {
	var names []string
	for _, ref := range d.remote {
		names = append(names, ref.text)
	}
	return strings.Join(names, ", ")
}

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

package main

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/queue"
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

// A jobView is what commands look at jobs through: the records and queues themselves, or a gateway.
type jobView interface {
	// Load returns the record of exactly this job, or a *desk.NoJobError.
	Load(ctx context.Context, id string) (*record.Record, error)
	// List returns a page of jobs, the newest first.
	List(ctx context.Context, q desk.Query) (desk.Page, error)
	// Logs yields what a job has logged; with follow until it is over, also where it has not begun.
	Logs(ctx context.Context, id string, follow bool) iter.Seq2[engine.Event, error]
	// Cancel has a job stopped, or kept from being run; a *record.FinalError where it is over.
	Cancel(ctx context.Context, id, why string) (desk.Canceled, error)
	// Due is in how long the next attempt at a job may be made; known is false where that can't be told.
	Due(ctx context.Context, id string) (in time.Duration, known bool)
}

var _ jobView = (*localDesk)(nil)

// A localDesk is the records of one store, and the queues that jobs wait in.
type localDesk struct {
	*desk.Desk
	queue *localqueue.Driver // nil where none of the queues is the embedded one: no other can be searched for a job
}

// openDesk opens what commands look at. Close it after use. Where all of it would be in the data folder, and there is
// none, the error is errNoFolder.
func openDesk(ctx context.Context, cfg *placeConfig) (*localDesk, error) {
	if err := cfg.mustStand(); err != nil {
		return nil, err
	}
	d, err := makeDesk(ctx, cfg)
	if err == nil && d.queue != nil {
		d.Queue.Find = d.findAmong
	}
	return d, err
}

// findAmong is the queue's Find, which knows messages of one job, and looks after that into the newest ones for a job that came
// with others.
func (d *localDesk) findAmong(ctx context.Context, id string) (queue.Waiting, error) {
	const most = 1000
	found, err := d.queue.Find(ctx, id)
	if !errors.Is(err, queue.ErrNotFound) {
		return found, err
	}
	n := 0
	for m, lookErr := range d.queue.Newest(ctx, "") {
		if lookErr != nil {
			return queue.Waiting{}, lookErr
		}
		if slices.ContainsFunc(desk.Queued(m), func(r *record.Record) bool { return r.ID == id }) {
			return m, nil
		}
		if n++; n == most {
			break
		}
	}
	return found, err
}

var errNoFolder = errors.New("there is no folder")

// makeDesk is openDesk that makes the folder where there is none.
func makeDesk(ctx context.Context, cfg *placeConfig) (*localDesk, error) {
	d := &localDesk{Desk: &desk.Desk{}}
	for _, ref := range cfg.queues {
		if ref.kind != kindLocal {
			d.Unsearched = append(d.Unsearched, ref.text)
			continue
		}
		var err error
		if d.queue, err = localqueue.Open(ctx, localqueue.Config{Path: cfg.queueFile()}); err != nil {
			return nil, err
		}
		d.Queue = &desk.Queue{Find: d.queue.Find, Newest: d.queue.Newest}
	}
	var err error
	if d.Records, err = cfg.openRecords(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *localDesk) close() error {
	if d.queue == nil {
		return nil
	}
	return d.queue.Close()
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

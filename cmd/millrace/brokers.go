package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/queue"
)

// brokers are the queues of --queue, open, for commands that look into them and mend them.
type brokers struct {
	cfg placeConfig
	all []queue.Broker
}

// onBrokers makes cmd one that is about the queues of --queue: run gets them open.
func onBrokers(cmd *cobra.Command, run func(c *cobra.Command, b *brokers, a []string) error) *cobra.Command {
	var cfg placeConfig
	load := bind(cmd, &cfg)
	cmd.RunE = func(c *cobra.Command, a []string) (err error) {
		if err := load(); err != nil {
			return err
		}
		if err := cfg.mustStand(); err != nil {
			return err
		}
		b := &brokers{cfg: cfg}
		if b.all, err = cfg.openBrokers(c.Context(), 30*time.Second); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeAll(b.all)) }()
		return run(c, b, a)
	}
	return cmd
}

// mustStand returns errNoFolder where a queue or the store would lie in the data folder, and there is none.
func (c *placeConfig) mustStand() error {
	if _, err := os.Stat(c.Data); errors.Is(err, fs.ErrNotExist) && c.inFolder() {
		return fmt.Errorf("%w %s: send a job first (`millrace jobs run`), or name another with --data", errNoFolder, c.Data)
	}
	return nil
}

// only returns the queue, where one is named; doing is for the sentence else: "purge".
func (b *brokers) only(doing string) (queue.Broker, error) {
	if len(b.all) != 1 {
		return nil, usage("--queue: %s concerns one queue, and %d are named", doing, len(b.all))
	}
	return b.all[0], nil
}

// columns are the head of a table and its cells, with the queue's name first where there are several.
func (b *brokers) columns(q queue.Broker, cells ...string) []string {
	if len(b.all) == 1 {
		return cells
	}
	name := "QUEUE"
	if q != nil {
		name = q.Name()
	}
	return append([]string{name}, cells...)
}

// A deadOne is a message of a queue's dead-letter queue.
type deadOne struct {
	queue.Buried
	of queue.Broker
}

// maxDead is how many messages of a dead-letter queue a search looks at, and what a list without a limit shows.
const maxDead = 100_000

// dead returns up to limit messages of each queue's dead-letter queue.
func (b *brokers) dead(ctx context.Context, limit int) ([]deadOne, error) {
	var all []deadOne
	for _, q := range b.all {
		some, err := q.Dead(ctx, cmp.Or(limit, maxDead))
		if err != nil {
			return nil, err
		}
		for _, d := range some {
			all = append(all, deadOne{d, q})
		}
	}
	return all, nil
}

// find returns the one buried message that id names: its own ID, its job's, or a beginning that only one has. The
// error is a sentence.
func (b *brokers) find(ctx context.Context, id string) (deadOne, error) {
	all, err := b.dead(ctx, 0)
	if err != nil {
		return deadOne{}, err
	}
	var found []deadOne
	for _, d := range all {
		row := newDeadRow(d)
		if d.ID == id || row.of(id) {
			return d, nil // the latest, where one job was buried several times
		}
		if strings.HasPrefix(d.ID, id) || strings.HasPrefix(row.Job, id) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return deadOne{}, fmt.Errorf("the dead-letter queue has no message %q; `millrace dlq list` shows what there is", id)
	case 1:
		return found[0], nil
	}
	return deadOne{}, fmt.Errorf("several dead messages' IDs begin with %q (%s, %s, …): write more of it", id, found[0].ID, found[1].ID)
}

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/worker/record"
)

// dueFor is how long a callback that is due wakes workers: one that no worker got rid of in so long, an entry that is damaged
// say, does not keep a pod for ever.
const dueFor = 24 * time.Hour

func (c *scalerConfig) completeCallbacks(from func(string) string) []error {
	if c.Callbacks == "" {
		return nil
	}
	var errs []error
	if !slices.ContainsFunc(c.queues, func(q scaledQueue) bool { return q.name == c.Callbacks }) {
		errs = append(errs, fmt.Errorf("%s: %q is no class that a queue is named for (%s)", from("callbacks"), c.Callbacks, from("queue")))
	}
	var err error
	c.store, err = parseStore(c.Store)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("%s: %w", from("store"), err))
	case c.store.kind == kindLocal:
		errs = append(errs, fmt.Errorf("%s: callbacks wait in the workers' store, which must be a bucket: s3://bucket/prefix or cos://bucket/prefix", from("store")))
	}
	return errs
}

// due is what says whether a callback is due in the store's outbox: one request. The store is opened when it is first asked, and
// asked again where it does not answer: the scaler goes on without.
func (c *scalerConfig) due() func(ctx context.Context) (bool, error) {
	var records *record.Book
	return func(ctx context.Context) (bool, error) {
		if records == nil {
			store, err := c.openBucket(ctx, c.store)
			if err != nil {
				return false, err
			}
			records = record.New(store, time.Now)
		}
		for _, err := range records.Due(ctx, time.Now().Add(-dueFor)) {
			return err == nil, err
		}
		return false, nil
	}
}

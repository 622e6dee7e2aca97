package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/worker/record"
)

// sweepEvery is how often a worker looks for what is too old.
const sweepEvery = time.Hour

// keepConfig says how long what jobs leave stays in a folder store. A bucket has rules of its own: `millrace gen lifecycle`.
type keepConfig struct {
	KeepOutputs time.Duration `flag:"keep-outputs" default:"0s" doc:"how long a folder keeps the outputs of a job that does not say, after its end; 0s is for ever; buckets have rules of their own (millrace gen lifecycle)"`
	KeepUploads time.Duration `flag:"keep-uploads" default:"0s" doc:"how long a folder keeps what was uploaded for a job, after its end; 0s is as long as its record; what no job was made of goes after a day"`
	KeepRecords time.Duration `flag:"keep-records" default:"0s" doc:"how long a folder keeps the record of a job, and all that is left of it, after its end; at least 360h, 0s is for ever"`
}

func (c *keepConfig) check(from func(string) string, store storeRef) (errs []error) {
	for flag, d := range map[string]time.Duration{"keep-outputs": c.KeepOutputs, "keep-uploads": c.KeepUploads, "keep-records": c.KeepRecords} {
		if d > 0 && store.kind != kindLocal {
			errs = append(errs, fmt.Errorf("%s: %s is a bucket, which removes what is old by its own rules; `millrace gen lifecycle` writes them", from(flag), store.text))
		}
	}
	if c.KeepRecords > 0 && c.KeepRecords < record.LeastRecords {
		errs = append(errs, fmt.Errorf("%s: must be 0s or at least %v, got %v: a copy of a message that comes later runs the job again", from("keep-records"), record.LeastRecords, c.KeepRecords))
	}
	if c.KeepRecords > 0 && c.KeepOutputs > c.KeepRecords {
		errs = append(errs, fmt.Errorf("%s: outputs go with the record at the latest, after %v", from("keep-outputs"), c.KeepRecords))
	}
	return errs
}

// sweep removes from a folder what is too old, at once and then every hour, until stop is called. What it can't remove it says.
func (c *keepConfig) sweep(ctx context.Context, store storeRef, records *record.Book, log *slog.Logger) (stop func()) {
	if store.kind != kindLocal {
		return func() {}
	}
	keep := record.Keep{Outputs: c.KeepOutputs, Uploads: c.KeepUploads, Records: c.KeepRecords}
	return repeat(ctx, sweepEvery, func(ctx context.Context) {
		n, err := records.Sweep(ctx, keep)
		switch {
		case err != nil && ctx.Err() == nil:
			log.WarnContext(ctx, "old jobs not swept", "err", err)
		case n != record.Swept{}:
			log.InfoContext(ctx, "old jobs swept", "outputs", n.Outputs, "records", n.Records, "uploads", n.Uploads)
		}
	})
}

// repeat does something at once, and again whenever so much time has gone by, until stop is called. That waits for its end.
func repeat(ctx context.Context, every time.Duration, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for ctx.Err() == nil {
			do(ctx)
			select {
			case <-t.C:
			case <-ctx.Done():
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

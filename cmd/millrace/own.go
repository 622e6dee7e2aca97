package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

// A router makes a job of an upload, or says in a sentence why there is none.
type router func(u job.Upload) (*job.Job, string)

// router is how a worker makes jobs of uploads; nil without a table.
func (c *workConfig) router(ctx context.Context, catalogue *pipelines.Catalogue, log *slog.Logger) (func(u job.Upload) (*job.Job, string, error), error) {
	rules, err := c.openRoutes(ctx, &c.cloudConfig, catalogue, log)
	if err != nil || rules == nil {
		return nil, err
	}
	classes := slices.Collect(maps.Values(c.classes))
	return func(u job.Upload) (*job.Job, string, error) {
		if why := c.own(u, classes); why != "" {
			return nil, why, nil
		}
		return rules().Make(u)
	}, nil
}

// without is route, but for uploads to the places where jobs' records, outputs and messages are written: each job would make
// the next.
func (c *placeConfig) without(route router) router {
	return func(u job.Upload) (*job.Job, string) {
		if why := c.own(u, nil); why != "" {
			return nil, why
		}
		return route(u)
	}
}

// own says why an object is none that somebody has uploaded; empty where it may be. others are queues besides those of c. What the gateway tells of, it took itself.
func (c *placeConfig) own(u job.Upload, others []queueRef) string {
	if u.Source == "gateway" {
		return ""
	}
	if rest, ok := beneath(u, c.store.kind, c.store.bucket, c.store.prefix); ok && record.Ours(rest) {
		return fmt.Sprintf("%s is what a job has left in the store %s", clipped(u.Key), c.store.text)
	}
	for _, q := range slices.Concat(c.queues, others) {
		if _, ok := beneath(u, q.kind, q.bucket, q.prefix); ok {
			return fmt.Sprintf("%s is a message of the queue %s", clipped(u.Key), q.text)
		}
	}
	return ""
}

// beneath returns the key of an upload below a prefix of a bucket.
func beneath(u job.Upload, kind, bucket, prefix string) (rest string, ok bool) {
	if kind != kindS3 && kind != kindCOS || u.Bucket != bucket {
		return "", false
	}
	if prefix == "" {
		return u.Key, true
	}
	return strings.CutPrefix(u.Key, prefix+"/")
}

// clipped keeps a key from flooding a sentence.
func clipped(key string) string { return fmt.Sprintf("%.100q", key) }

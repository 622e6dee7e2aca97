package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/payload"
)

// fitConfig says which jobs a worker is fit for, where the others go, and where messages' bodies may lie.
type fitConfig struct {
	Labels         []string `flag:"labels" default:"" doc:"what this worker has, name=value, comma-separated: jobs that require something else are handed back"`
	ClassQueues    []string `flag:"class-queues" default:"" doc:"queues that jobs of another class are sent on to, class=queue, comma-separated"`
	PayloadBuckets []string `flag:"payload-buckets" default:"" doc:"S3 buckets that messages may point to for their body: bucket or bucket/prefix, comma-separated"`
	PayloadMax     size     `flag:"payload-max" default:"5Mi" doc:"longest body of a message, once it is unpacked"`

	labels  map[string]string   // of Labels, by complete
	classes map[string]queueRef // of ClassQueues, by complete
}

func (c *fitConfig) complete(from func(string) string) (errs []error) {
	c.labels, c.classes = map[string]string{}, map[string]queueRef{}
	for _, text := range c.Labels {
		name, value, ok := strings.Cut(text, "=")
		if !ok || !job.IsLabel(name) || value == "" {
			errs = append(errs, fmt.Errorf("%s: %q is no label; write it like gpu=l4", from("labels"), text))
		}
		if isWrongSize(value) {
			errs = append(errs, fmt.Errorf("%s: %q is no size; write it like %s=24Gi", from("labels"), text, name))
		}
		c.labels[name] = value
	}
	for _, text := range c.ClassQueues {
		class, ref, ok := strings.Cut(text, "=")
		r, err := parseQueue(ref)
		switch {
		case !ok || class == "":
			errs = append(errs, fmt.Errorf("%s: %q is not class=queue; write it like gpu=sqs:gpu-jobs", from("class-queues"), text))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", from("class-queues"), err))
		}
		c.classes[class] = r
	}
	if c.PayloadMax < 1 || c.PayloadMax > payload.Most {
		errs = append(errs, fmt.Errorf("%s: must be 1 to %d bytes, got %d", from("payload-max"), payload.Most, c.PayloadMax))
	}
	return errs
}

// isWrongSize says whether a label's value is meant to be a size, and is not: jobs that require a size would never fit.
func isWrongSize(value string) bool {
	unit := strings.TrimLeft(value, "0123456789.")
	return unit != value && len(unit) == 2 && strings.Contains("kmgt", strings.ToLower(unit[:1])) &&
		unicode.IsLetter(rune(unit[1])) && strings.ToLower(unit[1:]) != "i"
}

// payloads reads messages' bodies from the buckets that the operator lists, up to so many bytes.
func (c *cloudConfig) payloads(allowed []string, most int64) payload.Resolver {
	b := &buckets{open: func(ctx context.Context, bucket string) (blob.Store, error) {
		return s3blob.Open(ctx, s3blob.Config{AWS: c.aws(c.S3Endpoint), Bucket: bucket})
	}, stores: map[string]blob.Store{}}
	return payload.Resolver{Fetch: b.fetch, Buckets: allowed, Max: most}
}

// buckets are opened when they are first asked for. There are no more than the operator lists.
type buckets struct {
	open   func(ctx context.Context, bucket string) (blob.Store, error)
	mu     sync.Mutex
	stores map[string]blob.Store // guarded by mu
}

func (b *buckets) fetch(ctx context.Context, bucket, key string, max int64) ([]byte, error) {
	store, err := b.store(ctx, bucket)
	if err != nil {
		return nil, err
	}
	return payload.Read(ctx, store, key, max)
}

func (b *buckets) store(ctx context.Context, bucket string) (blob.Store, error) {
	b.mu.Lock()
	store, ok := b.stores[bucket]
	b.mu.Unlock()
	if ok {
		return store, nil
	}
	store, err := b.open(ctx, bucket)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stores[bucket] = store
	return store, nil
}

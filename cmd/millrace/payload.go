package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/worker/payload"
)

// payloadConfig says where messages' bodies may lie, and how long they may be.
type payloadConfig struct {
	PayloadBuckets []string `flag:"payload-buckets" default:"" doc:"S3 buckets that messages may point to for their body: bucket or bucket/prefix, comma-separated"`
	PayloadMax     size     `flag:"payload-max" default:"5Mi" doc:"longest body of a message, once it is unpacked"`
}

func (c *payloadConfig) complete(from func(string) string) (errs []error) {
	if c.PayloadMax < 1 || c.PayloadMax > payload.Most {
		errs = append(errs, fmt.Errorf("%s: must be 1 to %d bytes, got %d", from("payload-max"), payload.Most, c.PayloadMax))
	}
	return errs
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

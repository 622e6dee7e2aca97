// Package bucket is what every store in a bucket does alike, whatever SDK speaks for it: keys under a prefix, retries,
// transfers that stall or break, uploads in parts.
//
// # What is tried again
//
// A call that got no answer, or one that says "later" (5xx, SlowDown, a conflict with another call), is made up to 4
// times within about 2 s, as long as ctx lasts. Every try has a time limit of its own, which grows with what it sends. So
// a Create whose first try was done and whose answer was lost finds its own object and returns ErrExists.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud"
)

// An SDK makes calls about one bucket, each once, and returns the errors of its SDK as they are. Its methods are the
// calls that S3 has: two SDKs implement it, and what is above it is written once.
type SDK interface {
	// Create puts b where no object stands: If-None-Match: *.
	Create(ctx context.Context, key string, b []byte) error
	Put(ctx context.Context, key string, b []byte) error
	// Get returns the object from byte `from` on; with an etag only the one that has it.
	Get(ctx context.Context, key string, from int64, etag string) (*Object, error)
	// Delete removes an object; an error that says that there is none is let through.
	Delete(ctx context.Context, key string) error
	// List returns up to most objects, sorted by key, and whether there are more. It asks for keys in URLs' encoding.
	List(ctx context.Context, prefix, after string, most int) (page []blob.Info, more bool, err error)

	// Begin starts an upload in parts, which nobody sees before Complete.
	Begin(ctx context.Context, key string) (upload string, err error)
	// Part puts part n, counted from 1, and returns its ETag.
	Part(ctx context.Context, key, upload string, n int, b []byte) (etag string, err error)
	Complete(ctx context.Context, key, upload string, etags []string) error
	Abort(ctx context.Context, key, upload string) error
}

// An Object is what Get returns. Its Info has the size of the body, and no key.
type Object struct {
	blob.Info
	ETag string
	Body io.ReadCloser
}

// Config says what a Store is.
type Config struct {
	SDK    SDK
	Name   string // of the bucket as people write it, for errors: s3://bucket
	Prefix string // of all keys, without a slash around it; may be empty
	// Stall is how long a transfer may stay below 4 KiB/s, and a call without an answer; default 30 s.
	Stall time.Duration
}

// A Store keeps objects in a bucket, under a prefix.
type Store struct {
	sdk    SDK
	name   string
	prefix string // empty, or with a slash at its end
	stall  time.Duration
}

var _ blob.Store = (*Store)(nil)

// Open checks the configuration, and by one call that the bucket is there and may be read: a wrong name, wrong
// credentials and a wrong endpoint show at once, as a *cloud.Error.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{sdk: c.SDK, name: c.Name, stall: c.Stall}
	if s.stall <= 0 {
		s.stall = 30 * time.Second
	}
	if p := strings.Trim(c.Prefix, "/"); p != "" {
		if err := blob.CheckKey(p); err != nil {
			return nil, fmt.Errorf("open store %s: prefix: %w", c.Name, err)
		}
		s.prefix = p + "/"
	}
	if err := s.Check(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// String is how people write the store: s3://bucket/prefix.
func (s *Store) String() string { return strings.TrimSuffix(s.name+"/"+s.prefix, "/") }

// Check makes one cheap call, a list of one object at most, and says why it isn't done: a *cloud.Error.
func (s *Store) Check(ctx context.Context) error {
	return s.try(ctx, "list "+s.String(), 0, func(ctx context.Context) error {
		_, _, err := s.sdk.List(ctx, s.prefix, "", 1)
		return err
	})
}

// Create implements [blob.Store].
func (s *Store) Create(ctx context.Context, key string, b []byte) error {
	full, err := s.full(key)
	if err != nil {
		return fmt.Errorf("create object: %w", err)
	}
	err = s.try(ctx, "put into "+s.name, len(b), func(ctx context.Context) error { return s.sdk.Create(ctx, full, b) })
	switch cloud.Status(err) {
	case http.StatusPreconditionFailed:
		err = blob.ErrExists
	case http.StatusNotImplemented:
		err = fmt.Errorf("%w (%s)", blob.ErrUnconditional, cloud.Code(err))
	}
	if err != nil {
		return fmt.Errorf("create object %s: %w", key, err)
	}
	return nil
}

// Delete implements [blob.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	full, err := s.full(key)
	if err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	err = s.try(ctx, "delete from "+s.name, 0, func(ctx context.Context) error { return s.sdk.Delete(ctx, full) })
	if err != nil && !isMissing(err) {
		return fmt.Errorf("delete object %s: %w", key, err)
	}
	return nil
}

// full is the key in the bucket.
func (s *Store) full(key string) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	if most := blob.MaxKeyBytes - len(s.prefix); len(key) > most {
		return "", &blob.KeyError{Key: key, Reason: fmt.Sprintf("is longer than %d bytes, which the prefix %s leaves", most, s.prefix)}
	}
	return s.prefix + key, nil
}

// isMissing says that there is no object under a key. A missing bucket is something else.
func isMissing(err error) bool { return cloud.Code(err) == "NoSuchKey" }

// errSilent is the end of a call that got no answer in time.
var errSilent = errors.New("no answer in time")

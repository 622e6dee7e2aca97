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
	"github.com/millrace/millrace/modules/cloud/sdk"
)

// An SDK makes calls about one bucket, each once, and returns the errors of its SDK as they are; one that says that there is
// no such object has the code NoSuchKey or is blob.ErrNotFound. What is above it is written once.
type SDK interface {
	// Create puts b where no object stands.
	Create(ctx context.Context, key string, b *Body) error
	// Put puts an object in place of what stood there, and returns its ETag.
	Put(ctx context.Context, key string, b *Body, o blob.PutOptions) (etag string, err error)
	// Get returns an object or a range of it. An answer that says nothing of ranges is an error.
	Get(ctx context.Context, key string, w Want) (*Object, error)
	// Stat returns an object without a body. Where there is none its error need not say whether there is a bucket.
	Stat(ctx context.Context, key string) (*Object, error)
	// Delete removes an object; an error that says that there is none is let through.
	Delete(ctx context.Context, key string) error
	// List returns up to most objects, sorted by key, and whether there are more.
	List(ctx context.Context, prefix, after string, most int) (page []blob.Info, more bool, err error)
	// MakeBucket makes the bucket; that it is there already is an error.
	MakeBucket(ctx context.Context) error
}

// Parts are the calls of an SDK that put an object in parts, several at once.
type Parts interface {
	// Begin starts an upload in parts, which nobody sees before Complete.
	Begin(ctx context.Context, key string, o blob.PutOptions) (upload string, err error)
	// Part puts part n, counted from 1.
	Part(ctx context.Context, key, upload string, n int, b *Body) (Part, error)
	Complete(ctx context.Context, key, upload string, parts []Part) (etag string, err error)
	Abort(ctx context.Context, key, upload string) error
}

// A Part is what a service says of a part that was put.
type Part struct {
	ETag string
	Sum  string // its checksum, as the service writes it; empty where none was sent
}

// Want says what of an object is wanted: From is the first byte, To the one after the last (0: the end). Version, where it
// is not empty, is that of the only object that is taken.
type Want struct {
	From, To int64
	Version  string
}

// Range is how HTTP writes it; empty is all of it.
func (w Want) Range() string {
	switch {
	case w.To > 0:
		return fmt.Sprintf("bytes=%d-%d", w.From, w.To-1)
	case w.From > 0:
		return fmt.Sprintf("bytes=%d-", w.From)
	}
	return ""
}

// Config says what a Store is.
type Config struct {
	SDK SDK
	// Parts or Stream puts what is larger than one part. Stream tries again by itself, and gives up what stalls.
	Parts  Parts
	Stream func(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (etag string, err error)
	Sign   Signer // nil: no URLs are signed
	Lend   Lender // the same
	Name   string // of the bucket as people write it, for errors: s3://bucket
	Prefix string // of all keys, without a slash around it; may be empty
	// Stall is how long a transfer may stay below 4 KiB/s, and a call without an answer; default 30 s.
	Stall time.Duration
	// AutoCreate makes a bucket that is not there.
	AutoCreate bool
	// Unlisted opens a bucket that the credentials may not list, as those of a single job often may not.
	Unlisted bool
	// Foreign lists keys as well that no store takes: who reads a bucket of others must know what he does not get.
	Foreign bool
}

// A Store keeps objects in a bucket, under a prefix.
type Store struct {
	sdk    SDK
	parts  Parts
	stream func(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (string, error)
	sign   Signer
	lend   Lender
	name   string
	prefix string // empty, or with a slash at its end
	stall  time.Duration
	all    bool // keys are listed that no store takes
}

var (
	_ blob.Store = (*Store)(nil)
	_ blob.Mover = (*Store)(nil)
)

// Open checks the configuration, and by one call that the bucket is there and may be read: a wrong name, wrong
// credentials and a wrong endpoint show at once, as a *cloud.Error.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{sdk: c.SDK, parts: c.Parts, stream: c.Stream, sign: c.Sign, lend: c.Lend, name: c.Name, stall: c.Stall, all: c.Foreign}
	if s.stall <= 0 {
		s.stall = 30 * time.Second
	}
	if p := strings.Trim(c.Prefix, "/"); p != "" {
		if err := blob.CheckKey(p); err != nil {
			return nil, fmt.Errorf("open store %s: prefix: %w", c.Name, err)
		}
		s.prefix = p + "/"
	}
	err := s.Check(ctx)
	if c.AutoCreate && cloud.Is(err, cloud.Missing) && sdk.Region(err) == "" {
		err = s.make(ctx)
	}
	if err != nil && !(c.Unlisted && cloud.Is(err, cloud.Denied) && sdk.Code(err) != "") {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// make makes the bucket. That somebody else has made it meanwhile shows when it is listed.
func (s *Store) make(ctx context.Context) error {
	err := s.try(ctx, "make bucket "+s.name, s.sdk.MakeBucket)
	if err != nil && s.Check(ctx) == nil {
		return nil
	}
	return err
}

// String is how people write the store: s3://bucket/prefix.
func (s *Store) String() string { return strings.TrimSuffix(s.name+"/"+s.prefix, "/") }

// Check makes one cheap call, a list of one object at most, and says why it isn't done: a *cloud.Error.
func (s *Store) Check(ctx context.Context) error {
	return s.try(ctx, "list "+s.String(), func(ctx context.Context) error {
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
	err = s.sendBytes(ctx, "put into "+s.name, b, func(ctx context.Context, b *Body) error { return s.sdk.Create(ctx, full, b) })
	switch sdk.Status(err) {
	case http.StatusPreconditionFailed:
		err = blob.ErrExists
	case http.StatusNotImplemented:
		err = fmt.Errorf("%w (%s)", blob.ErrUnconditional, sdk.Code(err))
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
	err = s.try(ctx, "delete from "+s.name, func(ctx context.Context) error { return s.sdk.Delete(ctx, full) })
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
func isMissing(err error) bool {
	return errors.Is(err, blob.ErrNotFound) || sdk.Code(err) == "NoSuchKey"
}

// errSilent is the end of a call that got no answer in time.
var errSilent = errors.New("no answer in time")

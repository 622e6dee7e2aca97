package record_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

var (
	errCrash = errors.New("the process died here")
	noon     = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
)

func newStore(t *testing.T) *dirblob.Store {
	s, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// newBook is a Book whose clock moves on by a second at each look.
func newBook(store blob.Store) *record.Book {
	var mu sync.Mutex
	now := noon
	return record.New(store, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	})
}

func newJob(id string) *job.Job {
	return &job.Job{ID: id, Name: "gear", Pipeline: "hello", Enqueued: noon}
}

func keysOf(t *testing.T, s blob.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for in, err := range s.List(t.Context(), prefix, "") {
		require.NoError(t, err)
		keys = append(keys, in.Key)
	}
	return keys
}

// A shaky store fails its write number failAt, counted from 0. What was to be written is there all the same when
// written is set. When dead is set nothing works from then on: the process is gone.
type shaky struct {
	blob.Store
	written, dead bool

	mu     sync.Mutex
	failAt int  // guarded by mu
	failed bool // guarded by mu
}

func (s *shaky) write(do func() error) error {
	s.mu.Lock()
	fails := s.failAt == 0
	gone := s.failed && s.dead
	s.failAt--
	s.failed = s.failed || fails
	s.mu.Unlock()
	if gone || fails && !s.written {
		return errCrash
	}
	if err := do(); err != nil || !fails {
		return err
	}
	return errCrash
}

func (s *shaky) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed && s.dead
}

func (s *shaky) Create(ctx context.Context, key string, b []byte) error {
	return s.write(func() error { return s.Store.Create(ctx, key, b) })
}

func (s *shaky) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (in blob.Info, err error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return in, err
	}
	err = s.write(func() error {
		in, err = s.Store.Put(ctx, key, bytes.NewReader(body), o)
		return err
	})
	return in, err
}

func (s *shaky) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if s.isGone() {
		return nil, blob.Info{}, errCrash
	}
	return s.Store.Open(ctx, key)
}

func (s *shaky) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	if s.isGone() {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errCrash) }
	}
	return s.Store.List(ctx, prefix, after)
}

// counting counts what a store is asked.
type counting struct {
	blob.Store
	creates, puts, reads int
}

func (c *counting) Create(ctx context.Context, key string, b []byte) error {
	c.creates++
	return c.Store.Create(ctx, key, b)
}

func (c *counting) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	c.puts++
	return c.Store.Put(ctx, key, r, o)
}

func (c *counting) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	c.reads++
	return c.Store.Open(ctx, key)
}

func (c *counting) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	c.reads++
	return c.Store.List(ctx, prefix, after)
}

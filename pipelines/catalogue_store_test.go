package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
)

// A breakable store can't be read while err is set.
type breakable struct {
	blob.Store
	err     error
	openErr error // of single documents: the listing works
	calls   int
}

func (b *breakable) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if b.calls++; b.err != nil || b.openErr != nil {
		return nil, blob.Info{}, errors.Join(b.err, b.openErr)
	}
	return b.Store.Open(ctx, key)
}

func (b *breakable) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	if b.calls++; b.err != nil {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, b.err) }
	}
	return b.Store.List(ctx, prefix, after)
}

func newBreakable(t *testing.T) *breakable {
	t.Helper()
	dir, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	return &breakable{Store: dir}
}

func publish(t *testing.T, s blob.Store, file, name string) {
	t.Helper()
	_, err := s.Put(t.Context(), file, strings.NewReader("name: "+name+"\ntasks: []\n"), blob.PutOptions{})
	require.NoError(t, err)
}

func nameNow(t *testing.T, c *Catalogue, name string) string {
	t.Helper()
	p, err := c.Lookup(name)
	require.NoError(t, err)
	return p.Name
}

func TestPipelinesOfABucketCountWithinTenSeconds(t *testing.T) {
	store := newBreakable(t)
	synctest.Test(t, func(t *testing.T) {
		c := NewStoreCatalogue(store, slog.New(slog.DiscardHandler))
		publish(t, store, "mine.yaml", "one")
		publish(t, store, "hello_world.json", "ours")
		require.Equal(t, "one", nameNow(t, c, "mine"))
		require.Equal(t, "ours", nameNow(t, c, "hello_world"), "before what is shipped")
		require.Equal(t, "Working directory", nameNow(t, c, "cwd"))

		first, err := c.Lookup("mine")
		require.NoError(t, err)
		before := store.calls
		publish(t, store, "mine.yaml", "two")
		require.Equal(t, "one", nameNow(t, c, "mine.yaml"))
		require.Equal(t, before, store.calls, "a look costs nothing within 10 s")
		time.Sleep(fresh)
		require.Equal(t, "two", nameNow(t, c, "mine.yaml"))

		publish(t, store, "mine.yaml", "one")
		time.Sleep(fresh)
		again, err := c.Lookup("mine")
		require.NoError(t, err)
		require.Equal(t, first.Digest, again.Digest)
		time.Sleep(fresh)
		same, err := c.Lookup("mine")
		require.NoError(t, err)
		require.Same(t, again, same, "what has not changed is not parsed again")

		require.NoError(t, store.Delete(t.Context(), "mine.yaml"))
		time.Sleep(fresh)
		_, err = c.Lookup("mine")
		_, unknown := errors.AsType[*UnknownError](err)
		require.True(t, unknown, "%v", err)
	})
}

func TestAPipelineIsFoundThatCameJustBeforeItsFirstJob(t *testing.T) {
	store := newBreakable(t)
	c := NewStoreCatalogue(store, slog.New(slog.DiscardHandler))
	_, err := c.Lookup("mine")
	require.ErrorContains(t, err, "not in the catalogue")
	publish(t, store, "mine.yml", "here")
	require.Equal(t, "here", nameNow(t, c, "mine"))
}

func TestABucketThatCanNotBeReadIsNotAnEmptyOne(t *testing.T) {
	store := newBreakable(t)
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		c := NewStoreCatalogue(store, slog.New(slog.NewTextHandler(&said, nil)))
		store.err = fault.As(fault.Transient, errors.New("no route to host"))
		for _, name := range []string{"mine", "cwd"} {
			_, err := c.Lookup(name)
			require.ErrorContains(t, err, "no route to host", "the operator's may stand there")
			require.Equal(t, fault.Transient, fault.Of(err))
		}
		all := c.All()
		require.ErrorContains(t, all[len(all)-1].Err, "no route to host")

		store.err = nil
		publish(t, store, "mine.yaml", "mine")
		publish(t, store, "other.yaml", "other")
		time.Sleep(fresh)
		require.Equal(t, "mine", nameNow(t, c, "mine"))
		require.Empty(t, said.String())

		store.err = fault.As(fault.Transient, errors.New("no route to host"))
		time.Sleep(fresh)
		require.Equal(t, "mine", nameNow(t, c, "mine"), "what was seen counts on")
		require.Contains(t, said.String(), "no route to host")
		before := store.calls
		for _, name := range []string{"other", "new"} {
			_, err := c.Lookup(name)
			require.Equal(t, fault.Transient, fault.Of(err), "%v", err)
		}
		require.LessOrEqual(t, store.calls, before+1, "what is unreachable is not asked by every job")
		time.Sleep(stale)
		_, err := c.Lookup("mine")
		require.ErrorContains(t, err, "no route to host")

		store.err = nil
		time.Sleep(fresh)
		require.Equal(t, "mine", nameNow(t, c, "mine"))
	})
}

func TestADocumentThatCanNotBeReadAnyMoreEndsWhileOthersAreListed(t *testing.T) {
	store := newBreakable(t)
	synctest.Test(t, func(t *testing.T) {
		c := NewStoreCatalogue(store, slog.New(slog.DiscardHandler))
		publish(t, store, "mine.yaml", "mine")
		require.Equal(t, "mine", nameNow(t, c, "mine"))
		store.openErr = errors.New("access denied")
		for range stale / fresh {
			time.Sleep(fresh)
			require.Equal(t, "mine", nameNow(t, c, "mine"))
		}
		before := store.calls
		require.Equal(t, "mine", nameNow(t, c, "mine"))
		require.Equal(t, before, store.calls, "what can't be read is not asked for by every job")
		time.Sleep(fresh)
		_, err := c.Lookup("mine")
		require.ErrorContains(t, err, "access denied")

		store.openErr = nil
		time.Sleep(fresh)
		require.Equal(t, "mine", nameNow(t, c, "mine"))
	})
}

// What a store answers makes no job one that can never pass, whatever kind the store gives it.
func TestAStoreThatRefusesADocumentIsNotTheJobsDoing(t *testing.T) {
	store := newBreakable(t)
	c := NewStoreCatalogue(store, slog.New(slog.DiscardHandler))
	publish(t, store, "mine.yaml", "mine")
	store.openErr = fault.As(fault.Permanent, errors.New("400 InvalidRequest"))
	_, _, _, err := c.Document("mine")
	require.ErrorContains(t, err, "InvalidRequest")
	require.Equal(t, fault.Transient, fault.Of(err))

	store.err = store.openErr
	_, _, _, err = NewStoreCatalogue(store, slog.New(slog.DiscardHandler)).Document("mine")
	require.ErrorContains(t, err, "InvalidRequest")
	require.Equal(t, fault.Transient, fault.Of(err))
}

func TestABucketThatHoldsMoreThanPipelinesIsRefused(t *testing.T) {
	store := newBreakable(t)
	for i := range maxObjects + 1 {
		_, err := store.Put(t.Context(), fmt.Sprintf("jobs/%d", i), strings.NewReader(""), blob.PutOptions{Relaxed: true})
		require.NoError(t, err)
	}
	_, err := NewStoreCatalogue(store, slog.New(slog.DiscardHandler)).Lookup("mine")
	require.ErrorContains(t, err, "more than 1000 objects; give pipelines a prefix of their own")
}

func TestADocumentOfABucketThatIsTooLargeIsNotReadWhole(t *testing.T) {
	store := newBreakable(t)
	_, err := store.Put(t.Context(), "mine.yaml", strings.NewReader(strings.Repeat("#", 3*maxSource)), blob.PutOptions{})
	require.NoError(t, err)
	c := NewStoreCatalogue(store, slog.New(slog.DiscardHandler))
	doc, _, _, err := c.Document("mine")
	require.NoError(t, err)
	require.Len(t, doc, maxSource+1)
	_, err = c.Lookup("mine")
	require.ErrorContains(t, err, "larger than 1024 KiB")
}

func TestAPrefixOfABucketIsACatalogue(t *testing.T) {
	endpoint := servertest.Versitygw(t)
	store, err := s3blob.Open(t.Context(), s3blob.Config{
		AWS: blobtest.AWS(t, endpoint), Bucket: blobtest.Bucket(t, endpoint), Prefix: "pipelines",
	})
	require.NoError(t, err)
	publish(t, store, "mine.yaml", "mine")
	publish(t, store, "a b.yaml", "none")
	c := NewStoreCatalogue(store, slog.New(slog.DiscardHandler))
	byName := map[string]Listed{}
	for _, l := range c.All() {
		byName[l.Name] = l
	}
	require.Equal(t, FromStore, byName["mine"].Source)
	require.Equal(t, store.String()+"/mine.yaml", byName["mine"].Path)
	require.Equal(t, Digest([]byte("name: mine\ntasks: []\n")), byName["mine"].Digest)
	require.ErrorContains(t, byName["a b.yaml"].Err, "can't be a pipeline's name")
	require.Equal(t, Shipped, byName["cwd"].Source)
}

package bucket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

const (
	// partSize is how much of an object is held in memory, and sent, at a time.
	partSize = 8 << 20
	// maxParts is how many parts an upload has at most (S3), which makes the largest object 78 GiB.
	maxParts = 10_000
	// DefaultType is the content type of what is put without one.
	DefaultType = "application/octet-stream"
)

// Put implements [blob.Store]. It holds up to 8 MiB of the object in memory; a larger one is uploaded in parts, which
// become an object all at once, or are removed. Parts of a process that dies meanwhile stay, unseen: a lifecycle rule of
// the bucket removes incomplete uploads. Where an upload's last answer is lost the error leaves open whether the object
// was replaced.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	full, err := s.full(key)
	if err == nil {
		err = checkOptions(o)
	}
	if err != nil {
		return blob.Info{}, fmt.Errorf("put object: %w", err)
	}
	size, etag, err := s.put(ctx, full, r, o)
	if err != nil {
		return blob.Info{}, fmt.Errorf("put object %s: %w", key, err)
	}
	return put(key, size, etag, o), nil
}

// put is what is known of an object that has been put.
func put(key string, size int64, etag string, o blob.PutOptions) blob.Info {
	return blob.Info{
		Key: key, Size: size, Modified: time.Now(),
		ETag: etag, ContentType: cmp.Or(o.ContentType, DefaultType), Metadata: fromHeaders(o.Metadata),
	}
}

func (s *Store) put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (size int64, etag string, err error) {
	var buf bytes.Buffer
	last, err := fill(ctx, &buf, r)
	switch {
	case err != nil:
		return 0, "", err
	case last:
		etag, err = s.putOnce(ctx, key, bytes.NewReader(buf.Bytes()), int64(buf.Len()), o)
		return int64(buf.Len()), etag, err
	case s.parts == nil:
		counted := &counter{Reader: io.MultiReader(&buf, r)}
		etag, err = s.stream(ctx, key, counted, o)
		return counted.n, etag, s.explain(ctx, ctx, "put into "+s.name, err)
	}
	u := &upload{store: s, key: key}
	etag, err = u.run(ctx, o, func() error {
		size, err = u.sendAll(ctx, &buf, r)
		return err
	})
	return size, etag, err
}

// putOnce puts an object by one call.
func (s *Store) putOnce(ctx context.Context, key string, r io.ReaderAt, size int64, o blob.PutOptions) (etag string, err error) {
	err = s.send(ctx, "put into "+s.name, r, size, func(ctx context.Context, b *Body) (err error) {
		etag, err = s.sdk.Put(ctx, key, b, o)
		return err
	})
	return etag, err
}

// A counter counts what is read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// fill reads the next part, and says whether it is the last.
func fill(ctx context.Context, buf *bytes.Buffer, r io.Reader) (last bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	buf.Reset()
	_, err = io.CopyN(buf, r, partSize)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

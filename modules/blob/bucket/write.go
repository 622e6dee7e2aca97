package bucket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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

// Put implements [blob.Store]. It holds up to 8 MiB of the object in memory, or in o's Spool; a larger one is uploaded in parts, which
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
	buf, done, err := newBuffer(o)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	n, last, err := fill(ctx, buf, r)
	switch {
	case err != nil:
		return 0, "", err
	case last:
		etag, err = s.putOnce(ctx, key, buf, n, o)
		return n, etag, err
	case s.parts == nil:
		counted := &counter{Reader: io.MultiReader(io.NewSectionReader(buf, 0, n), r)}
		etag, err = s.stream(ctx, key, counted, o)
		return counted.n, etag, s.explain(ctx, ctx, "put into "+s.name, err)
	}
	u := &upload{store: s, key: key}
	etag, err = u.run(ctx, o, func() error {
		size, err = u.sendAll(ctx, buf, n, r)
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

// A buffer holds a part until it is sent.
type buffer interface {
	io.Writer
	io.ReaderAt
	Clear() error
}

// newBuffer returns a buffer where o wants it. Call done after its last use.
func newBuffer(o blob.PutOptions) (b buffer, done func() error, err error) {
	if o.Spool == nil {
		return new(memory), func() error { return nil }, nil
	}
	f, err := o.Spool()
	if err != nil {
		return nil, nil, err
	}
	return spooled{f}, f.Close, nil
}

// memory is a buffer in memory.
type memory struct{ bytes.Buffer }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.Bytes()).ReadAt(p, at)
}

func (m *memory) Clear() error {
	m.Reset()
	return nil
}

// spooled is a buffer in a file.
type spooled struct{ *os.File }

func (s spooled) Clear() error {
	_, err := s.Seek(0, io.SeekStart)
	return errors.Join(err, s.Truncate(0))
}

// fill reads the next part of n bytes, and says whether it is the last.
func fill(ctx context.Context, buf buffer, r io.Reader) (n int64, last bool, err error) {
	if ctx.Err() != nil {
		return 0, false, context.Cause(ctx)
	}
	if err := buf.Clear(); err != nil {
		return 0, false, err
	}
	n, err = io.CopyN(buf, r, partSize)
	if errors.Is(err, io.EOF) {
		return n, true, nil
	}
	return n, false, err
}

package bucket

import (
	"context"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
)

// chunk is how much of a download is held in memory in each lane: as much as stays in a processor's cache.
const chunk = 256 << 10

// Download implements [blob.Mover]. Every part of the object is read as Open reads: taken up where it broke off, from the
// same object.
func (s *Store) Download(ctx context.Context, key string, f *os.File, maxBytes int64) (blob.Info, error) {
	full, err := s.full(key)
	if err != nil {
		return blob.Info{}, fmt.Errorf("download object: %w", err)
	}
	o, err := s.stat(ctx, full)
	if err == nil && o.Size > maxBytes {
		err = fmt.Errorf("%w: it has %d bytes, and %d are admitted", blob.ErrTooLarge, o.Size, maxBytes)
	}
	if err == nil {
		err = s.download(ctx, key, full, o, f)
	}
	if err != nil {
		return blob.Info{}, fmt.Errorf("download object %s: %w", key, err)
	}
	o.Key = key
	return o.Info, nil
}

func (s *Store) download(ctx context.Context, key, full string, o *Object, f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	if err := f.Truncate(o.Size); err != nil {
		return err
	}
	size := partOf(o.Size)
	if o.Version == "" { // nothing tells the parts of one object from those of another
		size = max(1, o.Size)
	}
	sums := make([]uint64, (o.Size+size-1)/size)
	err := inLanes(ctx, len(sums), func(ctx context.Context, i int) (err error) {
		from := int64(i) * size
		r := &reader{store: s, ctx: ctx, key: key, full: full, version: o.Version, at: from, end: min(from+size, o.Size)}
		sums[i], err = r.into(f, o.Sum.Kind.newHash())
		return err
	})
	if err != nil || o.Sum.Kind == "" {
		return err
	}
	whole := Sum{Kind: o.Sum.Kind}
	for i, sum := range sums {
		whole.Value = whole.Kind.join(whole.Value, sum, min(size, o.Size-int64(i)*size))
	}
	if whole != o.Sum {
		return fault.As(fault.Transient, fmt.Errorf("it came damaged from %s: its %s, and that of what came is %s", s.name, o.Sum, whole))
	}
	return nil
}

// into writes what is read to its place in a file, and returns its checksum, if h counts one.
func (r *reader) into(f *os.File, h hash.Hash) (sum uint64, err error) {
	size := r.end - r.at
	if _, err := r.begin(); err != nil {
		return 0, wasReplaced(err)
	}
	defer func() { _ = r.Close() }()
	b := make([]byte, min(chunk, size))
	for {
		at := r.at
		n, err := r.Read(b)
		if h != nil {
			_, _ = h.Write(b[:n])
		}
		if _, err := f.WriteAt(b[:n], at); err != nil {
			return 0, err
		}
		switch {
		case err == io.EOF && h != nil:
			return valueOf(h), nil
		case err == io.EOF:
			return 0, nil
		case err != nil:
			return 0, err
		}
	}
}

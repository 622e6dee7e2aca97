package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// fetchChunk is how much is copied between two looks at the context, in bytes.
const fetchChunk = 64 << 20

// Stat returns what s knows of an object without its bytes, or ErrNotFound.
func Stat(ctx context.Context, s Store, key string) (Info, error) {
	if m, ok := s.(Mover); ok {
		return m.Stat(ctx, key)
	}
	r, in, err := s.Open(ctx, key)
	if err != nil {
		return Info{}, err
	}
	return in, r.Close()
}

// Fetch writes an object into the empty file f and returns when every byte is there. It moves large ones in parts where s
// can. ErrNotFound when there is none, ErrTooLarge, before anything is written, when it has more than maxBytes. After an error
// f holds anything.
func Fetch(ctx context.Context, s Store, key string, f *os.File, maxBytes int64) (Info, error) {
	if m, ok := s.(Mover); ok {
		return m.Download(ctx, key, f, maxBytes)
	}
	r, in, err := s.Open(ctx, key)
	if err != nil {
		return Info{}, err
	}
	if in.Size > maxBytes {
		err = fmt.Errorf("%w: it has %d bytes, and %d are admitted", ErrTooLarge, in.Size, maxBytes)
	} else {
		err = copyWhole(ctx, f, r, in.Size)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return Info{}, fmt.Errorf("fetch object %s: %w", key, err)
	}
	return in, nil
}

// copyWhole copies size bytes. A copy between two files of one disk is the kernel's.
func copyWhole(ctx context.Context, f *os.File, r io.Reader, size int64) error {
	for left := size; left > 0; left -= min(left, fetchChunk) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := io.CopyN(f, r, min(left, fetchChunk)); err != nil {
			return err
		}
	}
	return nil
}

package bucket

import (
	"bytes"
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
)

// Put implements [blob.Store]. It holds up to 8 MiB of the object in memory; a larger one is uploaded in parts, which
// become an object all at once, or are removed. Parts of a process that dies meanwhile stay, unseen: a lifecycle rule of
// the bucket removes incomplete uploads. Where an upload's last answer is lost the error leaves open whether the object
// was replaced.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, _ blob.PutOptions) (blob.Info, error) {
	full, err := s.full(key)
	if err != nil {
		return blob.Info{}, fmt.Errorf("put object: %w", err)
	}
	size, err := s.put(ctx, full, r)
	if err != nil {
		return blob.Info{}, fmt.Errorf("put object %s: %w", key, err)
	}
	return blob.Info{Key: key, Size: size, Modified: time.Now()}, nil
}

func (s *Store) put(ctx context.Context, key string, r io.Reader) (int64, error) {
	var buf bytes.Buffer
	last, err := fill(ctx, &buf, r)
	if err != nil {
		return 0, err
	}
	if !last {
		return s.upload(ctx, key, &buf, r)
	}
	return int64(buf.Len()), s.try(ctx, "put into "+s.name, buf.Len(), func(ctx context.Context) error {
		return s.sdk.Put(ctx, key, buf.Bytes())
	})
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

// upload puts an object in parts, the first of which is in buf already.
func (s *Store) upload(ctx context.Context, key string, buf *bytes.Buffer, r io.Reader) (size int64, err error) {
	var upload string
	err = s.try(ctx, "begin an upload to "+s.name, 0, func(ctx context.Context) (err error) {
		upload, err = s.sdk.Begin(ctx, key)
		return err
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.abort(ctx, key, upload))
		}
	}()
	var etags []string
	for last := false; buf.Len() > 0; {
		if len(etags) == maxParts {
			return 0, fmt.Errorf("it has more than %d bytes", int64(maxParts)*partSize)
		}
		etag, err := s.part(ctx, key, upload, len(etags)+1, buf.Bytes())
		if err != nil {
			return 0, err
		}
		etags, size = append(etags, etag), size+int64(buf.Len())
		if last {
			break
		}
		if last, err = fill(ctx, buf, r); err != nil {
			return 0, err
		}
	}
	return size, s.try(ctx, "complete an upload to "+s.name, 0, func(ctx context.Context) error {
		return s.sdk.Complete(ctx, key, upload, etags)
	})
}

func (s *Store) part(ctx context.Context, key, upload string, n int, b []byte) (etag string, err error) {
	err = s.try(ctx, "put a part into "+s.name, len(b), func(ctx context.Context) (err error) {
		etag, err = s.sdk.Part(ctx, key, upload, n, b)
		return err
	})
	return etag, err
}

// abort removes the parts of an upload. That it is gone is what a lost answer to Complete leaves behind.
func (s *Store) abort(ctx context.Context, key, upload string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := s.try(ctx, "abort an upload to "+s.name, 0, func(ctx context.Context) error { return s.sdk.Abort(ctx, key, upload) })
	if isUploadGone(err) {
		return nil
	}
	return err
}

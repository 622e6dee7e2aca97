package bucket

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
)

const (
	// lanes is how many such calls are made at once.
	lanes = 4
	// maxObject is the largest object (S3, GCS and COS alike).
	maxObject = 5 << 40
)

// partOf is how large the parts of an object are, so that there are not too many.
func partOf(size int64) int64 {
	const mib = 1 << 20
	return max(blob.Part, (size/maxParts/mib+1)*mib)
}

// Stat implements [blob.Mover].
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	full, err := s.full(key)
	if err != nil {
		return blob.Info{}, fmt.Errorf("stat object: %w", err)
	}
	o, err := s.stat(ctx, full)
	if err != nil {
		return blob.Info{}, fmt.Errorf("stat object %s: %w", key, err)
	}
	o.Key = key
	return o.Info, nil
}

// stat asks for an object without its bytes. The answer to that has no body, so that where there is none it says nothing of
// why: a call that has one tells whether it is the object or the bucket.
func (s *Store) stat(ctx context.Context, full string) (o *Object, err error) {
	err = s.try(ctx, "get from "+s.name, func(ctx context.Context) error {
		o, err = s.sdk.Stat(ctx, full)
		return err
	})
	if sdk.Status(err) == http.StatusNotFound && !isMissing(err) {
		var got *Object
		err = s.try(ctx, "get from "+s.name, func(ctx context.Context) error {
			if got, err = s.sdk.Get(ctx, full, Want{To: 1}); err == nil {
				err = errors.Join(errReplaced, got.Body.Close())
			}
			return err
		})
	}
	if isMissing(err) {
		return nil, blob.ErrNotFound
	}
	switch {
	case err != nil:
		return nil, err
	case o.Size < 0:
		return nil, errNoSize
	case o.Size > maxSize:
		return nil, errHuge
	}
	return o, nil
}

// Upload implements [blob.Mover].
func (s *Store) Upload(ctx context.Context, f *os.File, key string, o blob.PutOptions) (blob.Info, error) {
	full, err := s.full(key)
	if err == nil {
		err = checkOptions(o)
	}
	if err != nil {
		return blob.Info{}, fmt.Errorf("upload object: %w", err)
	}
	size, etag, err := s.upload(ctx, f, full, o)
	if err != nil {
		return blob.Info{}, fmt.Errorf("upload object %s: %w", key, err)
	}
	return put(key, size, etag, o), nil
}

func (s *Store) upload(ctx context.Context, f *os.File, key string, o blob.PutOptions) (size int64, etag string, err error) {
	before, err := f.Stat()
	switch {
	case err != nil:
		return 0, "", err
	case !before.Mode().IsRegular():
		return 0, "", fault.As(fault.Permanent, errors.New("it is no regular file"))
	case before.Size() > maxObject:
		return 0, "", fault.As(fault.Permanent, fmt.Errorf("it has more than %d bytes", int64(maxObject)))
	}
	size = before.Size()
	unchanged := func() error { return sameFile(f, before) }
	switch {
	case size <= blob.Part:
		etag, err = s.putFile(ctx, f, size, key, o, unchanged)
	case s.parts == nil:
		r := &untilChanged{io.NewSectionReader(f, 0, size), unchanged}
		etag, err = s.stream(ctx, key, r, o)
		err = s.explain(ctx, ctx, "put into "+s.name, err)
	default:
		u := &upload{store: s, key: key, size: size}
		etag, err = u.run(ctx, o, func() error {
			return errors.Join(u.sendFile(ctx, f), unchanged())
		})
	}
	return size, etag, err
}

// putFile puts a small file by one call, from memory: so it is known to be whole before anything is sent.
func (s *Store) putFile(ctx context.Context, f *os.File, size int64, key string, o blob.PutOptions, unchanged func() error) (etag string, err error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), b); err != nil {
		return "", errors.Join(unchanged(), err)
	}
	if err := unchanged(); err != nil {
		return "", err
	}
	return s.putOnce(ctx, key, bytes.NewReader(b), size, o)
}

// sendFile puts the parts of a file, several at once.
func (u *upload) sendFile(ctx context.Context, f *os.File) error {
	size := partOf(u.size)
	u.parts = make([]Part, (u.size+size-1)/size)
	return inLanes(ctx, len(u.parts), func(ctx context.Context, i int) (err error) {
		from := int64(i) * size
		n := min(size, u.size-from)
		u.parts[i], err = u.part(ctx, i+1, io.NewSectionReader(f, from, n), n)
		return err
	})
}

// errChanged says that a file is not what it was when its upload began.
var errChanged = fault.As(fault.Transient, errors.New("the file was changed while it was uploaded"))

// sameFile compares a file with what it was.
func sameFile(f *os.File, before os.FileInfo) error {
	now, err := f.Stat()
	if err == nil && (now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime())) {
		return errChanged
	}
	return err
}

// untilChanged ends a file that was changed meanwhile with an error.
type untilChanged struct {
	io.Reader
	unchanged func() error
}

func (u *untilChanged) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err == io.EOF {
		if changed := u.unchanged(); changed != nil {
			err = changed
		}
	}
	return n, err
}

// inLanes does n pieces of work, lanes of them at once, and stops after the first error.
func inLanes(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range min(n, lanes) {
		wg.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// etagOfParts is the ETag of an object that was put in parts, where those of its parts are their MD5 sums; empty where they
// are not.
func etagOfParts(parts []Part) string {
	all := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil || len(sum) != md5.Size {
			return ""
		}
		all.Write(sum)
	}
	return fmt.Sprintf("%x-%d", all.Sum(nil), len(parts))
}

package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/modules/blob"
)

// An upload is one object that is put in parts.
type upload struct {
	store *Store
	key   string
	id    string
	parts []Part // in their order
	size  int64
}

// run begins the upload, and completes it when send has put the parts. What fails is removed.
func (u *upload) run(ctx context.Context, o blob.PutOptions, send func() error) (etag string, err error) {
	s := u.store
	err = s.try(ctx, "begin an upload to "+s.name, func(ctx context.Context) (err error) {
		u.id, err = s.parts.Begin(ctx, u.key, o)
		return err
	})
	if err != nil {
		return "", err
	}
	if err = send(); err == nil {
		etag, err = u.complete(ctx)
	}
	if err != nil {
		err = errors.Join(err, u.abort(ctx))
	}
	return etag, err
}

// sendAll puts what r holds, part by part. The first, of n bytes, is in buf already.
func (u *upload) sendAll(ctx context.Context, buf buffer, n int64, r io.Reader) (size int64, err error) {
	for last := false; n > 0; {
		if len(u.parts) == maxParts {
			return 0, fmt.Errorf("it has more than %d bytes", int64(maxParts)*partSize)
		}
		p, err := u.part(ctx, len(u.parts)+1, buf, n)
		if err != nil {
			return 0, err
		}
		u.parts, size = append(u.parts, p), size+n
		if last {
			break
		}
		if n, last, err = fill(ctx, buf, r); err != nil {
			return 0, err
		}
	}
	u.size = size
	return size, nil
}

func (u *upload) part(ctx context.Context, n int, r io.ReaderAt, size int64) (p Part, err error) {
	s := u.store
	err = s.send(ctx, "put a part into "+s.name, r, size, func(ctx context.Context, b *Body) (err error) {
		p, err = s.parts.Part(ctx, u.key, u.id, n, b)
		return err
	})
	return p, err
}

// complete makes an object of the parts. That the upload is gone is what a lost answer leaves behind: then the object that
// stands there is compared.
func (u *upload) complete(ctx context.Context) (etag string, err error) {
	s := u.store
	begun := time.Now()
	err = s.again(ctx, func() error {
		// Some servers copy all parts before they answer.
		limit := s.stall + time.Duration(u.size/copied)*time.Second
		limited, cancel := context.WithTimeoutCause(ctx, limit, errSilent)
		defer cancel()
		etag, err = s.parts.Complete(limited, u.key, u.id, u.parts)
		return s.explain(ctx, limited, "complete an upload to "+s.name, err)
	})
	if !isUploadGone(err) {
		return etag, err
	}
	o, statErr := s.stat(ctx, u.key)
	if statErr == nil && o.Size == u.size && o.ETag == etagOfParts(u.parts) && !o.Modified.Before(begun.Add(-skew)) {
		return o.ETag, nil
	}
	return "", err
}

const (
	// copied is how fast, in bytes a second, a server puts parts together at least.
	copied = 16 << 20
	// skew is how far a server's clock may be behind ours.
	skew = 15 * time.Minute
)

// abort removes the parts of an upload. That it is gone is what a lost answer to Complete leaves behind.
func (u *upload) abort(ctx context.Context) error {
	s := u.store
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := s.try(ctx, "abort an upload to "+s.name, func(ctx context.Context) error { return s.parts.Abort(ctx, u.key, u.id) })
	if isUploadGone(err) {
		return nil
	}
	return err
}

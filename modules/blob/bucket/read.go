package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

// resumes is how often a transfer that broke off is taken up again.
const resumes = 3

var (
	errStalled  = fmt.Errorf("it came at less than %d bytes a second", floor)
	errReplaced = errors.New("the object was replaced or deleted while it was read")
	errClosed   = errors.New("the object was closed")
)

// Open implements [blob.Store]. A transfer that breaks off or stalls is taken up where it stopped, up to 3 times, and
// only with the same object. ctx holds until the object is closed.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	full, err := s.full(key)
	if err != nil {
		return nil, blob.Info{}, fmt.Errorf("open object: %w", err)
	}
	r := &reader{store: s, ctx: ctx, key: key, full: full}
	var o *Object
	for n := 1; ; n++ {
		if o, err = r.get(""); err == nil || n == tries || !passes(err) || !pause(ctx, n) {
			break
		}
	}
	switch {
	case err != nil && isMissing(err):
		return nil, blob.Info{}, fmt.Errorf("open object %s: %w", key, blob.ErrNotFound)
	case err != nil:
		return nil, blob.Info{}, fmt.Errorf("open object %s: %w", key, err)
	}
	r.etag, r.size = o.ETag, o.Size
	o.Key = key
	return r, o.Info, nil
}

// A reader is one object as it is read. It lives as long as the caller's ctx, which it needs to read on.
type reader struct {
	store     *Store
	ctx       context.Context
	key, full string
	etag      string
	size, at  int64
	resumed   int

	body   io.ReadCloser // nil between two transfers
	within context.Context
	cancel context.CancelCauseFunc // ends within, and so the transfer

	left time.Duration // until the transfer counts as stalled, of the time that is spent in Read
	got  int64         // bytes since left was set
}

// get begins a transfer at r.at.
func (r *reader) get(etag string) (*Object, error) {
	within, cancel := context.WithCancelCause(r.ctx)
	slow := time.AfterFunc(r.store.stall, func() { cancel(errSilent) })
	o, err := r.store.sdk.Get(within, r.full, r.at, etag)
	if !slow.Stop() && err == nil {
		err = errors.Join(errSilent, o.Body.Close())
	}
	if err != nil {
		err = r.store.explain(r.ctx, within, "get from "+r.store.name, err)
		cancel(err)
		return nil, err
	}
	r.body, r.within, r.cancel = o.Body, within, cancel
	r.left, r.got = r.store.stall, 0
	return o, nil
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.at == r.size {
			return 0, io.EOF
		}
		n, err := r.some(p[:min(int64(len(p)), r.size-r.at)])
		r.at += int64(n)
		if n > 0 || len(p) == 0 {
			return n, nil // an error comes again, or is one of a transfer that is not needed any more
		}
		if err == nil {
			continue
		}
		if err := r.resume(err); err != nil {
			return 0, fmt.Errorf("read object %s: it stopped at byte %d of %d: %w", r.key, r.at, r.size, err)
		}
	}
}

// some reads what there is, and ends the transfer where that takes too long. Time between two reads is the caller's, and
// counts for nothing.
func (r *reader) some(p []byte) (int, error) {
	if r.body == nil {
		return 0, io.ErrUnexpectedEOF
	}
	slow := time.AfterFunc(r.left, func() { r.cancel(errStalled) })
	begin := time.Now()
	n, err := r.body.Read(p)
	slow.Stop()
	r.left -= time.Since(begin)
	r.got += int64(n)
	if float64(r.got) >= floor*r.store.stall.Seconds() {
		r.left, r.got = r.store.stall, 0
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // Read asks for no more than there should be
	}
	return n, err
}

// resume begins the rest of the object anew, after a transfer that ended with err.
func (r *reader) resume(err error) error {
	if r.within == nil {
		return errClosed
	}
	if err = r.store.explain(r.ctx, r.within, "get from "+r.store.name, err); r.ctx.Err() != nil {
		return err
	}
	r.end(err)
	for r.resumed < resumes {
		r.resumed++
		if !pause(r.ctx, r.resumed) {
			return context.Cause(r.ctx)
		}
		_, again := r.get(r.etag)
		switch {
		case again == nil:
			return nil
		case cloud.Status(again) == http.StatusPreconditionFailed || isMissing(again):
			return fault.As(fault.Transient, errReplaced)
		case !passes(again):
			return again
		}
		err = again
	}
	return err
}

// end ends the transfer. What its connection says to that is of no use to anybody.
func (r *reader) end(why error) {
	if r.body == nil {
		return
	}
	r.cancel(why)
	_ = r.body.Close()
	r.body = nil
}

func (r *reader) Close() error {
	r.end(errClosed)
	r.within = nil
	return nil
}

package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
)

// maxSize is more bytes than any service has in one object, and few enough for sums of several.
const maxSize = 1 << 60

// resumes is how often a transfer that broke off is taken up again.
const resumes = 3

var (
	errStalled  = fmt.Errorf("it came at less than %d bytes a second", floor)
	errReplaced = errors.New("the object was replaced or deleted while it was read")
	errMoved    = errors.New("the object is read from another place on")
	errClosed   = errors.New("the object was closed")
	errTooLong  = errors.New("more came than the object has")
	errNotAsked = errors.New("the server sends another part of an object than it was asked for")
	errHuge     = errors.New("the server says that the object has more bytes than one can have; check the endpoint")
	errNoSize   = errors.New("the server does not say how large an object is; a proxy that compresses may stand before it")
)

// Open implements [blob.Store]. A transfer that breaks off or stalls is taken up where it stopped, up to 3 times, and
// only with the same object. Where the service sends a checksum of the object the SDK compares it, and Read ends with an
// error in place of io.EOF where it differs; an object that came in several transfers has none. ctx holds until the object
// is closed.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	full, err := s.full(key)
	if err != nil {
		return nil, blob.Info{}, fmt.Errorf("open object: %w", err)
	}
	r := &reader{store: s, ctx: ctx, key: key, full: full}
	o, err := r.begin()
	if err != nil {
		return nil, blob.Info{}, fmt.Errorf("open object %s: %w", key, err)
	}
	r.version, r.end = o.Version, o.Size
	o.Key = key
	return r, o.Info, nil
}

// begin makes the first call, several times where it must.
func (r *reader) begin() (o *Object, err error) {
	err = r.store.again(r.ctx, func() error {
		o, err = r.get()
		return err
	})
	if isMissing(err) {
		err = blob.ErrNotFound
	}
	return o, err
}

// A reader is one object, or a range of one, as it is read. It lives as long as the caller's ctx, which it needs to read on.
type reader struct {
	store     *Store
	ctx       context.Context
	key, full string
	version   string
	at, end   int64
	whole     bool // the transfer that ended at end ended well
	resumed   int

	body   io.ReadCloser // nil between two transfers
	within context.Context
	cancel context.CancelCauseFunc // ends within, and so the transfer

	left time.Duration // until the transfer counts as stalled, of the time that is spent in Read
	got  int64         // bytes since left was set
}

// get begins a transfer at r.at.
func (r *reader) get() (*Object, error) {
	within, cancel := context.WithCancelCause(r.ctx)
	slow := time.AfterFunc(r.store.stall, func() { cancel(errSilent) })
	o, err := r.store.sdk.Get(within, r.full, Want{r.at, r.end, r.version})
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
	if err := r.answers(o); err != nil {
		r.stop(err)
		return nil, fault.As(fault.Transient, err)
	}
	return o, nil
}

// answers holds what the server says that it sends to what it was asked for.
func (r *reader) answers(o *Object) error {
	switch {
	case o.Size < 0:
		return errNoSize
	case o.From != r.at || r.end > 0 && o.Size != r.end-r.at || r.end == 0 && o.Part:
		return errNotAsked
	case r.version != "" && o.Version != r.version: // a cache may know ranges, and not that a version is asked for
		return errReplaced
	}
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.at == r.end {
			return 0, r.finish()
		}
		n, err := r.some(p[:min(int64(len(p)), r.end-r.at)])
		if r.at += int64(n); r.at == r.end && err != nil {
			return n, r.verdict(err)
		}
		if n > 0 || len(p) == 0 {
			return n, nil // an error comes again
		}
		switch err {
		case nil:
			continue
		case io.EOF:
			err = io.ErrUnexpectedEOF
		}
		if err := r.resume(err); err != nil {
			return 0, fmt.Errorf("read object %s: it stopped at byte %d of %d: %w", r.key, r.at, r.end, err)
		}
	}
}

// finish reads on from the last byte to the end of the transfer, where the SDK says whether its checksum holds.
func (r *reader) finish() error {
	for !r.whole {
		n, err := r.some(make([]byte, 1))
		if n > 0 {
			err = errTooLong
		}
		if err != nil {
			return r.verdict(err)
		}
	}
	return io.EOF
}

// verdict is what an error means that came after the last byte: that of a checksum, if it is not the end itself.
func (r *reader) verdict(err error) error {
	switch {
	case err == io.EOF:
		r.whole = true
		return io.EOF
	case r.within == nil:
		return errClosed
	}
	if r.ctx.Err() != nil || r.within.Err() != nil {
		err = r.store.explain(r.ctx, r.within, "get from "+r.store.name, err)
	} else {
		err = fault.As(fault.Transient, fmt.Errorf("it came damaged from %s: %w", r.store.name, err))
	}
	r.stop(err)
	return fmt.Errorf("read object %s: %w", r.key, err)
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
	r.stop(err)
	if r.version == "" { // nothing tells the rest from that of another object
		return err
	}
	for r.resumed < resumes {
		r.resumed++
		if !pause(r.ctx, r.resumed) {
			return context.Cause(r.ctx)
		}
		_, again := r.get()
		switch {
		case again == nil:
			return nil
		case !passes(again):
			return wasReplaced(again)
		}
		err = again
	}
	return err
}

// Seek begins the next Read elsewhere in the object, from its start alone, by a transfer of its own. It returns errors.ErrUnsupported where
// the service has no versions: nothing tells the object from another then.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch {
	case r.within == nil:
		return r.at, errClosed
	case whence != io.SeekStart || r.version == "":
		return r.at, errors.ErrUnsupported
	case offset < 0 || offset > r.end:
		return r.at, fmt.Errorf("seek in object %s: it has no byte %d", r.key, offset)
	case offset == r.at:
		return r.at, nil
	}
	r.stop(errMoved)
	r.at, r.whole = offset, offset == r.end
	if r.whole {
		return r.at, nil
	}
	if _, err := r.begin(); err != nil {
		return r.at, fmt.Errorf("read object %s from byte %d: %w", r.key, offset, wasReplaced(err))
	}
	return r.at, nil
}

// wasReplaced is what it means that the object that we know of is not there any more, or err.
func wasReplaced(err error) error {
	if sdk.Status(err) == http.StatusPreconditionFailed || isMissing(err) {
		return fault.As(fault.Transient, errReplaced)
	}
	return err
}

// stop ends the transfer. What its connection says to that is of no use to anybody.
func (r *reader) stop(why error) {
	if r.body == nil {
		return
	}
	r.cancel(why)
	_ = r.body.Close()
	r.body = nil
}

func (r *reader) Close() error {
	r.stop(errClosed)
	r.within = nil
	return nil
}

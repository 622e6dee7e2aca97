package gateway

import (
	"errors"
	"io"
)

// An object is what lies in a store, as http.ServeContent reads it: from one place on. What the store can't skip is read and dropped.
type object struct {
	open func() (io.ReadCloser, error)
	body io.ReadCloser
	at   int64 // of body
	want int64 // where the next Read begins
	size int64
}

var _ io.ReadSeeker = (*object)(nil)

func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.want
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, errors.New("seek: before the object's beginning")
	}
	o.want = offset
	return offset, nil
}

func (o *object) Read(p []byte) (int, error) {
	if o.want != o.at {
		if err := o.move(); err != nil {
			return 0, err
		}
	}
	n, err := o.body.Read(p)
	o.at += int64(n)
	o.want = o.at
	if err == io.EOF && o.at < o.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// move makes the next Read begin where it is wanted.
func (o *object) move() error {
	if s, ok := o.body.(io.Seeker); ok {
		at, err := s.Seek(o.want, io.SeekStart)
		if o.at = at; !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if o.want < o.at {
		again, err := o.open()
		if err != nil {
			return err
		}
		o.close()
		o.body, o.at = again, 0
	}
	n, err := io.CopyN(io.Discard, o.body, o.want-o.at)
	o.at += n
	return err
}

func (o *object) close() { _ = o.body.Close() } // it was read

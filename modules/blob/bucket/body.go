package bucket

import (
	"io"
	"sync/atomic"
)

// A Body is what one call sends. It knows how far the SDK has read, so that a call that stalls shows.
type Body struct {
	io.ReadSeeker
	size int64
	at   atomic.Int64
}

// Size is how many bytes there are.
func (b *Body) Size() int64 { return b.size }

func (b *Body) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p)
	b.at.Add(int64(n))
	return n, err
}

// Seek goes back to the start where an SDK has read a body for its checksum and now sends it.
func (b *Body) Seek(offset int64, whence int) (int64, error) {
	at, err := b.ReadSeeker.Seek(offset, whence)
	b.at.Store(at)
	return at, err
}

// A pace ends a call whose body goes slower than the floor for as long as a stall may last, or that gets no answer for so
// long after it.
type pace struct {
	body *Body
	seen int64 // body.at when the last look was taken
	most int64 // bytes that a look expects
}

// keeps says whether the call has done enough since the last look. One that went back to the body's start has.
func (p *pace) keeps() bool {
	at := p.body.at.Load()
	want := min(p.most, max(1, p.body.size-p.seen))
	ok := at < p.seen || at-p.seen >= want
	p.seen = at
	return ok
}

package bucket

import (
	"io"
	"sync/atomic"
)

// A Body is what one call sends. It counts what the SDK has taken of it, so that a call that stalls shows.
type Body struct {
	io.ReadSeeker
	size  int64
	taken atomic.Int64
}

// Size is how many bytes there are.
func (b *Body) Size() int64 { return b.size }

func (b *Body) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p)
	b.taken.Add(int64(n))
	return n, err
}

// A pace ends a call whose body goes slower than the floor for as long as a stall may last, or that gets no answer for so
// long after it.
type pace struct {
	body *Body
	seen int64 // of body.taken when the last look was taken
	most int64 // bytes that a look expects
}

// keeps says whether the call has done enough since the last look.
func (p *pace) keeps() bool {
	taken := p.body.taken.Load()
	want := min(p.most, max(1, p.body.size-p.seen))
	ok := taken-p.seen >= want
	p.seen = taken
	return ok
}

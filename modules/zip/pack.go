package zip

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	// blockSize is how much of a file is packed at once, by itself. Smaller ones cost more of the archive: each ends on a byte.
	blockSize = 1 << 20
	// window is how far back Deflate looks: a block begins with what stood before it in its file.
	window = 32 << 10
	// maxWorkers bounds how many blocks are packed at once, and with it the memory: about 3 MiB each.
	maxWorkers = 8
)

// A block is a part of a file on its way into the archive.
type block struct {
	header *zip.FileHeader // of its file; nil for all but the first
	last   bool            // of its file
	raw    []byte          // blockSize long, unless it is the last
	before []byte          // what precedes it in its file, as far as the window
	done   chan struct{}   // closed when what follows is complete
	packed bytes.Buffer
	stored bool  // its file is left as it is
	wrong  error // with packing
}

// A packer packs blocks in several goroutines and hands them on in the order in which they came.
type packer struct {
	level int
	free  chan *block // that may be filled: as many as there may be
	jobs  chan *block // to be packed
	order chan *block // to be written
}

// packAll runs source, which reads blocks and gives them to pack, and calls sink for each block in turn, in the caller's
// goroutine. It returns the first error of any of them, when all of them have ended.
func packAll(ctx context.Context, level int, source func(context.Context, *packer) error, sink func(*block) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	blocks := 2*workers + 2 // one is read, one is written
	p := &packer{level: level, free: make(chan *block, blocks), jobs: make(chan *block, blocks), order: make(chan *block, blocks)}
	for range blocks {
		p.free <- new(block)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for range workers {
		wg.Go(p.work)
	}
	wg.Go(func() {
		defer close(p.order)
		defer close(p.jobs)
		if err := source(ctx, p); err != nil {
			cancel(err)
		}
	})
	for b := range p.order { // to its end, so that nobody waits for us
		<-b.done
		if b.wrong != nil {
			cancel(b.wrong)
		}
		if ctx.Err() == nil {
			if err := sink(b); err != nil {
				cancel(err)
			}
		}
		p.free <- b
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// read fills a block, behind one that holds raw; nil is the start of a file.
func (p *packer) read(ctx context.Context, in io.Reader, raw []byte) (*block, error) {
	var b *block
	select {
	case b = <-p.free:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	b.header, b.last, b.done, b.stored, b.wrong = nil, false, make(chan struct{}), p.level == 0, nil
	b.before = append(b.before[:0], raw[max(0, len(raw)-window):]...)
	if b.raw == nil {
		b.raw = make([]byte, blockSize)
	}
	n, err := io.ReadFull(in, b.raw[:blockSize])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	b.raw = b.raw[:n]
	return b, err
}

// pack has a block packed, and written when its turn has come.
func (p *packer) pack(ctx context.Context, b *block) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.jobs <- b // has room for all blocks that there are, as order has
	p.order <- b
	return nil
}

// work packs blocks until there are no more.
func (p *packer) work() {
	var w *flate.Writer
	for b := range p.jobs {
		b.packed.Reset()
		if w == nil {
			w, b.wrong = flate.NewWriter(&b.packed, p.level)
		}
		if !b.stored && b.wrong == nil {
			b.wrong = b.deflate(w)
		}
		close(b.done)
	}
}

// deflate packs b so that the packed blocks of a file, one behind the other, are one stream.
func (b *block) deflate(w *flate.Writer) error {
	w.ResetDict(&b.packed, b.before)
	if _, err := w.Write(b.raw); err != nil {
		return err
	}
	if !b.last {
		return w.Flush()
	}
	err := w.Close()
	b.stored = b.header != nil && b.packed.Len() >= len(b.raw) // a file of this one block may do without
	return err
}

package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// words splits text at white space. Neither a word nor the rest of a line may be longer than its buffer.
type words struct {
	r        io.Reader
	buf      []byte
	pos, end int
	line     int   // counted from 1: where the last word was
	err      error // why there are no more words; io.EOF when all were read
}

func newWords(r io.Reader) *words {
	return &words{r: r, buf: make([]byte, sniffBytes), line: 1}
}

// next returns the next word, valid until the next call of any method; nil when there is none.
func (w *words) next() []byte {
	for w.pos == w.end || w.buf[w.pos] <= ' ' {
		if w.pos == w.end {
			if !w.fill() {
				return nil
			}
			continue
		}
		if w.buf[w.pos] == '\n' {
			w.line++
		}
		w.pos++
	}
	n := 1
	for {
		for w.pos+n < w.end && w.buf[w.pos+n] > ' ' {
			n++
		}
		if w.pos+n < w.end || !w.fill() {
			return w.take(n)
		}
	}
}

// rest returns what is left of the line, without its end; valid until the next call of any method.
func (w *words) rest() []byte {
	n := 0
	for {
		if i := bytes.IndexAny(w.buf[w.pos+n:w.end], "\r\n"); i >= 0 {
			return w.take(n + i)
		}
		n = w.end - w.pos
		if !w.fill() {
			return w.take(n)
		}
	}
}

func (w *words) take(n int) []byte {
	taken := w.buf[w.pos : w.pos+n]
	w.pos += n
	return taken
}

// fill reads more behind what is not yet taken, and reports whether there was more.
func (w *words) fill() bool {
	if w.err != nil {
		return false
	}
	w.end = copy(w.buf, w.buf[w.pos:w.end])
	w.pos = 0
	if w.end == len(w.buf) {
		w.err = malformed("line %d goes on for more than %d KiB", w.line, len(w.buf)>>10)
		return false
	}
	n, err := io.ReadAtLeast(w.r, w.buf[w.end:], 1)
	w.end += n
	if n > 0 {
		return true
	}
	w.err = err
	return false
}

// fail returns why the words ended, where that was not the end of the file; else err.
func (w *words) fail(err error) error {
	if w.err == nil || errors.Is(w.err, io.EOF) {
		return err
	}
	return fmt.Errorf("read STL: %w", w.err)
}

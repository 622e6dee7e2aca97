package mesh

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
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

// skip goes to where the next word begins, and reports whether there is one.
func (w *words) skip() bool {
	for {
		i := w.pos // local: this loop sees every byte
		for read := w.buf[:w.end]; i < len(read) && read[i] <= ' '; i++ {
			if read[i] == '\n' {
				w.line++
			}
		}
		if w.pos = i; i < w.end {
			return true
		}
		if !w.fill() {
			return false
		}
	}
}

// took takes the next word if it is want, in lower case, and lies whole in the buffer, as it nearly always does. What it leaves is
// for next.
func (w *words) took(want string) bool {
	if !w.skip() {
		return false
	}
	read := w.buf[w.pos:w.end]
	if len(read) <= len(want) || string(read[:len(want)]) != want || read[len(want)] > ' ' {
		return false
	}
	w.pos += len(want)
	return true
}

// next returns the next word, valid until the next call of any method; nil when there is none.
func (w *words) next() []byte {
	if !w.skip() {
		return nil
	}
	n := 1
	for {
		n += wordLength(w.buf[w.pos+n : w.end])
		if w.pos+n < w.end || !w.fill() {
			return w.take(n)
		}
	}
}

// wordLength is how many bytes there are before white space.
func wordLength(read []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n+8 <= len(read); n += 8 {
		v := binary.LittleEndian.Uint64(read[n:])
		if spaces := (v - (' '+1)*ones) & ^v & high; spaces != 0 { // the lowest bit is that of the first
			return n + bits.TrailingZeros64(spaces)/8
		}
	}
	for n < len(read) && read[n] > ' ' {
		n++
	}
	return n
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

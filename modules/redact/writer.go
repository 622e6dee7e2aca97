package redact

import "io"

// A cursor is how far a stream has been read: how many of the bytes that were held back belong to a
// secret whose mask is already out.
type cursor struct {
	covered int
}

// advance appends text to dst with secrets masked and returns dst and the tail of text that it holds
// back because a secret may begin there. With last nothing is held back.
//
// Every byte of every occurrence of every form is masked, also where occurrences overlap, so the
// result does not depend on where the stream was split.
func (c *cursor) advance(m *matcher, dst, text []byte, last bool) (out, held []byte) {
	end := c.covered // of the mask that is out
	i := 0
	for i < len(text) {
		if i >= end { // plain text up to the next place where a form may begin
			from := i
			i = m.next(text, i)
			dst = append(dst, text[from:i]...)
			if i == len(text) {
				break
			}
		}
		length, partial := m.match(text[i:])
		if partial && !last {
			c.covered = max(end-i, 0)
			return dst, text[i:]
		}
		switch {
		case length > 0 && i >= end:
			dst = append(dst, Mask...)
		case i >= end:
			dst = append(dst, text[i])
		}
		if length > 0 {
			end = max(end, i+length)
		}
		i++
	}
	c.covered = 0
	return dst, nil
}

// A Writer passes a stream on with the set's secrets masked, also those that arrive in pieces. It
// holds back what may be the beginning of a secret, and nothing else. One goroutine may use it at a
// time; secrets may be added to the set meanwhile.
type Writer struct {
	set    *Set
	w      io.Writer
	cursor cursor
	held   []byte // not passed on yet
	out    []byte // scratch
}

// Writer returns a Writer to w. Flush it at the end of the stream.
func (s *Set) Writer(w io.Writer) *Writer { return &Writer{set: s, w: w} }

// Write returns len(p), or the error of the writer below.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.pass(p, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush passes on what is held back: call it where the stream ends, or a secret split there could show.
func (w *Writer) Flush() error { return w.pass(nil, true) }

func (w *Writer) pass(p []byte, last bool) error {
	m := w.set.matcher()
	text := p
	if len(w.held) > 0 {
		w.held = append(w.held, p...)
		text = w.held
	}
	out, held := w.cursor.advance(m, w.out[:0], text, last)
	w.out = out
	w.held = append(w.held[:0], held...)
	if len(out) == 0 {
		return nil
	}
	_, err := w.w.Write(out)
	return err
}

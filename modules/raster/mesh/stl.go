package mesh

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	stlHeader   = 84 // bytes: 80 of comment, then the number of triangles
	stlTriangle = 50 // bytes: a normal, three corners, two bytes nobody agrees on
	scanBatch   = 4096
	sniffBytes  = 64 << 10
)

// A Triangle is three corners, counter-clockwise seen from outside.
type Triangle [3]Vec

// degenerate reports whether two corners are one point. A triangle of three distinct points in a line is kept: dropping
// it would open the surface.
func (t *Triangle) degenerate() bool { return t[0] == t[1] || t[1] == t[2] || t[2] == t[0] }

// A Batch is consecutive triangles of one solid.
type Batch struct {
	Solid      string     // the name after "solid"; empty in binary files
	First      bool       // the first batch of this solid
	Triangles  []Triangle // finite, none degenerate; valid until the next call
	Degenerate int        // how many were left out
}

// STLInfo says what a scan met beside the triangles it handed on.
type STLInfo struct {
	Binary     bool
	Triangles  int64 // in the file, degenerate ones too
	Degenerate int64
	Trailing   int64 // bytes behind the triangles that a binary header promises; they were skipped
}

// ScanSTL reads binary or ASCII STL and calls each with batches of at most 4096 triangles. It holds one batch in memory and
// trusts no count. An error from each, or the end of ctx, ends the scan and is returned.
func ScanSTL(ctx context.Context, r io.Reader, each func(Batch) error) (STLInfo, error) {
	br := bufio.NewReaderSize(r, sniffBytes)
	head, err := br.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return STLInfo{}, fmt.Errorf("read STL: %w", err)
	}
	s := scan{ctx: ctx, each: each, pending: make([]Triangle, 0, scanBatch)}
	switch {
	case len(head) == 0:
		return STLInfo{}, malformed("the file is empty")
	case bytes.HasPrefix(head, []byte("ply\n")) || bytes.HasPrefix(head, []byte("ply\r")):
		return STLInfo{}, malformed("the file is PLY, and only STL is read by this version: convert it to STL first")
	case bytes.IndexByte(head, 0) >= 0:
		err = s.binary(br)
	case startsSolid(head):
		err = s.ascii(br)
	case len(head) < stlHeader:
		err = malformed("the file is not STL: it has %d bytes and does not begin with \"solid\"", len(head))
	case isText(head):
		err = malformed("the file is not STL: it is text and does not begin with \"solid\"")
	default:
		err = s.binary(br)
	}
	if err == nil && s.info.Triangles == 0 {
		err = malformed("the STL has no triangles")
	}
	return s.info, err
}

// startsSolid reports whether head begins with the word that opens an ASCII file. Binary files may begin with it too: they
// are known by their zero bytes.
func startsSolid(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	head = bytes.TrimLeft(head, " \t\r\n")
	return len(head) >= 5 && bytes.EqualFold(head[:5], []byte("solid"))
}

// isText reports whether head has no byte that text has not.
func isText(head []byte) bool {
	return !bytes.ContainsFunc(head, func(r rune) bool { return r < '\t' || r > '\r' && r < ' ' })
}

// A scan collects triangles into batches.
type scan struct {
	ctx     context.Context
	each    func(Batch) error
	info    STLInfo
	solid   string
	opened  bool // a batch of this solid has been handed on
	pending []Triangle
	dropped int
}

// add takes one triangle of the file.
func (s *scan) add(t Triangle) error {
	s.info.Triangles++
	if !t[0].finite() || !t[1].finite() || !t[2].finite() {
		return malformed("triangle %d has a coordinate that is not a finite number", s.info.Triangles)
	}
	if t.degenerate() {
		s.info.Degenerate++
		s.dropped++
	} else {
		s.pending = append(s.pending, t)
	}
	if len(s.pending)+s.dropped < scanBatch {
		return nil
	}
	return s.flush()
}

// flush hands on what is pending, and looks whether the scan should go on.
func (s *scan) flush() error {
	if err := s.ctx.Err(); err != nil {
		return context.Cause(s.ctx)
	}
	if len(s.pending) == 0 && s.dropped == 0 {
		return nil
	}
	b := Batch{Solid: s.solid, First: !s.opened, Triangles: s.pending, Degenerate: s.dropped}
	s.opened = true
	s.pending, s.dropped = s.pending[:0], 0
	return s.each(b)
}

func (s *scan) binary(r io.Reader) error {
	var head [stlHeader]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return short(err, "the file is not STL: it has %d bytes, and a binary header alone has %d", n, stlHeader)
	}
	s.info.Binary = true
	promised := int64(binary.LittleEndian.Uint32(head[80:]))
	buf := make([]byte, scanBatch*stlTriangle)
	for s.info.Triangles < promised {
		want := min(promised-s.info.Triangles, scanBatch) * stlTriangle
		n, err := io.ReadFull(r, buf[:want])
		for b := buf[:n]; len(b) >= stlTriangle; b = b[stlTriangle:] {
			if err := s.add(corners(b)); err != nil {
				return err
			}
		}
		if err != nil {
			return short(err, "the file is truncated: its header promises %d triangles, it has %d", promised, s.info.Triangles)
		}
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return fmt.Errorf("read STL: %w", err)
	}
	s.info.Trailing = n
	return s.flush()
}

// short says what it means that the file ended; any other err is the reader's own.
func short(err error, format string, args ...any) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed(format, args...)
	}
	return fmt.Errorf("read STL: %w", err)
}

// corners decodes the corners of one binary triangle; its normal is not used, many writers leave it zero.
func corners(b []byte) (t Triangle) {
	_ = b[47]
	for i := range 3 {
		for k := range 3 {
			t[i][k] = math.Float32frombits(binary.LittleEndian.Uint32(b[12+12*i+4*k:]))
		}
	}
	return t
}

// ReadSTL reads a whole STL into a mesh, equal corners welded.
func ReadSTL(ctx context.Context, r io.Reader) (*Mesh, error) {
	w, m := NewWelder(), &Mesh{}
	_, err := ScanSTL(ctx, r, func(b Batch) error {
		for i := range b.Triangles {
			var face [3]uint32
			for k, v := range b.Triangles[i] {
				face[k], _ = w.Add(v)
			}
			m.Triangles = append(m.Triangles, face)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.Positions = w.Positions()
	return m, nil
}

package mesh

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxOBJLine is how long one line of an OBJ may be: a polygon of some 100,000 corners.
const maxOBJLine = 1 << 20

// ReadOBJ reads the geometry of an OBJ: positions, with colours where every vertex has them, normals where every corner has
// one, and faces of any number of corners, which become fans of triangles. Negative indices count from the end. Lines,
// points, curves, texture coordinates, groups and materials are skipped.
func ReadOBJ(ctx context.Context, r io.Reader) (*Mesh, error) {
	o := &objReader{mesh: &Mesh{}, hasNormals: true, hasColors: true}
	all := &counted{r: r}
	lines := bufio.NewReaderSize(all, sniffBytes)
	for {
		if o.line%8192 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		line, err := o.readLine(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, malformed("line %d holds a NUL, as no text does", o.line)
		}
		if err := cmp.Or(o.statement(line), all.holds(o.mesh)); err != nil {
			return nil, err
		}
		if err != nil {
			return o.finish()
		}
	}
}

type objReader struct {
	mesh       *Mesh
	normals    []Vec // of the vn lines
	hasNormals bool  // so far, every corner
	hasColors  bool  // so far, every vertex
	face       []corner
	long       []byte // a line that did not fit the reader's buffer, or goes on after a backslash
	line       int
}

// A corner is one item of a face: indices from 0, normal is -1 when there is none.
type corner struct{ position, normal int }

// readLine returns one line with its continuations, without its end; valid until the next call.
func (o *objReader) readLine(r *bufio.Reader) ([]byte, error) {
	o.long = o.long[:0]
	for {
		part, err := r.ReadSlice('\n')
		if len(o.long)+len(part) > maxOBJLine {
			return nil, malformed("line %d is longer than %d KiB", o.line+1, maxOBJLine>>10)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			o.long = append(o.long, part...)
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read OBJ: %w", err)
		}
		o.line++
		if head, ok := bytes.CutSuffix(bytes.TrimRight(part, "\r\n"), []byte(`\`)); ok && err == nil {
			o.long = append(append(o.long, head...), ' ')
			continue
		}
		if len(o.long) > 0 {
			part = append(o.long, part...)
			o.long = part
		}
		return part, err
	}
}

func (o *objReader) statement(line []byte) error {
	line, _, _ = bytes.Cut(line, []byte("#"))
	word, rest := cutField(line)
	switch string(word) {
	case "v":
		return o.vertex(rest)
	case "vn":
		v, _, err := o.vector(rest)
		o.normals = append(o.normals, v)
		return err
	case "f":
		return o.polygon(rest)
	case "usemtl":
		o.mesh.Materials = true
	}
	return nil
}

// vertex reads x y z, then a weight, or a colour, or both.
func (o *objReader) vertex(rest []byte) error {
	v, rest, err := o.vector(rest)
	if err != nil {
		return err
	}
	o.mesh.Positions = append(o.mesh.Positions, v)
	if !o.hasColors {
		return nil
	}
	extra := bytes.Fields(rest)
	if len(extra) < 3 {
		o.hasColors, o.mesh.Colors = false, nil
		return nil
	}
	color, _, err := o.vector(bytes.Join(extra[len(extra)-3:], []byte(" ")))
	for k := range color {
		color[k] = min(max(color[k], 0), 1)
	}
	o.mesh.Colors = append(o.mesh.Colors, color)
	return err
}

func (o *objReader) vector(line []byte) (v Vec, rest []byte, err error) {
	for k := range v {
		var word []byte
		word, line = cutField(line)
		if v[k], err = parseFloat(word); err != nil {
			return v, nil, malformed("line %d: the coordinate %s is not a number", o.line, quote(word))
		}
	}
	if !v.finite() {
		return v, nil, malformed("line %d has a coordinate that is not a finite number", o.line)
	}
	return v, line, nil
}

func (o *objReader) polygon(rest []byte) error {
	o.face = o.face[:0]
	for {
		var word []byte
		if word, rest = cutField(rest); len(word) == 0 {
			break
		}
		c, err := o.corner(word)
		if err != nil {
			return err
		}
		o.face = append(o.face, c)
	}
	if len(o.face) < 3 {
		return malformed("line %d: a face has %d corners, and needs three", o.line, len(o.face))
	}
	for i := 2; i < len(o.face); i++ {
		o.triangle([3]corner{o.face[0], o.face[i-1], o.face[i]})
	}
	return nil
}

// corner reads one of: position, position/texture, position//normal, position/texture/normal.
func (o *objReader) corner(word []byte) (corner, error) {
	first, rest, _ := bytes.Cut(word, []byte("/"))
	_, last, _ := bytes.Cut(rest, []byte("/"))
	p, err := o.index(first, len(o.mesh.Positions), "vertex")
	if err != nil {
		return corner{}, err
	}
	if len(last) == 0 {
		return corner{position: p, normal: -1}, nil
	}
	n, err := o.index(last, len(o.normals), "normal")
	return corner{position: p, normal: n}, err
}

// index turns a number of the file, from 1 or from -1 backwards, into an index below count.
func (o *objReader) index(word []byte, count int, what string) (int, error) {
	i, err := strconv.Atoi(string(word))
	if err != nil {
		return 0, malformed("line %d: %s is not the number of a %s", o.line, quote(word), what)
	}
	at := i - 1
	if i < 0 {
		at = count + i
	}
	if i == 0 || at < 0 || at >= count {
		return 0, malformed("line %d: a face names %s %d, and there are %d so far", o.line, what, i, count)
	}
	return at, nil
}

func (o *objReader) triangle(c [3]corner) {
	var face [3]uint32
	var normals [3]Vec
	for k := range c {
		face[k] = uint32(c[k].position)
		o.hasNormals = o.hasNormals && c[k].normal >= 0
		if o.hasNormals {
			normals[k] = o.normals[c[k].normal]
		}
	}
	if face[0] == face[1] || face[1] == face[2] || face[2] == face[0] {
		return
	}
	o.mesh.Triangles = append(o.mesh.Triangles, face)
	if o.hasNormals {
		o.mesh.Normals = append(o.mesh.Normals, normals)
	}
}

func (o *objReader) finish() (*Mesh, error) {
	if len(o.mesh.Triangles) == 0 {
		return nil, malformed("the OBJ has no faces")
	}
	if !o.hasNormals {
		o.mesh.Normals = nil
	}
	return o.mesh, nil
}

// cutField returns the first word of line and what follows it.
func cutField(line []byte) (word, rest []byte) {
	for len(line) > 0 && line[0] <= ' ' {
		line = line[1:]
	}
	n := 0
	for n < len(line) && line[n] > ' ' {
		n++
	}
	return line[:n], line[n:]
}

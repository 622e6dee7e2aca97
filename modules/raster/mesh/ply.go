package mesh

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Limits of a PLY.
const (
	maxPLYHeader = 64 << 10 // bytes
	maxPLYList   = 1 << 20  // items: a polygon of a million corners
)

// PLYInfo says what a reading met beside the mesh.
type PLYInfo struct {
	Left []string // properties of vertices and faces, and other elements, that were not read: "s", "edge"
}

// ReadPLY reads the geometry of a PLY, ASCII or binary: positions, normals and colours where every vertex has them, and faces of
// any number of corners, which become fans of triangles. No count of its header is trusted.
func ReadPLY(ctx context.Context, r io.Reader) (*Mesh, PLYInfo, error) {
	br := bufio.NewReaderSize(r, sniffBytes)
	h, err := readPLYHeader(br)
	if err != nil {
		return nil, PLYInfo{}, err
	}
	p := plyReader{mesh: &Mesh{}, in: h.values(br)}
	var info PLYInfo
	for _, e := range h.elements {
		info.Left = append(info.Left, e.left()...)
		if err := p.element(ctx, e); err != nil {
			return nil, info, err
		}
	}
	m, err := p.finish()
	return m, info, err
}

type plyReader struct {
	mesh    *Mesh
	normals []Vec
	in      plyValues
}

// A plyValues reads one value after the other.
type plyValues interface {
	value(kind plyKind) (float64, error)
}

// plyEnd is how a file that is too short is refused; other errors are passed on.
func plyEnd(err error, e plyElement, i int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("the PLY ends at %s %d, and its header promises %d", e.name, i, e.count)
	}
	return err
}

func (p *plyReader) element(ctx context.Context, e plyElement) error {
	var at [9]int // the properties that are read: places in roles, -1 is another
	roles := []string{"x", "y", "z", "nx", "ny", "nz", "red", "green", "blue"}
	for i := range at {
		at[i] = slices.IndexFunc(e.properties, func(q plyProperty) bool { return q.name == roles[i] && !q.list })
	}
	if e.name == "vertex" && (at[0] < 0 || at[1] < 0 || at[2] < 0) {
		return malformed("the vertices of the PLY have no x, y and z")
	}
	row := make([]float64, len(e.properties))
	var list []float64
	for i := range e.count {
		if i%8192 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for k, q := range e.properties {
			var err error
			if !q.list {
				row[k], err = p.in.value(q.kind)
			} else if list, err = p.list(q, list[:0]); err == nil && e.name == "face" && q.isCorners() {
				err = p.face(list, i)
			}
			if err != nil {
				return plyEnd(err, e, i)
			}
		}
		if e.name == "vertex" {
			if err := p.vertex(row, at, e, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *plyReader) list(q plyProperty, list []float64) ([]float64, error) {
	n, err := p.in.value(q.count)
	if err != nil {
		return nil, err
	}
	if !(n >= 0 && n <= maxPLYList && n == math.Trunc(n)) {
		return nil, malformed("a list of the PLY says that it has %v items, and %d are the most that are read", n, maxPLYList)
	}
	for range int(n) {
		v, err := p.in.value(q.kind)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (p *plyReader) vertex(row []float64, at [9]int, e plyElement, i int64) error {
	three := func(k int) (v Vec, ok bool) {
		if at[k] < 0 || at[k+1] < 0 || at[k+2] < 0 {
			return v, false
		}
		return Vec{float32(row[at[k]]), float32(row[at[k+1]]), float32(row[at[k+2]])}, true
	}
	point, _ := three(0)
	if !point.finite() {
		return malformed("vertex %d of the PLY is no point: %v", i, point)
	}
	p.mesh.Positions = append(p.mesh.Positions, point)
	if n, ok := three(3); ok {
		p.normals = append(p.normals, n)
	}
	if c, ok := three(6); ok {
		if !e.properties[at[6]].kind.real() {
			for k := range c {
				c[k] /= float32(e.properties[at[6+k]].kind.most())
			}
		}
		p.mesh.Colors = append(p.mesh.Colors, c)
	}
	return nil
}

func (p *plyReader) face(list []float64, i int64) error {
	for _, v := range list {
		if !(v >= 0 && v < math.MaxUint32 && v == math.Trunc(v)) {
			return malformed("face %d of the PLY names vertex %v", i, v)
		}
	}
	for k := 2; k < len(list); k++ {
		t := [3]uint32{uint32(list[0]), uint32(list[k-1]), uint32(list[k])}
		if t[0] != t[1] && t[1] != t[2] && t[2] != t[0] {
			p.mesh.Triangles = append(p.mesh.Triangles, t)
		}
	}
	return nil
}

func (p *plyReader) finish() (*Mesh, error) {
	m := p.mesh
	for _, t := range m.Triangles {
		if n := max(t[0], t[1], t[2]); int64(n) >= int64(len(m.Positions)) {
			return nil, malformed("a face of the PLY names vertex %d, and there are %d", n, len(m.Positions))
		}
	}
	if len(m.Triangles) == 0 {
		return nil, malformed("the PLY has no triangles: it has %d points", len(m.Positions))
	}
	if len(p.normals) == len(m.Positions) {
		for _, t := range m.Triangles {
			m.Normals = append(m.Normals, [3]Vec{p.normals[t[0]], p.normals[t[1]], p.normals[t[2]]})
		}
	}
	return m, nil
}

// A plyHeader is what a PLY says of itself.
type plyHeader struct {
	format   string
	elements []plyElement
}

type plyElement struct {
	name       string
	count      int64
	properties []plyProperty
}

type plyProperty struct {
	name        string
	list        bool
	count, kind plyKind // count is of a list's length
}

func (q plyProperty) isCorners() bool { return q.name == "vertex_indices" || q.name == "vertex_index" }

// left are the names of what is not read.
func (e plyElement) left() []string {
	read := []string{"x", "y", "z", "nx", "ny", "nz", "red", "green", "blue"}
	switch e.name {
	case "face":
		read = []string{"vertex_indices", "vertex_index"}
	case "vertex":
	default:
		return []string{e.name}
	}
	var names []string
	for _, q := range e.properties {
		if !slices.Contains(read, q.name) {
			names = append(names, q.name)
		}
	}
	return names
}

func readPLYHeader(br *bufio.Reader) (h plyHeader, err error) {
	for n := 0; ; n++ {
		line, err := br.ReadSlice('\n')
		if n*2+len(line) > maxPLYHeader || errors.Is(err, bufio.ErrBufferFull) {
			return h, malformed("the header of the PLY is longer than %d bytes", maxPLYHeader)
		}
		if errors.Is(err, io.EOF) {
			return h, malformed("the PLY ends in its header")
		}
		if err != nil {
			return h, fmt.Errorf("read PLY: %w", err)
		}
		words := strings.Fields(string(bytes.TrimSpace(line)))
		switch {
		case n == 0 && (len(words) != 1 || words[0] != "ply"):
			return h, malformed("the file is not PLY: it does not begin with \"ply\"")
		case len(words) > 0 && words[0] == "end_header":
			return h, h.check()
		}
		if err := h.line(words); err != nil {
			return h, err
		}
	}
}

func (h *plyHeader) line(words []string) error {
	if len(words) == 0 {
		return nil
	}
	switch {
	case words[0] == "format" && len(words) == 3:
		h.format = words[1]
	case words[0] == "element" && len(words) == 3:
		e := plyElement{name: words[1]}
		if _, err := fmt.Sscan(words[2], &e.count); err != nil || e.count < 0 || e.count >= math.MaxUint32 {
			return malformed("the PLY says that it has %.20q of %s", words[2], e.name)
		}
		h.elements = append(h.elements, e)
	case words[0] == "property" && len(h.elements) > 0 && (len(words) == 3 || len(words) == 5 && words[1] == "list"):
		q := plyProperty{name: words[len(words)-1], list: len(words) == 5, kind: kindOf(words[len(words)-2])}
		if q.list {
			q.count = kindOf(words[2])
		}
		if q.kind == 0 || q.list && (q.count == 0 || q.count.real()) {
			return malformed("property %.40q of the PLY has no known type", q.name)
		}
		e := &h.elements[len(h.elements)-1]
		e.properties = append(e.properties, q)
	case words[0] == "property", words[0] == "element", words[0] == "format":
		return malformed("the line %.80q of the PLY's header can't be read", strings.Join(words, " "))
	}
	return nil
}

func (h *plyHeader) check() error {
	if !slices.Contains([]string{"ascii", "binary_little_endian", "binary_big_endian"}, h.format) {
		return malformed("the PLY is written as %.40q, which is none of ascii, binary_little_endian and binary_big_endian", h.format)
	}
	for _, e := range h.elements {
		if len(e.properties) == 0 && e.count > 0 {
			return malformed("element %.40q of the PLY has no properties", e.name)
		}
	}
	return nil
}

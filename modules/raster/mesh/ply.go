package mesh

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"slices"
)

// maxPLYList is how many items a list may have: a polygon of a million corners.
const maxPLYList = 1 << 20

// PLYInfo says what a reading met beside the mesh.
type PLYInfo struct {
	Left       []string // properties of vertices and faces, and other elements, that were not read: "s", "edge"
	Degenerate int64    // triangles left out: two corners are one vertex
}

// ReadPLY reads the geometry of a PLY, ASCII or binary: positions, normals and colours where every vertex has them, and faces of
// any number of corners, which become fans of triangles. No count of its header is trusted.
func ReadPLY(ctx context.Context, r io.Reader) (*Mesh, PLYInfo, error) {
	all := &counted{r: r}
	br := bufio.NewReaderSize(all, sniffBytes)
	h, err := readPLYHeader(br)
	if err != nil {
		return nil, PLYInfo{}, err
	}
	p := plyReader{mesh: &Mesh{}, in: h.values(br), all: all}
	var info PLYInfo
	for _, e := range h.elements {
		info.Left = append(info.Left, e.left()...)
		if err := p.element(ctx, e); err != nil {
			return nil, info, err
		}
	}
	info.Degenerate = p.degenerate
	m, err := p.finish()
	return m, info, err
}

type plyReader struct {
	mesh       *Mesh
	normals    []Vec
	degenerate int64
	in         plyValues
	all        *counted // what in reads of
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
		if t[0] == t[1] || t[1] == t[2] || t[2] == t[0] {
			p.degenerate++
			continue
		}
		p.mesh.Triangles = append(p.mesh.Triangles, t)
	}
	return p.all.holds(p.mesh)
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
		m.Normals = make([][3]Vec, 0, len(m.Triangles))
		for _, t := range m.Triangles {
			m.Normals = append(m.Normals, [3]Vec{p.normals[t[0]], p.normals[t[1]], p.normals[t[2]]})
		}
	}
	return m, nil
}

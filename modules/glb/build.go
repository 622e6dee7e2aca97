package glb

import (
	"encoding/binary"
	"math"
)

// What a view is for, in Target.
const (
	ForVertices = 34962
	ForIndices  = 34963
)

// AddFloats puts numbers into the document, with their least and greatest, and returns their accessor. kind is SCALAR, VEC3 and
// so on.
func (d *Document) AddFloats(list []float32, kind string) int {
	data := make([]byte, 4*len(list))
	n := Components(kind)
	least, greatest := make([]float64, n), make([]float64, n)
	for i, x := range list {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(x))
		if i < n || float64(x) < least[i%n] {
			least[i%n] = float64(x)
		}
		if i < n || float64(x) > greatest[i%n] {
			greatest[i%n] = float64(x)
		}
	}
	view := d.AddView(data)
	d.BufferViews[view].Target = ForVertices
	a := Accessor{View: &view, Component: Float, Count: int64(len(list) / n), Type: kind}
	if kind == "VEC3" && a.Count > 0 {
		a.Min, a.Max = least, greatest
	}
	d.Accessors = append(d.Accessors, a)
	return len(d.Accessors) - 1
}

// AddIndices puts indices into the document, two bytes each where that is enough, and returns their accessor.
func (d *Document) AddIndices(list []uint32) int {
	most := uint32(0)
	for _, i := range list {
		most = max(most, i)
	}
	a := Accessor{Component: UnsignedShort, Count: int64(len(list)), Type: "SCALAR"}
	var data []byte
	if most < math.MaxUint16 { // the last one is no index: it restarts a primitive
		data = make([]byte, 2*len(list))
		for i, x := range list {
			binary.LittleEndian.PutUint16(data[2*i:], uint16(x))
		}
	} else {
		a.Component = UnsignedInt
		data = make([]byte, 4*len(list))
		for i, x := range list {
			binary.LittleEndian.PutUint32(data[4*i:], x)
		}
	}
	view := d.AddView(data)
	d.BufferViews[view].Target = ForIndices
	a.View = &view
	d.Accessors = append(d.Accessors, a)
	return len(d.Accessors) - 1
}

// Corners are the vertices of a primitive's triangles, three by three, whatever its mode; none where it draws no triangles. An
// index beyond its vertices is an error.
func (d *Document) Corners(p *Primitive) ([]uint32, error) {
	pos, ok := p.Attributes["POSITION"]
	mode := p.mode()
	if !ok || mode < Triangles {
		return nil, nil
	}
	n := uint32(d.Accessors[pos].Count)
	list := make([]uint32, 0, n)
	if p.Indices != nil {
		var err error
		if list, err = d.Indices(*p.Indices); err != nil {
			return nil, err
		}
		for _, i := range list {
			if i >= n {
				return nil, malformed("an index of accessor %d names vertex %d, and there are %d", *p.Indices, i, n)
			}
		}
	} else {
		for i := range n {
			list = append(list, i)
		}
	}
	if mode == Triangles {
		return list[:len(list)/3*3], nil
	}
	var out []uint32
	for i := 2; i < len(list); i++ {
		switch {
		case mode == TriangleFan:
			out = append(out, list[0], list[i-1], list[i])
		case i%2 == 0:
			out = append(out, list[i-2], list[i-1], list[i])
		default:
			out = append(out, list[i-1], list[i-2], list[i])
		}
	}
	return out, nil
}

package glb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/millrace/millrace/modules/fault"
)

// ErrCompressed is what Floats and Indices return of geometry that Draco or meshopt packed: unpack it first.
var ErrCompressed = fault.As(fault.Permanent, errors.New("its geometry is compressed (Draco or meshopt)"))

// A layout is how the elements of an accessor lie in memory.
type layout struct {
	columns, rows int   // components of an element; 1 column but for matrices
	component     int64 // bytes
	column        int64 // bytes from one column to the next
	size          int64 // bytes of an element
}

func componentSize(component int) int64 {
	switch component {
	case Byte, UnsignedByte:
		return 1
	case Short, UnsignedShort:
		return 2
	case UnsignedInt, Float:
		return 4
	}
	return 0
}

// Components is how many numbers an element of a type has; 0 of a type that there is not.
func Components(accessorType string) int {
	switch accessorType {
	case "SCALAR":
		return 1
	case "VEC2":
		return 2
	case "VEC3":
		return 3
	case "VEC4", "MAT2":
		return 4
	case "MAT3":
		return 9
	case "MAT4":
		return 16
	}
	return 0
}

func (a *Accessor) layout() (layout, error) {
	l := layout{columns: 1, rows: Components(a.Type), component: componentSize(a.Component)}
	if l.rows == 0 {
		return l, fmt.Errorf("there is no type %s", show(a.Type))
	}
	if l.component == 0 {
		return l, fmt.Errorf("there is no component type %d", a.Component)
	}
	l.column = int64(l.rows) * l.component
	switch a.Type {
	case "MAT2", "MAT3", "MAT4": // columns begin at multiples of four bytes
		n := map[string]int{"MAT2": 2, "MAT3": 3, "MAT4": 4}[a.Type]
		l.columns, l.rows = n, n
		l.column = (int64(n)*l.component + 3) &^ 3
	}
	l.size = l.column * int64(l.columns)
	return l, nil
}

// Bytes are those of a view; don't change them.
func (d *Document) Bytes(view int) ([]byte, error) {
	v := &d.BufferViews[view]
	data := d.Buffers[v.Buffer].Data
	if _, packed, _ := v.compressed(); packed || v.Offset+v.Length > int64(len(data)) {
		return nil, ErrCompressed
	}
	return data[v.Offset : v.Offset+v.Length : v.Offset+v.Length], nil
}

// Floats are the numbers of an accessor, element by element, columns of a matrix first: normalised integers as −1 to 1 or 0 to 1.
func (d *Document) Floats(accessor int) ([]float32, error) {
	a := &d.Accessors[accessor]
	read, err := reader(a.Component, a.Normalized)
	if err != nil {
		return nil, err
	}
	return elements(d, a, read)
}

// Indices are the integers of an accessor.
func (d *Document) Indices(accessor int) ([]uint32, error) {
	a := &d.Accessors[accessor]
	switch a.Component {
	case UnsignedByte:
		return elements(d, a, func(b []byte) uint32 { return uint32(b[0]) })
	case UnsignedShort:
		return elements(d, a, func(b []byte) uint32 { return uint32(binary.LittleEndian.Uint16(b)) })
	case UnsignedInt:
		return elements(d, a, binary.LittleEndian.Uint32)
	}
	return nil, malformed("accessor %d holds no indices, but numbers of type %d", accessor, a.Component)
}

// reader turns the bytes of a component into a number.
func reader(component int, normalized bool) (func([]byte) float32, error) {
	scale := func(most float32) float32 {
		if normalized {
			return 1 / most
		}
		return 1
	}
	switch component {
	case Float:
		return func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }, nil
	case UnsignedByte:
		s := scale(255)
		return func(b []byte) float32 { return float32(b[0]) * s }, nil
	case UnsignedShort:
		s := scale(65535)
		return func(b []byte) float32 { return float32(binary.LittleEndian.Uint16(b)) * s }, nil
	case UnsignedInt:
		return func(b []byte) float32 { return float32(binary.LittleEndian.Uint32(b)) }, nil
	case Byte:
		s := scale(127)
		return func(b []byte) float32 { return signed(float32(int8(b[0]))*s, normalized) }, nil
	case Short:
		s := scale(32767)
		return func(b []byte) float32 { return signed(float32(int16(binary.LittleEndian.Uint16(b)))*s, normalized) }, nil
	}
	return nil, malformed("there is no component type %d", component)
}

// signed keeps a normalised −128 or −32768 at −1.
func signed(f float32, normalized bool) float32 {
	if normalized {
		return max(f, -1)
	}
	return f
}

// elements reads the components of an accessor, its sparse ones included.
func elements[T any](d *Document, a *Accessor, read func([]byte) T) ([]T, error) {
	l, err := a.layout()
	if err != nil {
		return nil, err
	}
	if a.View == nil && a.Sparse == nil && d.drawnByDraco() {
		return nil, ErrCompressed
	}
	out := make([]T, int(a.Count)*l.columns*l.rows)
	if a.View != nil {
		data, err := d.Bytes(*a.View)
		if err != nil {
			return nil, err
		}
		stride := d.BufferViews[*a.View].Stride
		if stride == 0 {
			stride = l.size
		}
		for i := range a.Count {
			fill(out, int(i), data[a.Offset+i*stride:], l, read)
		}
	}
	if a.Sparse == nil {
		return out, nil
	}
	return out, sparse(d, a, out, l, read)
}

// fill reads element i.
func fill[T any](out []T, i int, data []byte, l layout, read func([]byte) T) {
	for c := range l.columns {
		for r := range l.rows {
			out[(i*l.columns+c)*l.rows+r] = read(data[int64(c)*l.column+int64(r)*l.component:])
		}
	}
}

func sparse[T any](d *Document, a *Accessor, out []T, l layout, read func([]byte) T) error {
	s := a.Sparse
	which, err := d.Bytes(s.Indices.View)
	if err != nil {
		return err
	}
	values, err := d.Bytes(s.Values.View)
	if err != nil {
		return err
	}
	size := componentSize(s.Indices.Component)
	for i := range s.Count {
		var at int64
		switch b := which[s.Indices.Offset+i*size:]; size {
		case 1:
			at = int64(b[0])
		case 2:
			at = int64(binary.LittleEndian.Uint16(b))
		default:
			at = int64(binary.LittleEndian.Uint32(b))
		}
		if at >= a.Count {
			return malformed("a sparse accessor changes element %d of %d", at, a.Count)
		}
		fill(out, int(at), values[s.Values.Offset+i*l.size:], l, read)
	}
	return nil
}

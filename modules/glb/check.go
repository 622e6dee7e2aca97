package glb

import (
	"fmt"
	"math"
)

// check makes sure that everything in d can be reached without another look at its bounds.
func (d *Document) check() error {
	err := d.walk(visitor{visit: func(k kind, index *int, at place) error {
		if n := d.count(k); *index < 0 || *index >= n {
			return malformed("%v names %v %d, and there are %d", at, k, *index, n)
		}
		return nil
	}})
	each(&err, "bufferView", d.BufferViews, d.checkView)
	each(&err, "accessor", d.Accessors, d.checkAccessor)
	each(&err, "mesh", d.Meshes, d.checkMesh)
	if err != nil {
		return err
	}
	return d.checkTree()
}

func (d *Document) checkView(v *BufferView, at place) error {
	if n := d.Buffers[v.Buffer].Length; v.Offset < 0 || v.Length < 0 || v.Offset > n || v.Length > n-v.Offset {
		return malformed("%v covers %d bytes from %d of buffer %d, which has %d", at, v.Length, v.Offset, v.Buffer, n)
	}
	if v.Stride < 0 || v.Stride > 255 {
		return malformed("%v has a stride of %d bytes", at, v.Stride)
	}
	c, ok, err := v.compressed()
	if err != nil {
		return malformed("%v: %w", at, err)
	}
	if ok {
		n := int64(len(d.Buffers[c.Buffer].Data))
		if c.Offset < 0 || c.Length < 0 || c.Offset > n || c.Length > n-c.Offset {
			return malformed("%v is compressed in %d bytes from %d of buffer %d, which has %d", at, c.Length, c.Offset, c.Buffer, n)
		}
	}
	return nil
}

// packed is where the bytes of a compressed view are.
type packed struct {
	Buffer int   `json:"buffer"`
	Offset int64 `json:"byteOffset"`
	Length int64 `json:"byteLength"`
}

// compressed says whether meshopt packed the view.
func (v *BufferView) compressed() (packed, bool, error) {
	for _, name := range []string{"EXT_meshopt_compression", "KHR_meshopt_compression"} {
		if raw, ok := v.Extensions[name]; ok {
			var c packed
			if err := Decode(raw, &c); err != nil {
				return c, true, fmt.Errorf("%s: %w", name, err)
			}
			return c, true, nil
		}
	}
	return packed{}, false, nil
}

func (d *Document) checkAccessor(a *Accessor, at place) error {
	l, err := a.layout()
	if err != nil {
		return malformed("%v: %w", at, err)
	}
	if a.Count < 0 || a.Count > math.MaxInt32 || a.Offset < 0 {
		return malformed("%v has %d elements from byte %d, it says", at, a.Count, a.Offset)
	}
	if a.View == nil && a.Count > d.limits.Count && (a.Sparse != nil || !d.drawnByDraco()) {
		return malformed("%v has %d elements and no bytes for them, more than the %d that are read", at, a.Count, d.limits.Count)
	}
	if a.View != nil {
		stride := d.BufferViews[*a.View].Stride
		if stride == 0 {
			stride = l.size
		}
		if err := d.reaches(*a.View, a.Offset, a.Count, stride, l.size); err != nil {
			return malformed("%v: %w", at, err)
		}
	}
	s := a.Sparse
	if s == nil {
		return nil
	}
	index := componentSize(s.Indices.Component)
	if index == 0 || s.Indices.Component == Float || s.Count < 0 || s.Count > a.Count || s.Indices.Offset < 0 || s.Values.Offset < 0 {
		return malformed("%v: its sparse part makes no sense", at)
	}
	err = first(d.reaches(s.Indices.View, s.Indices.Offset, s.Count, index, index), d.reaches(s.Values.View, s.Values.Offset, s.Count, l.size, l.size))
	if err != nil {
		return malformed("%v: its sparse part: %w", at, err)
	}
	return nil
}

// drawnByDraco says whether accessors may go without bytes, since Draco's have theirs.
func (d *Document) drawnByDraco() bool { return d.Uses("KHR_draco_mesh_compression") }

// Uses says whether the document names an extension among those it uses.
func (d *Document) Uses(extension string) bool {
	for _, name := range d.Used {
		if name == extension {
			return true
		}
	}
	return false
}

// reaches says whether n elements fit into a view. None of its products is beyond 2⁶³: n is an int32, a stride at most 255.
func (d *Document) reaches(view int, offset, n, stride, size int64) error {
	if n == 0 {
		return nil
	}
	if stride < size {
		return fmt.Errorf("its elements are %d bytes, %d bytes apart", size, stride)
	}
	length := d.BufferViews[view].Length
	if end := stride*(n-1) + size; end > length || offset > length-end {
		return fmt.Errorf("its %d elements from byte %d on need %d bytes, and bufferView %d has %d", n, offset, end, view, length)
	}
	return nil
}

func (d *Document) checkMesh(m *Mesh, at place) error {
	for i := range m.Primitives {
		p := &m.Primitives[i]
		if p.Mode != nil && (*p.Mode < Points || *p.Mode > TriangleFan) {
			return malformed("%v: primitive %d has mode %d", at, i, *p.Mode)
		}
		if p.Indices != nil {
			if a := d.Accessors[*p.Indices]; a.Type != "SCALAR" || a.Component == Float || a.Normalized {
				return malformed("%v: the indices of primitive %d are %s of type %d", at, i, show(a.Type), a.Component)
			}
		}
		if pos, ok := p.Attributes["POSITION"]; ok && d.Accessors[pos].Type != "VEC3" {
			return malformed("%v: the positions of primitive %d are %s", at, i, show(d.Accessors[pos].Type))
		}
		if err := d.checkCounts(p); err != nil {
			return malformed("%v: primitive %d: %w", at, i, err)
		}
	}
	return nil
}

// checkCounts makes sure that a primitive's attributes, and those of its targets, have an element for each of its vertices, and no more.
func (d *Document) checkCounts(p *Primitive) error {
	positions, there := p.Attributes["POSITION"]
	for _, attributes := range append([]map[string]int{p.Attributes}, p.Targets...) {
		for name, a := range attributes {
			if !there {
				positions, there = a, true
			}
			if n, want := d.Accessors[a].Count, d.Accessors[positions].Count; n != want {
				return fmt.Errorf("%s has %d elements, and there are %d vertices", show(name), n, want)
			}
		}
	}
	return nil
}

// checkTree makes sure that no node is below two others, or below itself, and that scenes begin at the top.
func (d *Document) checkTree() error {
	const none = -1
	parent := make([]int, len(d.Nodes))
	for i := range parent {
		parent[i] = none
	}
	for i, n := range d.Nodes {
		for _, c := range n.Children {
			if parent[c] != none {
				return malformed("node %d is below node %d and below node %d", c, parent[c], i)
			}
			parent[c] = i
		}
	}
	reached, todo := 0, []int{}
	for i, p := range parent {
		if p == none {
			todo = append(todo, i)
		}
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], d.Nodes[n].Children...)
		reached++
	}
	if reached < len(d.Nodes) {
		return malformed("%d of its nodes are below themselves", len(d.Nodes)-reached)
	}
	for i, s := range d.Scenes {
		listed := map[int]bool{}
		for _, n := range s.Nodes {
			if listed[n] || parent[n] != none {
				return malformed("scene %d lists node %d, which it reaches another way as well", i, n)
			}
			listed[n] = true
		}
	}
	return nil
}

package glb

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// A Box is what encloses something.
type Box struct {
	Min, Max Vec
	// Loose says that it may be larger than it need be: the geometry is compressed and only its corners are known, or there is
	// too much of it to look at every point.
	Loose bool
	some  bool
}

// Empty says that there is nothing in it.
func (b *Box) Empty() bool { return !b.some }

// Size is how far it extends along each axis.
func (b *Box) Size() Vec {
	return Vec{b.Max[0] - b.Min[0], b.Max[1] - b.Min[1], b.Max[2] - b.Min[2]}
}

// Center is its middle.
func (b *Box) Center() Vec {
	return Vec{(b.Max[0] + b.Min[0]) / 2, (b.Max[1] + b.Min[1]) / 2, (b.Max[2] + b.Min[2]) / 2}
}

func (b *Box) add(p Vec) {
	for _, x := range p {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return
		}
	}
	if !b.some {
		*b = Box{Min: p, Max: p, Loose: b.Loose, some: true}
	}
	for k, x := range p {
		b.Min[k], b.Max[k] = min(b.Min[k], x), max(b.Max[k], x)
	}
}

// corners calls f with the eight of them.
func (b *Box) corners(f func(Vec)) {
	if b.Empty() {
		return
	}
	for i := range 8 {
		p := b.Min
		for k := range p {
			if i>>k&1 == 1 {
				p[k] = b.Max[k]
			}
		}
		f(p)
	}
}

// maxPoints is how many points are moved one by one for the bounds of a document: about two seconds' worth.
const maxPoints = 1 << 28

// A surveyor measures bounds.
type surveyor struct {
	d     *Document
	world map[int]Matrix
	left  int64 // points and indices that may still be looked at
	box   Box
}

// A cloud is the points that a primitive draws, or the box they lie in where they are not read.
type cloud struct {
	points  []float32 // x, y, z of each
	used    []uint32  // which of them; nil is all
	corners Box
}

func (d *Document) bounds(ctx context.Context) (Box, error) {
	order, world := d.Worlds()
	s := surveyor{d: d, world: world, left: maxPoints}
	shown := make([][]int, len(d.Meshes)) // by nodes
	for _, i := range order {
		if m := d.Nodes[i].Mesh; m != nil {
			shown[*m] = append(shown[*m], i)
		}
	}
	for i, nodes := range shown {
		for j := range d.Meshes[i].Primitives {
			if err := s.survey(ctx, nodes, &d.Meshes[i].Primitives[j]); err != nil {
				return s.box, fmt.Errorf("mesh %d: %w", i, err)
			}
		}
	}
	return s.box, nil
}

// survey takes in what nodes show of a primitive.
func (s *surveyor) survey(ctx context.Context, nodes []int, p *Primitive) error {
	if len(nodes) == 0 {
		return nil
	}
	c, err := s.cloud(p)
	if err != nil {
		return err
	}
	for _, i := range nodes {
		n := &s.d.Nodes[i]
		if n.Skin != nil && c.points != nil {
			err = s.skinned(n, i, p, c)
		} else {
			err = s.d.places(n, func(place Matrix) error {
				s.place(s.world[i].Mul(place), c)
				return context.Cause(ctx)
			})
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// place takes in a cloud that a transform moves.
func (s *surveyor) place(m Matrix, c cloud) {
	if c.points == nil || s.left < int64(c.len()) {
		s.box.Loose = s.box.Loose || !c.corners.Empty()
		c.corners.corners(func(p Vec) { s.box.add(m.Point(p)) })
		return
	}
	s.left -= int64(c.len())
	c.each(func(_ int, p Vec) { s.box.add(m.Point(p)) })
}

func (c *cloud) len() int {
	if c.used != nil {
		return len(c.used)
	}
	return len(c.points) / 3
}

// each calls f with the points that are drawn.
func (c *cloud) each(f func(vertex int, p Vec)) {
	at := func(i int) Vec {
		return Vec{float64(c.points[3*i]), float64(c.points[3*i+1]), float64(c.points[3*i+2])}
	}
	if c.used == nil {
		for i := range len(c.points) / 3 {
			f(i, at(i))
		}
		return
	}
	for _, i := range c.used {
		f(int(i), at(int(i)))
	}
}

// cloud reads the points of a primitive. An index beyond them is an error.
func (s *surveyor) cloud(p *Primitive) (c cloud, err error) {
	pos, ok := p.Attributes["POSITION"]
	if !ok {
		return c, nil
	}
	cost := s.d.Accessors[pos].Count
	if p.Indices != nil {
		cost += s.d.Accessors[*p.Indices].Count
	}
	_, draco := p.Extensions["KHR_draco_mesh_compression"]
	if !draco && cost <= s.left {
		s.left -= cost
		c, err = s.d.points(p, pos)
	}
	if a := &s.d.Accessors[pos]; c.points == nil && err == nil || errors.Is(err, ErrCompressed) {
		if len(a.Min) == 3 && len(a.Max) == 3 {
			c.corners.add(Vec(a.Min))
			c.corners.add(Vec(a.Max))
		}
		return c, nil
	}
	return c, err
}

func (d *Document) points(p *Primitive, pos int) (c cloud, err error) {
	if c.points, err = d.Floats(pos); err != nil {
		return c, err
	}
	if p.Indices != nil {
		indices, err := d.Indices(*p.Indices)
		if err != nil {
			return cloud{}, err
		}
		if c.used, err = used(indices, len(c.points)/3, p); err != nil {
			return cloud{}, err
		}
	}
	c.each(func(_ int, p Vec) { c.corners.add(p) })
	return c, nil
}

// used is every index once.
func used(indices []uint32, n int, p *Primitive) ([]uint32, error) {
	seen := make([]bool, n)
	list := make([]uint32, 0, min(n, len(indices)))
	for _, i := range indices {
		if int64(i) >= int64(n) {
			return nil, malformed("an index of accessor %d names vertex %d, and there are %d", *p.Indices, i, n)
		}
		if !seen[i] {
			seen[i] = true
			list = append(list, i)
		}
	}
	return list, nil
}

// places calls f with the transforms, within a node, of what it shows: one, or those of its instances.
func (d *Document) places(n *Node, f func(Matrix) error) error {
	e := n.instancing()
	if len(e.Attributes) == 0 {
		return f(Identity())
	}
	parts := map[string][]float32{}
	for name := range e.Attributes {
		if name != "TRANSLATION" && name != "ROTATION" && name != "SCALE" {
			continue
		}
		list, err := d.Floats(e.Attributes[name])
		if err != nil && !errors.Is(err, ErrCompressed) {
			return err
		}
		parts[name] = list
	}
	for i := range d.instances(n) {
		t, q, s := Vec{}, [4]float64{0, 0, 0, 1}, Vec{1, 1, 1}
		take(t[:], parts["TRANSLATION"], int(i))
		take(q[:], parts["ROTATION"], int(i))
		take(s[:], parts["SCALE"], int(i))
		if err := f(Compose(t, q, s)); err != nil {
			return err
		}
	}
	return nil
}

// take copies element i of a list, if there is a list that has it.
func take(to []float64, list []float32, i int) {
	if len(list) < (i+1)*len(to) {
		return
	}
	for k := range to {
		to[k] = float64(list[i*len(to)+k])
	}
}

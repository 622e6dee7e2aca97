package glb

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A Surface is a primitive as a node shows it once: triangles in the world, in their rest pose, morphed by the weights that the node
// or its mesh has.
type Surface struct {
	Primitive *Primitive
	Corners   []uint32     // three by three, counter-clockwise seen from outside; indices into what follows
	Points    [][3]float32 // metres
	Normals   [][3]float32 // of any length; nil where the primitive has none
}

// Shown calls f with every surface of the default scene. It returns ErrCompressed for geometry that is compressed, and what f
// returns; it ends soon after ctx.
func (d *Document) Shown(ctx context.Context, f func(Surface) error) error {
	order, world := d.Worlds()
	s := surveyor{d: d, world: world}
	for _, i := range order {
		n := &d.Nodes[i]
		if n.Mesh == nil {
			continue
		}
		for j := range d.Meshes[*n.Mesh].Primitives {
			if err := s.show(ctx, n, i, &d.Meshes[*n.Mesh].Primitives[j], f); err != nil {
				return fmt.Errorf("mesh %d: %w", *n.Mesh, err)
			}
		}
	}
	return nil
}

// show calls f with what node n, the at-th, shows of a primitive.
func (s *surveyor) show(ctx context.Context, n *Node, at int, p *Primitive, f func(Surface) error) error {
	if _, draco := p.Extensions["KHR_draco_mesh_compression"]; draco {
		return ErrCompressed
	}
	corners, err := s.d.Corners(p)
	if err != nil || len(corners) == 0 {
		return err
	}
	points, err := s.d.Floats(p.Attributes["POSITION"])
	if err != nil {
		return err
	}
	var normals []float32
	if a, ok := p.Attributes["NORMAL"]; ok {
		if normals, err = s.d.Floats(a); err != nil {
			return err
		}
	}
	if len(normals) < len(points) {
		normals = nil
	}
	weights := n.Weights
	if weights == nil {
		weights = s.d.Meshes[*n.Mesh].Weights
	}
	if points, err = s.d.morphed(points, p, "POSITION", weights); err != nil {
		return err
	}
	if normals, err = s.d.morphed(normals, p, "NORMAL", weights); err != nil {
		return err
	}
	each := func(move func(vertex int) Matrix) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		out := Surface{Primitive: p, Corners: corners, Points: make([][3]float32, len(points)/3)}
		if normals != nil {
			out.Normals = make([][3]float32, len(out.Points))
		}
		for i := range out.Points {
			m := move(i)
			out.Points[i] = narrow(m.Point(vecAt(points, i)))
			if normals != nil {
				out.Normals[i] = narrow(m.normal(vecAt(normals, i)))
			}
		}
		if len(out.Points) > 0 && move(0).Det() < 0 {
			out.Corners = turned(corners)
		}
		return f(out)
	}
	if n.Skin != nil {
		move, err := s.bent(n, at, p)
		if err == nil {
			return each(move)
		}
		if !errors.Is(err, errNoSkin) {
			return err
		}
	}
	return s.d.places(n, func(place Matrix) error {
		m := s.world[at].Mul(place)
		return each(func(int) Matrix { return m })
	})
}

// morphed is a list of a primitive's vertices with the share of each of its targets.
func (d *Document) morphed(list []float32, p *Primitive, name string, weights []float64) ([]float32, error) {
	own := false
	for i, target := range p.Targets {
		at, ok := target[name]
		if !ok || i >= len(weights) || weights[i] == 0 || list == nil {
			continue
		}
		by, err := d.Floats(at)
		if err != nil {
			return nil, err
		}
		if !own {
			list, own = slices.Clone(list), true
		}
		for k := range min(len(list), len(by)) {
			list[k] += float32(weights[i]) * by[k]
		}
	}
	return list, nil
}

// turned is triangles with their other side outside: what mirrors turns them.
func turned(corners []uint32) []uint32 {
	out := slices.Clone(corners)
	for i := 0; i+2 < len(out); i += 3 {
		out[i+1], out[i+2] = out[i+2], out[i+1]
	}
	return out
}

// bent is how the joints of a skin move each vertex of a primitive.
func (s *surveyor) bent(n *Node, at int, p *Primitive) (move func(vertex int) Matrix, err error) {
	joints, err := s.joints(&s.d.Skins[*n.Skin], at)
	if err != nil {
		return nil, err
	}
	which, weights, err := s.d.influences(p)
	if err != nil {
		return nil, err
	}
	return func(i int) (sum Matrix) {
		for k := range 4 {
			w, j := float64(weights[4*i+k]), int(which[4*i+k])
			if w == 0 || j >= len(joints) {
				continue
			}
			for e, x := range joints[j] {
				sum[e] += w * x
			}
		}
		return sum
	}, nil
}

// normal turns a normal: what is upright on a surface stays so.
func (m Matrix) normal(n Vec) Vec {
	x, y, z := Vec{m[0], m[1], m[2]}, Vec{m[4], m[5], m[6]}, Vec{m[8], m[9], m[10]}
	a, b, c := cross(y, z), cross(z, x), cross(x, y)
	sign := 1.0
	if m.Det() < 0 {
		sign = -1
	}
	var out Vec
	for k := range out {
		out[k] = sign * (a[k]*n[0] + b[k]*n[1] + c[k]*n[2])
	}
	return out
}

func cross(a, b Vec) Vec {
	return Vec{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

func vecAt(list []float32, i int) Vec {
	return Vec{float64(list[3*i]), float64(list[3*i+1]), float64(list[3*i+2])}
}

func narrow(v Vec) [3]float32 { return [3]float32{float32(v[0]), float32(v[1]), float32(v[2])} }

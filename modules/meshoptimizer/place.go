package meshoptimizer

import (
	"context"
	"fmt"
	"maps"
	"math"

	"github.com/millrace/millrace/modules/glb"
)

// placement is the turn, the scale and the shift that p asks for, of a model whose bounds are measured by measure after each.
func (p *plan) placement(ctx context.Context, d *glb.Document) (glb.Matrix, error) {
	m := turn(p.rotation)
	if p.longest == 0 && p.center == [3]string{} {
		return m, nil
	}
	box, err := boundsUnder(ctx, d, m)
	if err != nil {
		return m, err
	}
	if box.Empty() {
		return m, nil
	}
	scale := 1.0
	if size := box.Size(); p.longest > 0 {
		if long := max(size[0], size[1], size[2]); long > 0 {
			scale = p.longest / long
		}
	}
	var shift glb.Vec
	middle := box.Center()
	for k, want := range p.center {
		switch want {
		case "center":
			shift[k] = -scale * middle[k]
		case "min":
			shift[k] = -scale * box.Min[k]
		case "max":
			shift[k] = -scale * box.Max[k]
		}
	}
	return glb.Compose(shift, [4]float64{0, 0, 0, 1}, glb.Vec{scale, scale, scale}).Mul(m), nil
}

// turn is a rotation about x, then y, then z.
func turn(degrees [3]float64) glb.Matrix {
	m := glb.Identity()
	for axis, d := range degrees {
		half := d * math.Pi / 360
		var q [4]float64
		q[axis], q[3] = math.Sin(half), math.Cos(half)
		m = glb.Compose(glb.Vec{}, q, glb.Vec{1, 1, 1}).Mul(m)
	}
	return m
}

// boundsUnder are the bounds of what d shows, moved by m.
func boundsUnder(ctx context.Context, d *glb.Document, m glb.Matrix) (glb.Box, error) {
	if m == glb.Identity() {
		got, err := d.Measure(ctx)
		return got.Bounds, err
	}
	moved := *d
	moved.Nodes = append([]glb.Node{}, d.Nodes...)
	moved.Scenes = append([]glb.Scene{}, d.Scenes...)
	wrap(&moved, m)
	got, err := moved.Measure(ctx)
	return got.Bounds, err
}

// wrap puts a node with a transform above what every scene shows.
func wrap(d *glb.Document, m glb.Matrix) {
	if len(d.Scenes) == 0 {
		d.Scenes = []glb.Scene{{Nodes: d.Roots()}}
	}
	above := map[int]int{} // by the first of what is below
	place := func(roots []int) int {
		n, known := above[roots[0]]
		if !known {
			n = len(d.Nodes)
			d.Nodes = append(d.Nodes, glb.Node{Name: "placed", Matrix: &m, Children: roots})
			above[roots[0]] = n
		}
		return n
	}
	if len(d.Scenes) == 1 && len(d.Scenes[0].Nodes) > 0 {
		d.Scenes[0].Nodes = []int{place(d.Scenes[0].Nodes)}
		return
	}
	for i := range d.Scenes { // which may share roots, and no node is below two
		var placed []int
		for _, root := range d.Scenes[i].Nodes {
			placed = append(placed, place([]int{root}))
		}
		d.Scenes[i].Nodes = placed
	}
}

// still says whether nothing of d moves by itself, and else what does: then its nodes must stay as they are.
func still(d *glb.Document) (why string) {
	switch {
	case len(d.Animations) > 0:
		return "it has animations (remove_animations removes them)"
	case len(d.Skins) > 0:
		return "it has skins"
	case d.Uses("EXT_mesh_gpu_instancing"):
		return "it has instances of EXT_mesh_gpu_instancing"
	case len(d.Scenes) > 1:
		return "it has several scenes"
	}
	return ""
}

// freeze puts transforms into the vertices. What stays with a node is its place and its turn, and not even that with all. Meshes
// that nodes show differently are written once for each.
func freeze(d *glb.Document, above glb.Matrix, all bool) error {
	order, world := d.Worlds()
	stays := map[int]glb.Matrix{}
	written := map[string]int{} // meshes, by what they were and how they were moved
	parent := map[int]int{}
	for _, i := range order {
		for _, c := range d.Nodes[i].Children {
			parent[c] = i
		}
	}
	for _, i := range order {
		n := &d.Nodes[i]
		w := above.Mul(world[i])
		stays[i] = glb.Identity()
		if !all || n.Rest["camera"] != nil || len(n.Extensions) > 0 { // a camera or a light stands where it stands
			stays[i] = rigid(w)
		}
		local := stays[i]
		if p, below := parent[i]; below {
			local = inverseRigid(stays[p]).Mul(stays[i])
		}
		n.Matrix, n.Translation, n.Rotation, n.Scale = nil, nil, nil, nil
		if local != glb.Identity() {
			n.Matrix = &local
		}
		if n.Mesh == nil {
			continue
		}
		move := inverseRigid(stays[i]).Mul(w)
		key := fmt.Sprint(*n.Mesh, rounded(move))
		to, known := written[key]
		if !known {
			mesh, err := moved(d, &d.Meshes[*n.Mesh], move)
			if err != nil {
				return fmt.Errorf("mesh %d: %w", *n.Mesh, err)
			}
			to = len(d.Meshes)
			d.Meshes = append(d.Meshes, mesh)
			written[key] = to
		}
		n.Mesh = &to
	}
	return nil
}

// rounded makes transforms equal that differ by what arithmetic leaves.
func rounded(m glb.Matrix) glb.Matrix {
	for i, x := range m {
		m[i] = math.Round(x*1e6) / 1e6
	}
	return m
}

// rigid is the place and the turn of m: its axes made orthogonal one after another. A mirror goes into the vertices.
func rigid(m glb.Matrix) glb.Matrix {
	x, okX := unit(glb.Vec{m[0], m[1], m[2]})
	if !okX {
		x = glb.Vec{1, 0, 0}
	}
	y := glb.Vec{m[4], m[5], m[6]}
	along := x[0]*y[0] + x[1]*y[1] + x[2]*y[2]
	for k := range y {
		y[k] -= along * x[k]
	}
	y, okY := unit(y)
	if !okY {
		return glb.Compose(glb.Vec{m[12], m[13], m[14]}, [4]float64{0, 0, 0, 1}, glb.Vec{1, 1, 1})
	}
	z := glb.Vec{x[1]*y[2] - x[2]*y[1], x[2]*y[0] - x[0]*y[2], x[0]*y[1] - x[1]*y[0]}
	return glb.Matrix{x[0], x[1], x[2], 0, y[0], y[1], y[2], 0, z[0], z[1], z[2], 0, m[12], m[13], m[14], 1}
}

func inverseRigid(m glb.Matrix) glb.Matrix {
	out := glb.Matrix{m[0], m[4], m[8], 0, m[1], m[5], m[9], 0, m[2], m[6], m[10], 0, 0, 0, 0, 1}
	t := out.Point(glb.Vec{-m[12], -m[13], -m[14]})
	out[12], out[13], out[14] = t[0], t[1], t[2]
	return out
}

// moved is a copy of a mesh with m in its vertices.
func moved(d *glb.Document, of *glb.Mesh, m glb.Matrix) (glb.Mesh, error) {
	out := *of
	out.Primitives = append([]glb.Primitive{}, of.Primitives...)
	if rounded(m) == glb.Identity() {
		return out, nil
	}
	normal := cofactors(m)
	for i := range out.Primitives {
		p := &out.Primitives[i]
		if m.Det() < 0 {
			corners, err := d.Corners(p)
			if err != nil {
				return out, err
			}
			if len(corners) > 0 {
				for t := 0; t+2 < len(corners); t += 3 {
					corners[t+1], corners[t+2] = corners[t+2], corners[t+1]
				}
				indices := d.AddIndices(corners)
				p.Indices, p.Mode = &indices, nil
			}
		}
		p.Attributes = maps.Clone(p.Attributes)
		if err := moveAttributes(d, p.Attributes, m, normal, point); err != nil {
			return out, err
		}
		targets := p.Targets
		p.Targets = nil
		for _, t := range targets {
			t = maps.Clone(t)
			if err := moveAttributes(d, t, m, normal, difference); err != nil {
				return out, err
			}
			p.Targets = append(p.Targets, t)
		}
	}
	return out, nil
}

// What an attribute is: of a vertex, or what a morph target adds to one.
type role int

const (
	point role = iota
	difference
)

func moveAttributes(d *glb.Document, attributes map[string]int, m, normal glb.Matrix, is role) error {
	for name, a := range attributes {
		linear := m
		linear[12], linear[13], linear[14] = 0, 0, 0
		by, size := linear, 3
		switch {
		case name == "POSITION" && is == point:
			by = m
		case name == "POSITION":
		case name == "NORMAL":
			by = normal
		case name == "TANGENT":
			size = glb.Components(d.Accessors[a].Type)
		default:
			continue
		}
		if d.Accessors[a].Type != fmt.Sprintf("VEC%d", size) || size < 3 {
			continue
		}
		list, err := d.Floats(a)
		if err != nil {
			return err
		}
		for i := 0; i+size <= len(list); i += size {
			v := by.Point(glb.Vec{float64(list[i]), float64(list[i+1]), float64(list[i+2])})
			if u, ok := unit(v); ok && name != "POSITION" && is == point {
				v = u
			}
			for k := range v {
				list[i+k] = float32(v[k])
			}
			if size == 4 && m.Det() < 0 {
				list[i+3] = -list[i+3]
			}
		}
		attributes[name] = d.AddFloats(list, fmt.Sprintf("VEC%d", size))
	}
	return nil
}

// cofactors is the transform of normals: the inverse transposed, times the determinant, which exists where the inverse does not.
func cofactors(m glb.Matrix) glb.Matrix {
	a := func(r, c int) float64 { return m[4*c+r] }
	out := glb.Identity()
	for r := range 3 {
		for c := range 3 {
			r1, r2, c1, c2 := (r+1)%3, (r+2)%3, (c+1)%3, (c+2)%3
			out[4*c+r] = a(r1, c1)*a(r2, c2) - a(r1, c2)*a(r2, c1)
		}
	}
	if m.Det() < 0 { // a mirror turns triangles, and their normals stay outside
		for _, i := range []int{0, 1, 2, 4, 5, 6, 8, 9, 10} {
			out[i] = -out[i]
		}
	}
	return out
}

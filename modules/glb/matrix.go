package glb

import "math"

// A Vec is a point or a direction.
type Vec [3]float64

// A Matrix is 4×4, columns first, as glTF writes it.
type Matrix [16]float64

// Identity leaves a point where it is.
func Identity() Matrix { return Matrix{0: 1, 5: 1, 10: 1, 15: 1} }

// Mul is m after n: what it does to a point is n, then m.
func (m Matrix) Mul(n Matrix) Matrix {
	var out Matrix
	for c := range 4 {
		for r := range 4 {
			for k := range 4 {
				out[4*c+r] += m[4*k+r] * n[4*c+k]
			}
		}
	}
	return out
}

// Point moves a point.
func (m Matrix) Point(p Vec) Vec {
	return Vec{
		m[0]*p[0] + m[4]*p[1] + m[8]*p[2] + m[12],
		m[1]*p[0] + m[5]*p[1] + m[9]*p[2] + m[13],
		m[2]*p[0] + m[6]*p[1] + m[10]*p[2] + m[14],
	}
}

// Det is the determinant of the part that turns and scales: below zero, triangles change their winding.
func (m Matrix) Det() float64 {
	return m[0]*(m[5]*m[10]-m[9]*m[6]) - m[4]*(m[1]*m[10]-m[9]*m[2]) + m[8]*(m[1]*m[6]-m[5]*m[2])
}

// Compose is scale, then rotation (a quaternion: x, y, z, w, any length but 0), then translation.
func Compose(t Vec, q [4]float64, s Vec) Matrix {
	if n := math.Sqrt(q[0]*q[0] + q[1]*q[1] + q[2]*q[2] + q[3]*q[3]); n > 0 && !math.IsInf(n, 0) {
		for i := range q {
			q[i] /= n
		}
	}
	x, y, z, w := q[0], q[1], q[2], q[3]
	return Matrix{
		s[0] * (1 - 2*(y*y+z*z)), s[0] * 2 * (x*y + z*w), s[0] * 2 * (x*z - y*w), 0,
		s[1] * 2 * (x*y - z*w), s[1] * (1 - 2*(x*x+z*z)), s[1] * 2 * (y*z + x*w), 0,
		s[2] * 2 * (x*z + y*w), s[2] * 2 * (y*z - x*w), s[2] * (1 - 2*(x*x+y*y)), 0,
		t[0], t[1], t[2], 1,
	}
}

// Local is the node's own transform.
func (n *Node) Local() Matrix {
	if n.Matrix != nil {
		return *n.Matrix
	}
	t, q, s := Vec{}, [4]float64{0, 0, 0, 1}, Vec{1, 1, 1}
	if n.Translation != nil {
		t = *n.Translation
	}
	if n.Rotation != nil {
		q = *n.Rotation
	}
	if n.Scale != nil {
		s = *n.Scale
	}
	return Compose(t, q, s)
}

// Roots are the nodes at the top of what is shown: the default scene, else the first, else all nodes that are below none.
func (d *Document) Roots() []int {
	switch {
	case d.Scene != nil:
		return d.Scenes[*d.Scene].Nodes
	case len(d.Scenes) > 0:
		return d.Scenes[0].Nodes
	}
	below := make([]bool, len(d.Nodes))
	for _, n := range d.Nodes {
		for _, c := range n.Children {
			below[c] = true
		}
	}
	var roots []int
	for i, b := range below {
		if !b {
			roots = append(roots, i)
		}
	}
	return roots
}

// Worlds is the world transform of every node that is shown, parents before children.
func (d *Document) Worlds() (order []int, world map[int]Matrix) {
	world = make(map[int]Matrix, len(d.Nodes))
	for _, r := range d.Roots() {
		world[r] = d.Nodes[r].Local()
		order = append(order, r)
	}
	for i := 0; i < len(order); i++ {
		n := &d.Nodes[order[i]]
		for _, c := range n.Children {
			world[c] = world[order[i]].Mul(d.Nodes[c].Local())
			order = append(order, c)
		}
	}
	return order, world
}

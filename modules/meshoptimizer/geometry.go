package meshoptimizer

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"math"
	"regexp"
	"slices"

	"github.com/millrace/millrace/modules/glb"
)

// removeMorphs removes morph targets, and the channels that move them.
func removeMorphs(d *glb.Document) {
	for i := range d.Meshes {
		d.Meshes[i].Weights = nil
		for j := range d.Meshes[i].Primitives {
			d.Meshes[i].Primitives[j].Targets = nil
		}
	}
	for i := range d.Nodes {
		d.Nodes[i].Weights = nil
	}
	for i := range d.Animations {
		a := &d.Animations[i]
		a.Channels = slices.DeleteFunc(a.Channels, func(c glb.Channel) bool { return c.Target.Path == "weights" })
		dropSamplers(a)
	}
	d.Animations = slices.DeleteFunc(d.Animations, func(a glb.Animation) bool { return len(a.Channels) == 0 })
}

// dropSamplers leaves those that a channel names.
func dropSamplers(a *glb.Animation) {
	var samplers []glb.AnimationSampler
	moved := map[int]int{}
	for i := range a.Channels {
		from := a.Channels[i].Sampler
		to, known := moved[from]
		if !known {
			to = len(samplers)
			moved[from] = to
			samplers = append(samplers, a.Samplers[from])
		}
		a.Channels[i].Sampler = to
	}
	a.Samplers = samplers
}

// removeByMaterial removes the primitives whose material's name matches, and returns how many.
func removeByMaterial(d *glb.Document, match *regexp.Regexp) (removed int) {
	emptied := map[int]bool{}
	for i := range d.Meshes {
		m := &d.Meshes[i]
		before := len(m.Primitives)
		m.Primitives = slices.DeleteFunc(m.Primitives, func(p glb.Primitive) bool {
			return p.Material != nil && match.MatchString(d.Materials[*p.Material].Name)
		})
		removed += before - len(m.Primitives)
		emptied[i] = len(m.Primitives) == 0
	}
	for i := range d.Nodes { // a mesh without primitives is none
		if n := &d.Nodes[i]; n.Mesh != nil && emptied[*n.Mesh] {
			n.Mesh, n.Skin, n.Weights = nil, nil, nil
		}
	}
	return removed
}

func dropTangents(d *glb.Document) {
	for i := range d.Meshes {
		for j := range d.Meshes[i].Primitives {
			p := &d.Meshes[i].Primitives[j]
			delete(p.Attributes, "TANGENT")
			for _, t := range p.Targets {
				delete(t, "TANGENT")
			}
		}
	}
}

// A shape is the triangles of a primitive and what they are made of.
type shape struct {
	corners   []uint32
	positions []float32
	normals   []float32 // nil: it has none
}

func read(d *glb.Document, p *glb.Primitive) (s shape, err error) {
	if s.corners, err = d.Corners(p); err != nil || len(s.corners) == 0 {
		return s, err
	}
	if s.positions, err = d.Floats(p.Attributes["POSITION"]); err != nil {
		return s, err
	}
	if n, ok := p.Attributes["NORMAL"]; ok && d.Accessors[n].Type == "VEC3" {
		s.normals, err = d.Floats(n)
	}
	return s, err
}

func (s *shape) position(i uint32) glb.Vec { return at(s.positions, i) }

func at(list []float32, i uint32) glb.Vec {
	return glb.Vec{float64(list[3*i]), float64(list[3*i+1]), float64(list[3*i+2])}
}

// face is the normal of triangle t, as long as twice its area.
func (s *shape) face(t int) glb.Vec {
	a, b, c := s.position(s.corners[3*t]), s.position(s.corners[3*t+1]), s.position(s.corners[3*t+2])
	var u, v glb.Vec
	for k := range u {
		u[k], v[k] = b[k]-a[k], c[k]-a[k]
	}
	return glb.Vec{u[1]*v[2] - u[2]*v[1], u[2]*v[0] - u[0]*v[2], u[0]*v[1] - u[1]*v[0]}
}

func length(v glb.Vec) float64 { return math.Sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2]) }

// unit is v at length 1; ok is false where it has no direction.
func unit(v glb.Vec) (u glb.Vec, ok bool) {
	n := length(v)
	if !(n > 0) || math.IsInf(n, 0) {
		return u, false
	}
	return glb.Vec{v[0] / n, v[1] / n, v[2] / n}, true
}

// sanitizeNormals makes normals that are missing, have no direction or are not of length 1 anew, and returns how many vertices had
// such.
func sanitizeNormals(d *glb.Document) (made int, err error) {
	for i := range d.Meshes {
		for j := range d.Meshes[i].Primitives {
			n, err := sanitize(d, &d.Meshes[i].Primitives[j])
			if err != nil {
				return made, err
			}
			made += n
		}
	}
	return made, nil
}

func sanitize(d *glb.Document, p *glb.Primitive) (made int, err error) {
	s, err := read(d, p)
	if err != nil || len(s.corners) == 0 {
		return 0, err
	}
	smooth := make([]glb.Vec, len(s.positions)/3)
	for t := range len(s.corners) / 3 {
		f := s.face(t)
		for _, c := range s.corners[3*t : 3*t+3] {
			for k := range f {
				smooth[c][k] += f[k]
			}
		}
	}
	out := make([]float32, len(s.positions))
	copy(out, s.normals)
	for i := range smooth {
		const tolerance = 0.005 // of a length; the validator's own is 0.00674
		v := at(out, uint32(i))
		if n := length(v); math.Abs(n-1) <= tolerance {
			continue
		}
		made++
		u, ok := unit(v)
		if !ok {
			if u, ok = unit(smooth[i]); !ok {
				u = glb.Vec{0, 1, 0} // a vertex of no triangle that has an area
			}
		}
		for k := range u {
			out[3*i+k] = float32(u[k])
		}
	}
	if made > 0 {
		p.Attributes["NORMAL"] = d.AddFloats(out, "VEC3")
	}
	return made, nil
}

// dropFlatNormals removes normals that say no more than the triangles do, and what goes with them.
func dropFlatNormals(d *glb.Document) error {
	for i := range d.Meshes {
		for j := range d.Meshes[i].Primitives {
			p := &d.Meshes[i].Primitives[j]
			s, err := read(d, p)
			if err != nil {
				return err
			}
			if s.normals != nil && len(p.Targets) == 0 && s.flat() {
				delete(p.Attributes, "NORMAL")
				delete(p.Attributes, "TANGENT")
			}
		}
	}
	return nil
}

// flat says whether every corner's normal is its triangle's.
func (s *shape) flat() bool {
	const cosine = 0.9998 // of one degree
	for t := range len(s.corners) / 3 {
		f, ok := unit(s.face(t))
		if !ok {
			continue
		}
		for _, c := range s.corners[3*t : 3*t+3] {
			n, ok := unit(at(s.normals, c))
			if !ok || n[0]*f[0]+n[1]*f[1]+n[2]*f[2] < cosine {
				return false
			}
		}
	}
	return true
}

// shareEqualMeshes makes nodes whose meshes hold the same show one of them, and returns how many meshes went.
func shareEqualMeshes(d *glb.Document) (gone int, err error) {
	hashes := map[int][sha256.Size]byte{} // of accessors
	first := map[[sha256.Size]byte]int{}
	same := make([]int, len(d.Meshes))
	for i := range d.Meshes {
		key, err := meshKey(d, &d.Meshes[i], hashes)
		if err != nil {
			return 0, err
		}
		to, known := first[key]
		if !known {
			first[key], to = i, i
		} else {
			gone++
		}
		same[i] = to
	}
	for i := range d.Nodes {
		if m := d.Nodes[i].Mesh; m != nil {
			d.Nodes[i].Mesh = &same[*m]
		}
	}
	return gone, nil
}

// meshKey is equal of meshes that are drawn alike: it has the contents of accessors in place of their indices.
func meshKey(d *glb.Document, m *glb.Mesh, hashes map[int][sha256.Size]byte) (key [sha256.Size]byte, err error) {
	content := func(a int) any {
		h, known := hashes[a]
		if !known && err == nil {
			h, err = accessorKey(d, a)
			hashes[a] = h
		}
		return h
	}
	contents := func(all map[string]int) map[string]any {
		out := map[string]any{}
		for name, a := range all {
			out[name] = content(a)
		}
		return out
	}
	var parts []any
	for _, p := range m.Primitives {
		part := []any{contents(p.Attributes), p.Material, p.Mode, p.Extensions, p.Rest}
		if p.Indices != nil {
			part = append(part, content(*p.Indices))
		}
		for _, t := range p.Targets {
			part = append(part, contents(t))
		}
		parts = append(parts, part)
	}
	text, jerr := json.Marshal([]any{parts, m.Weights, m.Extensions, m.Rest})
	return sha256.Sum256(text), cmp.Or(err, jerr)
}

func accessorKey(d *glb.Document, accessor int) (key [sha256.Size]byte, err error) {
	a := &d.Accessors[accessor]
	list, err := d.Floats(accessor)
	if err != nil {
		return key, err
	}
	h := sha256.New()
	about, err := json.Marshal([]any{a.Type, a.Component, a.Normalized, a.Count})
	if err != nil {
		return key, err
	}
	h.Write(about)
	var b [4]byte
	for _, x := range list {
		v := math.Float32bits(x)
		b = [4]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}
		h.Write(b[:])
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

package glb

import "maps"

// mostCopies of one triangle are told apart; more stay where they are.
const mostCopies = 8

// Separate readies triangles for readers that keep no two faces of the same vertices, and none with a vertex twice, as Blender
// does. One whose corners an earlier one of its primitive has too, be it turned round, goes into another primitive, which such
// readers give vertices of its own. One with a vertex twice has no area and is left out. What is seen is the same.
func (d *Document) Separate() error {
	emptied := map[int]bool{}
	for i := range d.Meshes {
		m := &d.Meshes[i]
		var all []Primitive
		for _, p := range m.Primitives {
			parts, err := d.parts(p)
			if err != nil {
				return err
			}
			all = append(all, parts...)
		}
		emptied[i] = len(all) == 0
		m.Primitives = all
	}
	for i := range d.Nodes { // a mesh without primitives is none
		if n := &d.Nodes[i]; n.Mesh != nil && emptied[*n.Mesh] {
			n.Mesh, n.Skin, n.Weights = nil, nil, nil
		}
	}
	return d.Prune()
}

// parts are a primitive's first triangles, the second ones with the same corners, and so on; the primitive itself where they are all
// first, or where it draws none.
func (d *Document) parts(p Primitive) (parts []Primitive, err error) {
	corners, err := d.Corners(&p)
	if err != nil || len(corners) == 0 {
		return []Primitive{p}, err
	}
	layers := layers(corners)
	if len(layers) == 1 && len(layers[0]) == len(corners) {
		return []Primitive{p}, nil
	}
	for _, corners := range layers {
		part := p
		part.Attributes, part.Mode, part.Indices = maps.Clone(p.Attributes), nil, new(d.AddIndices(corners))
		parts = append(parts, part)
	}
	return parts, nil
}

func layers(corners []uint32) (layers [][]uint32) {
	seen := make(map[[3]uint32]int, len(corners)/3)
	for k := 0; k+3 <= len(corners); k += 3 {
		t := corners[k : k+3]
		if t[0] == t[1] || t[1] == t[2] || t[2] == t[0] {
			continue
		}
		low, high := min(t[0], t[1], t[2]), max(t[0], t[1], t[2])
		key := [3]uint32{low, t[0] ^ t[1] ^ t[2] ^ low ^ high, high}
		n := min(seen[key], mostCopies-1)
		seen[key]++
		if n == len(layers) {
			layers = append(layers, nil)
		}
		layers[n] = append(layers[n], t...)
	}
	return layers
}

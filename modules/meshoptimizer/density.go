package meshoptimizer

import (
	"math"

	"github.com/millrace/millrace/modules/glb"
)

// measureDensity finds how many of its pixels every picture shows per metre, at the place where it shows fewest.
func measureDensity(d *glb.Document, all []picture) error {
	order, world := d.Worlds()
	done := map[int]bool{} // meshes: the first place of each counts
	for _, i := range order {
		mesh := d.Nodes[i].Mesh
		if mesh == nil || done[*mesh] {
			continue
		}
		done[*mesh] = true
		scale := math.Cbrt(math.Abs(world[i].Det()))
		for j := range d.Meshes[*mesh].Primitives {
			if err := densityOf(d, &d.Meshes[*mesh].Primitives[j], scale, all); err != nil {
				return err
			}
		}
	}
	return nil
}

func densityOf(d *glb.Document, p *glb.Primitive, scale float64, all []picture) error {
	uv, ok := p.Attributes["TEXCOORD_0"]
	if !ok || p.Material == nil || d.Accessors[uv].Type != "VEC2" {
		return nil
	}
	s, err := read(d, p)
	if err != nil || len(s.corners) == 0 {
		return err
	}
	coords, err := d.Floats(uv)
	if err != nil {
		return err
	}
	var surface, shown float64 // m² and parts of the picture
	for t := range len(s.corners) / 3 {
		surface += length(s.face(t)) / 2 * scale * scale
		a, b, c := s.corners[3*t], s.corners[3*t+1], s.corners[3*t+2]
		if int(max(a, b, c))*2+1 >= len(coords) {
			return permanent("accessor %d has fewer texture coordinates than its mesh has vertices", uv)
		}
		u := func(i, k uint32) float64 { return float64(coords[2*i+k]) }
		shown += math.Abs((u(b, 0)-u(a, 0))*(u(c, 1)-u(a, 1))-(u(c, 0)-u(a, 0))*(u(b, 1)-u(a, 1))) / 2
	}
	if !(surface > 0) || !(shown > 0) {
		return nil
	}
	for _, r := range refsOf(&d.Materials[*p.Material]) {
		for _, i := range imagesOf(d, r.Index) {
			data, err := d.Bytes(*d.Images[i].View)
			if err != nil {
				return err
			}
			_, width, height := glb.PictureSize(data)
			density := math.Sqrt(shown * float64(width) * float64(height) / surface)
			if all[i].density == 0 || density < all[i].density {
				all[i].density = density
			}
		}
	}
	return nil
}

// refsOf are the textures of a material that lie on the first coordinates.
func refsOf(m *glb.Material) (out []*glb.TextureRef) {
	list := []*glb.TextureRef{m.Normal, m.Occlusion, m.Emissive}
	if m.PBR != nil {
		list = append(list, m.PBR.BaseColor, m.PBR.MetallicRoughness)
	}
	for _, r := range list {
		if r != nil && r.TexCoord == 0 {
			out = append(out, r)
		}
	}
	return out
}

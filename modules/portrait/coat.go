package portrait

import (
	"encoding/json"
	"fmt"
	"image"
	"math"

	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// A coat is a material as the rasteriser paints it.
type coat struct {
	paint    mesh.Paint
	look     uint32 // its index among the mesh's paints
	pictured bool
	set      int        // of the vertices' places in its pictures
	move     [6]float32 // of those: u' = 0u + 1v + 2, v' = 3u + 4v + 5
}

// still moves nothing.
func still() [6]float32 { return [6]float32{1, 0, 0, 0, 1, 0} }

// coat reads a material; -1 is none.
func (f *flattener) coat(material int) (coat, error) {
	c := coat{paint: mesh.Paint{Color: mesh.Vec{1, 1, 1}, Metal: 1, Rough: 1, Solid: 1}, move: still()}
	if material < 0 {
		return c, nil
	}
	m := &f.doc.Materials[material]
	var rest struct {
		Cutoff *float32
		Glow   mesh.Vec
	}
	if err := part(m.Rest, "alphaCutoff", &rest.Cutoff); err != nil {
		return c, err
	}
	if err := part(m.Rest, "emissiveFactor", &rest.Glow); err != nil {
		return c, err
	}
	c.paint.Glow, c.paint.Cutoff = rest.Glow, 0.5
	if rest.Cutoff != nil {
		c.paint.Cutoff = *rest.Cutoff
	}
	c.paint.Alpha = map[string]mesh.AlphaMode{"MASK": mesh.Mask, "BLEND": mesh.Blend}[m.AlphaMode]
	_, c.paint.Flat = m.Extensions["KHR_materials_unlit"]
	var strong struct{ EmissiveStrength *float32 }
	if err := part(glb.Rest(m.Extensions), "KHR_materials_emissive_strength", &strong); err != nil {
		return c, err
	}
	if strong.EmissiveStrength != nil {
		for k := range c.paint.Glow {
			c.paint.Glow[k] *= *strong.EmissiveStrength
		}
	}
	return c, f.pigments(material, &c)
}

// pigments reads what colours a coat.
func (f *flattener) pigments(material int, c *coat) error {
	m := &f.doc.Materials[material]
	if pbr := m.PBR; pbr != nil {
		if x := pbr.BaseColorFactor; x != nil {
			c.paint.Color, c.paint.Solid = mesh.Vec{float32(x[0]), float32(x[1]), float32(x[2])}, float32(x[3])
		}
		if err := part(pbr.Rest, "metallicFactor", &c.paint.Metal); err != nil {
			return err
		}
		if err := part(pbr.Rest, "roughnessFactor", &c.paint.Rough); err != nil {
			return err
		}
		f.lay(material, c, pbr.BaseColor, &c.paint.Picture)
		f.lay(material, c, pbr.MetallicRoughness, &c.paint.Surface)
	}
	if c.paint.Glow != (mesh.Vec{}) {
		f.lay(material, c, m.Emissive, &c.paint.GlowPicture)
	}
	return nil
}

// lay decodes a picture of a coat. All pictures of one lie in the same way.
func (f *flattener) lay(material int, c *coat, r *glb.TextureRef, into **image.NRGBA) {
	if r == nil {
		return
	}
	set, move := r.TexCoord, still()
	var t struct {
		Offset   [2]float64
		Rotation float64
		Scale    *[2]float64
		TexCoord *int
	}
	if raw, ok := r.Extensions["KHR_texture_transform"]; ok && json.Unmarshal(raw, &t) == nil {
		scale := [2]float64{1, 1}
		if t.Scale != nil {
			scale = *t.Scale
		}
		if t.TexCoord != nil {
			set = *t.TexCoord
		}
		sin, cos := math.Sincos(t.Rotation)
		move = [6]float32{
			float32(cos * scale[0]), float32(sin * scale[1]), float32(t.Offset[0]),
			float32(-sin * scale[0]), float32(cos * scale[1]), float32(t.Offset[1]),
		}
	}
	if c.pictured && (set != c.set || move != c.move) {
		f.note(material, "it lies otherwise than the material's first, which raster can't draw; three can")
		return
	}
	img, err := f.picture(r.Index)
	if err != nil {
		f.note(material, err.Error())
		return
	}
	c.pictured, c.set, c.move, *into = true, set, move, img
}

func (f *flattener) note(material int, why string) {
	f.notes = append(f.notes, fmt.Sprintf("a picture of material %d is not drawn: %s", material, why))
}

// moved are places as the coat's pictures lie.
func (c *coat) moved(places []float32) []float32 {
	if c.move == still() {
		return places
	}
	out := make([]float32, len(places))
	for i := 0; i+1 < len(places); i += 2 {
		u, v := places[i], places[i+1]
		out[i], out[i+1] = c.move[0]*u+c.move[1]*v+c.move[2], c.move[3]*u+c.move[4]*v+c.move[5]
	}
	return out
}

// part decodes what an object has of a name, if it has it.
func part(of glb.Rest, name string, into any) error {
	raw, ok := of[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return permanent("%s of a material: %w", name, err)
	}
	return nil
}

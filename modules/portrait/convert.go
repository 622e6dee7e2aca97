package portrait

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"

	// The formats that a document's pictures have.
	_ "image/jpeg"
	_ "image/png"

	_ "golang.org/x/image/webp"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// document is the model as a GLB can hold it. normals are one for each corner of a mesh.
func (m *Model) document(normals [][3]mesh.Vec) *glb.Document {
	if m.doc != nil {
		return m.doc
	}
	var points, upright, colors []float32
	for i, face := range m.mesh.Triangles {
		for k, p := range face {
			points = append(points, m.mesh.Positions[p][:]...)
			upright = append(upright, normals[i][k][:]...)
			if m.mesh.Colors != nil {
				for _, c := range m.mesh.Colors[p] {
					colors = append(colors, raster.Linear(c))
				}
			}
		}
	}
	d := &glb.Document{
		Asset: glb.Asset{Version: "2.0"}, Scenes: []glb.Scene{{Nodes: []int{0}}}, Nodes: []glb.Node{{Mesh: new(0)}},
		Materials: []glb.Material{{PBR: &glb.PBR{
			BaseColorFactor: &[4]float64{1, 1, 1, 1},
			Rest:            glb.Rest{"metallicFactor": json.RawMessage("0.55"), "roughnessFactor": json.RawMessage("0.42")},
		}}},
	}
	p := glb.Primitive{Material: new(0), Attributes: map[string]int{"POSITION": d.AddFloats(points, "VEC3"), "NORMAL": d.AddFloats(upright, "VEC3")}}
	if colors != nil {
		p.Attributes["COLOR_0"] = d.AddFloats(colors, "VEC3")
	} else {
		d.Materials[0].PBR.BaseColorFactor = &[4]float64{0.43, 0.46, 0.50, 1} // steel, as raster has it
	}
	d.Meshes = []glb.Mesh{{Primitives: []glb.Primitive{p}}}
	return d
}

// triangles is the model as the rasteriser draws it; notes say what of it is not drawn.
func (m *Model) triangles(ctx context.Context) (*mesh.Mesh, []string, error) {
	if m.mesh != nil {
		return m.mesh, nil, nil
	}
	f := flattener{doc: m.doc, mesh: &mesh.Mesh{}, coats: map[int]coat{}}
	err := m.doc.Shown(ctx, f.add)
	if errors.Is(err, glb.ErrCompressed) {
		return nil, nil, fmt.Errorf("%w, which raster can't read; install Chromium, or unpack it first (MeshOptimizer)", err)
	}
	return f.mesh, f.notes, err
}

// A flattener puts all surfaces of a document into one mesh.
type flattener struct {
	doc   *glb.Document
	mesh  *mesh.Mesh
	coats map[int]coat // by material; -1 is none
	notes []string
}

func (f *flattener) add(s glb.Surface) error {
	first := uint32(len(f.mesh.Positions))
	for _, p := range s.Points {
		f.mesh.Positions = append(f.mesh.Positions, mesh.Vec(p))
	}
	look, places, err := f.look(s.Primitive)
	if err != nil {
		return err
	}
	if err := f.colors(s.Primitive, len(s.Points)); err != nil {
		return err
	}
	for i := 0; i+2 < len(s.Corners); i += 3 {
		var face [3]uint32
		var normals [3]mesh.Vec
		var at [3][2]float32
		for k := range face {
			v := s.Corners[i+k]
			face[k] = first + v
			if s.Normals != nil {
				normals[k] = mesh.Vec(s.Normals[v])
			}
			if int(2*v+1) < len(places) {
				at[k] = [2]float32(places[2*v : 2*v+2])
			}
		}
		f.mesh.Triangles = append(f.mesh.Triangles, face)
		f.mesh.Normals = append(f.mesh.Normals, normals)
		f.mesh.Looks = append(f.mesh.Looks, look)
		f.mesh.Places = append(f.mesh.Places, at)
	}
	return nil
}

// look is the paint of a primitive, and where its vertices lie in the paint's pictures.
func (f *flattener) look(p *glb.Primitive) (look uint32, places []float32, err error) {
	at := -1
	if p.Material != nil {
		at = *p.Material
	}
	c, known := f.coats[at]
	if !known {
		if c, err = f.coat(at); err != nil {
			return 0, nil, err
		}
		c.look = uint32(len(f.mesh.Paints))
		f.coats[at] = c
		f.mesh.Paints = append(f.mesh.Paints, c.paint)
	}
	uv, ok := p.Attributes[fmt.Sprintf("TEXCOORD_%d", c.set)]
	if !ok || !c.pictured {
		return c.look, nil, nil
	}
	if places, err = f.doc.Floats(uv); err != nil {
		return c.look, nil, err
	}
	return c.look, c.moved(places), nil
}

// colors takes in those of a primitive's n vertices, which are the last ones.
func (f *flattener) colors(p *glb.Primitive, n int) error {
	at, ok := p.Attributes["COLOR_0"]
	if !ok && f.mesh.Colors == nil {
		return nil
	}
	for len(f.mesh.Colors) < len(f.mesh.Positions) {
		f.mesh.Colors = append(f.mesh.Colors, mesh.Vec{1, 1, 1})
	}
	if !ok {
		return nil
	}
	list, err := f.doc.Floats(at)
	if err != nil || n == 0 {
		return err
	}
	own := f.mesh.Colors[len(f.mesh.Colors)-n:]
	for i, parts := 0, len(list)/n; parts >= 3 && i < n; i++ {
		for k := range own[i] {
			own[i][k] = raster.Display(list[parts*i+k])
		}
	}
	return nil
}

// picture decodes the picture of a texture.
func (f *flattener) picture(texture int) (*image.NRGBA, error) {
	t := f.doc.Textures[texture]
	source := t.Source
	if source == nil {
		var webp struct{ Source *int }
		if raw, ok := t.Extensions["EXT_texture_webp"]; ok && json.Unmarshal(raw, &webp) == nil {
			source = webp.Source
		}
	}
	if source == nil || *source < 0 || *source >= len(f.doc.Images) {
		return nil, errors.New("it is in a format that raster does not read (KTX2); three does")
	}
	data, err := f.doc.Bytes(*f.doc.Images[*source].View)
	if err != nil {
		return nil, err
	}
	header, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if int64(header.Width)*int64(header.Height) > maxPicture {
		return nil, fault.As(fault.Permanent, errors.New("it is too large"))
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if plain, ok := img.(*image.NRGBA); ok && plain.Rect.Min == (image.Point{}) {
		return plain, nil
	}
	out := image.NewNRGBA(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out, nil
}

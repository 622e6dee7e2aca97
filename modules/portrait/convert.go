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
	f := flattener{doc: m.doc, mesh: &mesh.Mesh{}, paints: map[int]uint32{}}
	err := m.doc.Shown(ctx, f.add)
	if errors.Is(err, glb.ErrCompressed) {
		return nil, nil, fmt.Errorf("%w, which raster can't read; install Chromium, or unpack it first (MeshOptimizer)", err)
	}
	return f.mesh, f.notes, err
}

// A flattener puts all surfaces of a document into one mesh.
type flattener struct {
	doc    *glb.Document
	mesh   *mesh.Mesh
	paints map[int]uint32 // by material; -1 is none
	notes  []string
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

// look is the paint of a primitive, and where its vertices lie in the paint's picture.
func (f *flattener) look(p *glb.Primitive) (look uint32, places []float32, err error) {
	at := -1
	if p.Material != nil {
		at = *p.Material
	}
	look, known := f.paints[at]
	if !known {
		look = uint32(len(f.mesh.Paints))
		f.paints[at] = look
		f.mesh.Paints = append(f.mesh.Paints, f.paint(at))
	}
	if f.mesh.Paints[look].Picture == nil {
		return look, nil, nil
	}
	uv, ok := p.Attributes[fmt.Sprintf("TEXCOORD_%d", f.doc.Materials[at].PBR.BaseColor.TexCoord)]
	if !ok {
		return look, nil, nil
	}
	places, err = f.doc.Floats(uv)
	return look, places, err
}

func (f *flattener) paint(material int) mesh.Paint {
	paint := mesh.Paint{Color: mesh.Vec{1, 1, 1}}
	if material < 0 || f.doc.Materials[material].PBR == nil {
		return paint
	}
	pbr := f.doc.Materials[material].PBR
	if c := pbr.BaseColorFactor; c != nil {
		paint.Color = mesh.Vec{float32(c[0]), float32(c[1]), float32(c[2])}
	}
	if pbr.BaseColor == nil {
		return paint
	}
	img, err := f.picture(pbr.BaseColor.Index)
	if err != nil {
		f.notes = append(f.notes, fmt.Sprintf("a picture of material %d is not drawn: %v", material, err))
		return paint
	}
	paint.Picture = img
	return paint
}

// picture decodes the picture of a texture.
func (f *flattener) picture(texture int) (*image.NRGBA, error) {
	source := f.doc.Textures[texture].Source
	if source == nil {
		return nil, errors.New("it is in a format that raster does not read")
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

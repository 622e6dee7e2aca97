package assetconverter

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// mesh reads an STL or a PLY into a document of one mesh. Coordinates stay as they are.
func (w *work) mesh(ctx context.Context) (*glb.Document, error) {
	f, err := w.call.Workspace.Open(w.src)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m *mesh.Mesh
	if w.kind == kind(blender.STL) {
		m, err = mesh.ReadSTL(ctx, f)
	} else {
		var info mesh.PLYInfo
		m, info, err = mesh.ReadPLY(ctx, f)
		if len(info.Left) > 0 {
			w.warn("the PLY holds more than is read here, which was left out: " + strings.Join(info.Left[:min(len(info.Left), 20)], ", "))
		}
	}
	if err != nil {
		return nil, err
	}
	return documentOf(m), nil
}

// documentOf is a mesh as a glTF. It has smooth normals where its file has normals, and none else: a reader then shades it flat.
func documentOf(m *mesh.Mesh) *glb.Document {
	positions, normals, colors, corners := spread(m)
	d := &glb.Document{Asset: glb.Asset{Version: "2.0", Generator: "Millrace"}}
	p := glb.Primitive{Attributes: map[string]int{"POSITION": d.AddFloats(positions, "VEC3")}}
	if normals != nil {
		p.Attributes["NORMAL"] = d.AddFloats(normals, "VEC3")
	}
	if colors != nil {
		p.Attributes["COLOR_0"] = d.AddFloats(colors, "VEC3")
	}
	indices := d.AddIndices(corners)
	p.Indices = &indices
	zero := 0
	p.Material = &zero
	d.Materials = []glb.Material{{Name: "default", Rest: glb.Rest{"doubleSided": json.RawMessage("true")}}}
	d.Meshes = []glb.Mesh{{Primitives: []glb.Primitive{p}}}
	d.Nodes = []glb.Node{{Mesh: &zero}}
	d.Scenes = []glb.Scene{{Nodes: []int{0}}}
	d.Scene = &zero
	return d
}

// spread makes vertices of corners: those that share a position and a normal are one.
func spread(m *mesh.Mesh) (positions, normals, colors []float32, corners []uint32) {
	type vertex struct {
		position uint32
		normal   mesh.Vec
	}
	known := map[vertex]uint32{}
	for i, t := range m.Triangles {
		for k, at := range t {
			v := vertex{position: at}
			if m.Normals != nil {
				v.normal = unit(m.Normals[i][k])
			}
			n, ok := known[v]
			if !ok {
				n = uint32(len(known))
				known[v] = n
				p := m.Positions[at]
				positions = append(positions, p[:]...)
				if m.Normals != nil {
					normals = append(normals, v.normal[:]...)
				}
				if m.Colors != nil {
					for _, c := range m.Colors[at] {
						colors = append(colors, linear(c))
					}
				}
			}
			corners = append(corners, n)
		}
	}
	return positions, normals, colors, corners
}

// unit is v at length 1; what has none points up.
func unit(v mesh.Vec) mesh.Vec {
	length := math.Sqrt(float64(v[0])*float64(v[0]) + float64(v[1])*float64(v[1]) + float64(v[2])*float64(v[2]))
	if !(length > 1e-20) || math.IsInf(length, 0) {
		return mesh.Vec{0, 1, 0}
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / length)
	}
	return v
}

// linear turns a value of sRGB into one of light, as glTF has colours of vertices.
func linear(c float32) float32 {
	x := math.Min(1, math.Max(0, float64(c)))
	if x <= 0.04045 {
		return float32(x / 12.92)
	}
	return float32(math.Pow((x+0.055)/1.055, 2.4))
}

// white is a picture of one white pixel.
func white() []byte {
	m := image.NewGray(image.Rect(0, 0, 1, 1))
	m.Set(0, 0, color.White)
	var b bytes.Buffer
	_ = png.Encode(&b, m) // into memory
	return b.Bytes()
}

// A whiteFile is white as a file.
type whiteFile struct{ *bytes.Reader }

func (f *whiteFile) Stat() (fs.FileInfo, error) { return whiteInfo{f.Reader.Size()}, nil }
func (f *whiteFile) Close() error               { return nil }

type whiteInfo struct{ size int64 }

func (whiteInfo) Name() string       { return "white.png" }
func (i whiteInfo) Size() int64      { return i.size }
func (whiteInfo) Mode() fs.FileMode  { return 0o444 }
func (whiteInfo) ModTime() time.Time { return time.Time{} }
func (whiteInfo) IsDir() bool        { return false }
func (whiteInfo) Sys() any           { return nil }

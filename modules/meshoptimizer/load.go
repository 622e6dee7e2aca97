package meshoptimizer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// What a model may have. The bounds are those of a Packer's memory.
const (
	maxBytes     = 1 << 30
	maxTriangles = 20e6
	maxVertices  = 3 * maxTriangles
	maxOBJ       = 256 << 20 // bytes
)

// Probe reads the model, and refuses one that is too large.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (d modules.Demand, err error) {
	w := &work{}
	if w.doc, err = w.load(ctx, c, p.Src); err != nil {
		return d, fmt.Errorf("read %s: %w", p.Src, err)
	}
	p.read = w
	m := w.doc.Count()
	if m.Triangles > maxTriangles {
		return d, permanent("%s draws %d triangles, more than the %d that are read", p.Src, m.Triangles, int64(maxTriangles))
	}
	if n := max(m.Vertices, stored(w.doc)); n > maxVertices {
		return d, permanent("%s has %d vertices, more than the %d that are read", p.Src, n, int64(maxVertices))
	}
	size := w.size
	texels := int64(0)
	if plan, _ := newPlan(p.Config); plan.changesTextures() || plan.sizeLimit > 0 {
		for i, t := range m.Pictures {
			texels = max(texels, int64(t.Width)*int64(t.Height))
			if texels > maxTexels {
				return d, permanent("picture %d of %s is %d×%d pixels, more than the %d Mi that are read", i, p.Src, t.Width, t.Height, maxTexels>>20)
			}
		}
	}
	// gltfpack holds the file, a vertex several times, and what it writes; a picture is 4 floats a pixel while it changes.
	d = modules.Demand{Input: size, Disk: 2 * size, Memory: 6*size + 400*m.Vertices + 40*texels}
	return p.Config.demand(d, m)
}

// stored is how many vertices the primitives of a document have, shown or not.
func stored(d *glb.Document) (n int64) {
	for i := range d.Meshes {
		for _, p := range d.Meshes[i].Primitives {
			if a, ok := p.Attributes["POSITION"]; ok {
				n += d.Accessors[a].Count
			}
		}
	}
	return n
}

// load reads the model in whatever form it is.
func (w *work) load(ctx context.Context, c *modules.Call, name string) (*glb.Document, error) {
	f, err := c.Workspace.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, permanent("it is not a regular file"))
	}
	w.size = info.Size()
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if glb.Sniff(head[:n]) != glb.Neither {
		d, err := glb.Open(c.Workspace, name, glb.Limits{Bytes: maxBytes})
		if err == nil {
			w.size = max(w.size, d.Size())
		}
		return d, err
	}
	if w.size > maxOBJ {
		return nil, permanent("it is %d bytes, more than the %d of an OBJ that are read; AssetConverter reads larger ones", w.size, maxOBJ)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	m, err := mesh.ReadOBJ(ctx, f)
	if fault.Of(err) == fault.Permanent {
		return nil, permanent("it is neither glTF nor OBJ, which are read here; AssetConverter reads others (as an OBJ: %w)", err)
	}
	if err != nil {
		return nil, err
	}
	if m.Materials {
		w.warn("the materials that %s names were not read; AssetConverter reads them", name)
	}
	return documentOf(m), nil
}

// documentOf makes a document of a mesh.
func documentOf(m *mesh.Mesh) *glb.Document {
	zero := 0
	d := &glb.Document{
		Asset: glb.Asset{Version: "2.0", Generator: "Millrace"},
		Scene: &zero, Scenes: []glb.Scene{{Nodes: []int{0}}}, Nodes: []glb.Node{{Mesh: &zero}},
	}
	p := glb.Primitive{Attributes: map[string]int{}}
	if m.Normals == nil && m.Colors == nil {
		positions := make([]float32, 0, 3*len(m.Positions))
		for _, v := range m.Positions {
			positions = append(positions, v[:]...)
		}
		corners := make([]uint32, 0, 3*len(m.Triangles))
		for _, t := range m.Triangles {
			corners = append(corners, t[:]...)
		}
		indices := d.AddIndices(corners)
		p.Attributes["POSITION"], p.Indices = d.AddFloats(positions, "VEC3"), &indices
		d.Meshes = []glb.Mesh{{Primitives: []glb.Primitive{p}}}
		return d
	}
	var positions, normals, colors []float32
	for i, t := range m.Triangles { // normals belong to corners; gltfpack finds those that are equal
		for k, v := range t {
			positions = append(positions, m.Positions[v][:]...)
			if m.Normals != nil {
				normals = append(normals, m.Normals[i][k][:]...)
			}
			if m.Colors != nil {
				c := m.Colors[v]
				colors = append(colors, light(c[0]), light(c[1]), light(c[2]))
			}
		}
	}
	p.Attributes["POSITION"] = d.AddFloats(positions, "VEC3")
	if normals != nil {
		p.Attributes["NORMAL"] = d.AddFloats(normals, "VEC3")
	}
	if colors != nil {
		p.Attributes["COLOR_0"] = d.AddFloats(colors, "VEC3")
	}
	d.Meshes = []glb.Mesh{{Primitives: []glb.Primitive{p}}}
	return d
}

// light is what an sRGB value from 0 to 1 stands for.
func light(x float32) float32 { return lights()[uint8(min(max(x, 0), 1)*255+0.5)] }

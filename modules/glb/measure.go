package glb

import (
	"context"
	"math"
)

// Measures are what a document shows and holds.
type Measures struct {
	Triangles  int64 // drawn by the default scene: those of every node that shows a mesh, and of every instance of it
	Vertices   int64 // drawn likewise
	Stored     int64 // triangles of all meshes, each once
	Nodes      int
	Meshes     int
	Primitives int
	Materials  int
	Animations int
	Skins      int
	Morphs     int // morph targets of all meshes
	Bounds     Box // of the default scene, in metres, in its rest pose without morphs
	Pictures   []Picture
	Used       []string // extensions
	Required   []string
}

// A Picture is one of the document's pictures.
type Picture struct {
	Name          string
	MIMEType      string // empty is unknown
	Width, Height int    // pixels; 0 is unknown
	Bytes         int64
}

// Texels is how many pixels all pictures have.
func (m *Measures) Texels() (n int64) {
	for _, p := range m.Pictures {
		n += int64(p.Width) * int64(p.Height)
	}
	return n
}

// Measure looks at all that d holds. It ends soon after ctx.
func (d *Document) Measure(ctx context.Context) (Measures, error) {
	m := d.Count()
	var err error
	m.Bounds, err = d.bounds(ctx)
	return m, err
}

// Count is Measure without the bounds: it reads lists, not geometry, and is fast whatever d holds.
func (d *Document) Count() Measures {
	m := Measures{
		Nodes: len(d.Nodes), Meshes: len(d.Meshes), Materials: len(d.Materials), Animations: len(d.Animations), Skins: len(d.Skins),
		Used: d.Used, Required: d.Required,
	}
	type drawn struct{ triangles, vertices int64 }
	by := make([]drawn, len(d.Meshes))
	for i := range d.Meshes {
		morphs := 0
		for j := range d.Meshes[i].Primitives {
			p := &d.Meshes[i].Primitives[j]
			m.Primitives++
			t, v := d.drawn(p)
			by[i].triangles += t
			by[i].vertices += v
			morphs = max(morphs, len(p.Targets))
		}
		m.Stored += by[i].triangles
		m.Morphs += morphs
	}
	order, _ := d.Worlds()
	for _, i := range order {
		if mesh := d.Nodes[i].Mesh; mesh != nil {
			n := d.instances(&d.Nodes[i])
			add(&m.Triangles, by[*mesh].triangles, n)
			add(&m.Vertices, by[*mesh].vertices, n)
		}
	}
	for i := range d.Images {
		p := Picture{Name: d.Images[i].Name}
		if data, err := d.Bytes(*d.Images[i].View); err == nil {
			p.MIMEType, p.Width, p.Height = PictureSize(data)
			p.Bytes = int64(len(data))
		}
		m.Pictures = append(m.Pictures, p)
	}
	return m
}

// drawn is what a primitive draws once.
func (d *Document) drawn(p *Primitive) (triangles, vertices int64) {
	if pos, ok := p.Attributes["POSITION"]; ok {
		vertices = d.Accessors[pos].Count
	}
	corners := vertices
	if p.Indices != nil {
		corners = d.Accessors[*p.Indices].Count
	}
	switch p.mode() {
	case Triangles:
		return corners / 3, vertices
	case TriangleStrip, TriangleFan:
		return max(corners-2, 0), vertices
	}
	return 0, vertices
}

func (p *Primitive) mode() int {
	if p.Mode == nil {
		return Triangles
	}
	return *p.Mode
}

// An instancing is what EXT_mesh_gpu_instancing says of a node.
type instancing struct {
	Attributes map[string]int `json:"attributes"`
}

// instancing is what shows the node's mesh more than once; it has no attributes where nothing does.
func (n *Node) instancing() (e instancing) {
	if raw, there := n.Extensions["EXT_mesh_gpu_instancing"]; there && Decode(raw, &e) != nil {
		return instancing{}
	}
	return e
}

// instances is how often the node shows its mesh: no more than all attributes have elements.
func (d *Document) instances(n *Node) int64 {
	count := int64(math.MaxInt64)
	for _, a := range n.instancing().Attributes {
		count = min(count, d.Accessors[a].Count)
	}
	if count == math.MaxInt64 {
		return 1
	}
	return count
}

// add adds n times each to sum, and stays at the largest number rather than go beyond it.
func add(sum *int64, each, n int64) {
	if n > 0 && each > (math.MaxInt64-*sum)/n {
		*sum = math.MaxInt64
		return
	}
	*sum += each * n
}

// Size is how many bytes the document's views cover, each byte once: near to what it takes as a file.
func (d *Document) Size() (n int64) {
	out := *d
	_, n, err := out.lay()
	if err != nil {
		return 0
	}
	return n
}

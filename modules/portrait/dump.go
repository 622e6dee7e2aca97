package portrait

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// A Dump is what a model has.
type Dump struct {
	Triangles  int64       `json:"triangles"` // drawn, instances among them
	Vertices   int64       `json:"vertices"`
	Meshes     int         `json:"meshes"`
	Materials  []string    `json:"materials"` // their names
	Textures   []string    `json:"textures"`  // format and size in pixels
	Animations []string    `json:"animations"`
	Extensions []string    `json:"extensions"`
	Min        *[3]float64 `json:"min"` // of what is drawn, in metres; null where there are none
	Max        *[3]float64 `json:"max"`
}

// Dump says what the model has.
func (m *Model) Dump(ctx context.Context) (Dump, error) {
	d := Dump{Materials: []string{}, Textures: []string{}, Animations: []string{}, Extensions: []string{}}
	if m.doc == nil {
		d.Triangles, d.Vertices, d.Meshes = int64(len(m.mesh.Triangles)), int64(len(m.mesh.Positions)), 1
		low, high := [3]float64{math.Inf(1), math.Inf(1), math.Inf(1)}, [3]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
		for _, face := range m.mesh.Triangles {
			for _, p := range face {
				for k, x := range m.mesh.Positions[p] {
					low[k], high[k] = min(low[k], float64(x)), max(high[k], float64(x))
				}
			}
		}
		d.Min, d.Max = &low, &high
		return d, nil
	}
	all, err := m.doc.Measure(ctx)
	if err != nil {
		return d, err
	}
	d.Triangles, d.Vertices, d.Meshes = all.Triangles, all.Vertices, all.Meshes
	d.Extensions = append(d.Extensions, slices.Sorted(slices.Values(all.Used))...)
	if !all.Bounds.Empty() {
		d.Min, d.Max = (*[3]float64)(&all.Bounds.Min), (*[3]float64)(&all.Bounds.Max)
	}
	for _, p := range all.Pictures {
		d.Textures = append(d.Textures, fmt.Sprintf("%s %d x %d", p.MIMEType, p.Width, p.Height))
	}
	for _, x := range m.doc.Materials {
		d.Materials = append(d.Materials, x.Name)
	}
	for _, x := range m.doc.Animations {
		d.Animations = append(d.Animations, x.Name)
	}
	return d, nil
}

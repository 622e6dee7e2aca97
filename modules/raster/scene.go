// Package raster draws triangle meshes in software: a studio picture of a steel part, without a GPU, in a fraction of a
// second. It knows nothing of jobs.
package raster

import (
	"context"
	"errors"
	"math"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// A Scene is a mesh made ready to be drawn, from any number of sides and by any number of goroutines at once.
type Scene struct {
	faces   [][3]uint32
	points  []vec    // moved and scaled into the unit sphere
	normals [][3]vec // at the corners of each face, of length 1
	albedo  []vec    // linear, one per point; nil without colours
	floor   float32  // the lowest y of points
	middle  [3]float64
	radius  float64 // of the mesh's box around its middle

	skins  []skin          // nil: there are none
	look   []uint32        // of each face, into skins
	places [][3][2]float32 // of the corners of each face in its skin's picture
}

// NewScene prepares m, whose y axis points up, and keeps parts of it. Where m has no normals, edges between faces that
// meet at more than 35 degrees are drawn sharp, all others smooth. It ends early when ctx does.
func NewScene(ctx context.Context, m *mesh.Mesh) (*Scene, error) {
	if len(m.Triangles) == 0 {
		return nil, fault.As(fault.Permanent, errors.New("the mesh has no triangles"))
	}
	s := &Scene{faces: m.Triangles, points: make([]vec, len(m.Positions))}
	low, high := bounds(m)
	var radius float64
	for k := range low {
		radius += (high[k] - low[k]) * (high[k] - low[k]) / 4
	}
	radius = math.Sqrt(radius)
	if math.IsNaN(radius) || math.IsInf(radius, 0) {
		return nil, fault.As(fault.Permanent, errors.New("a triangle of the mesh has a corner that is no point"))
	}
	if radius == 0 {
		return nil, fault.As(fault.Permanent, errors.New("the mesh has no extent"))
	}
	s.radius = radius
	for k := range low {
		s.middle[k] = (low[k] + high[k]) / 2
	}
	err := inChunks(ctx, len(s.points), func(from, to int) {
		for i := from; i < to; i++ {
			s.points[i] = normalize(m.Positions[i], low, high, radius)
		}
	})
	if err != nil {
		return nil, err
	}
	s.floor = float32((low[1] - high[1]) / 2 / radius)
	if m.Colors != nil {
		s.albedo = make([]vec, len(m.Colors))
		for i, c := range m.Colors {
			s.albedo[i] = vec{Linear(c[0]), Linear(c[1]), Linear(c[2])}
		}
	}
	for i, p := range m.Paints {
		s.skins = append(s.skins, newSkin(p))
		if h := s.skins[i].holes; h != nil {
			h.shift = 5 * i
		}
	}
	s.look, s.places = m.Looks, m.Places
	s.normals, err = cornerNormals(ctx, s.faces, s.points, m.Normals)
	return s, err
}

// bounds is the box around the positions that triangles use.
func bounds(m *mesh.Mesh) (low, high [3]float64) {
	for k := range 3 {
		low[k], high[k] = math.Inf(1), math.Inf(-1)
	}
	for _, face := range m.Triangles {
		for _, i := range face {
			for k, x := range m.Positions[i] {
				low[k], high[k] = min(low[k], float64(x)), max(high[k], float64(x))
			}
		}
	}
	return low, high
}

// normalize moves and scales v into the unit sphere. Points outside of the box belong to no face, and must not matter.
func normalize(v mesh.Vec, low, high [3]float64, radius float64) vec {
	var p mesh.Vec
	for k, x := range v {
		if float64(x) < low[k] || float64(x) > high[k] {
			return vec{}
		}
		p[k] = float32((float64(x) - (low[k]+high[k])/2) / radius)
	}
	return fromMesh(p)
}

// Linear undoes the sRGB curve, of 0 to 1.
func Linear(c float32) float32 {
	if c <= 0.04045 {
		return c / 12.92
	}
	return float32(math.Pow((float64(c)+0.055)/1.055, 2.4))
}

// Display does the sRGB curve, of 0 to 1.
func Display(c float32) float32 { return display(c) / 255 }

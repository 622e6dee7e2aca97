package raster_test

import (
	"image"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// painted is a triangle with all that a mesh of a GLB has.
func painted() *mesh.Mesh {
	white := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	return &mesh.Mesh{
		Positions: []mesh.Vec{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}}, Triangles: [][3]uint32{{0, 1, 2}},
		Paints: []mesh.Paint{{Color: mesh.Vec{1, 1, 1}, Picture: white, Surface: white, GlowPicture: white, Solid: 1}},
		Looks:  []uint32{0}, Places: [][3][2]float32{{{0, 0}, {1, 0}, {0, 1}}},
	}
}

func TestNumbersThatAreNoneOrTooLargeAreDrawn(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, tt := range []struct {
		name string
		harm func(m *mesh.Mesh)
	}{
		{"places too large to multiply", func(m *mesh.Mesh) { m.Places[0] = [3][2]float32{{0, 0}, {1e30, 0}, {0, 1e30}} }},
		{"places without end", func(m *mesh.Mesh) { m.Places[0] = [3][2]float32{{0, 0}, {inf, 0}, {0, -inf}} }},
		{"places that are none", func(m *mesh.Mesh) { m.Places[0] = [3][2]float32{{nan, 0}, {0, nan}, {nan, nan}} }},
		{"normals that are none", func(m *mesh.Mesh) { m.Normals = [][3]mesh.Vec{{{nan, 0, 0}, {0, nan, 0}, {0, 0, nan}}} }},
		{"normals without end", func(m *mesh.Mesh) { m.Normals = [][3]mesh.Vec{{{inf, 0, 0}, {inf, -inf, 0}, {0, 0, inf}}} }},
		{"colours of points", func(m *mesh.Mesh) { m.Colors = []mesh.Vec{{nan, inf, -inf}, {inf, inf, inf}, {-1, nan, 2}} }},
		{"colours of a paint", func(m *mesh.Mesh) { m.Paints[0].Color = mesh.Vec{nan, inf, -inf} }},
		{"a surface", func(m *mesh.Mesh) { m.Paints[0].Rough, m.Paints[0].Metal = nan, inf }},
		{"a glow", func(m *mesh.Mesh) { m.Paints[0].Glow = mesh.Vec{inf, nan, -inf} }},
		{"holes", func(m *mesh.Mesh) { m.Paints[0].Alpha, m.Paints[0].Solid, m.Places[0][1][0] = mesh.Blend, nan, inf }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := painted()
			tt.harm(m)
			s, err := raster.NewScene(t.Context(), m)
			require.NoError(t, err)
			render(t, s, raster.Options{Width: 32, Height: 32})
		})
	}
}

func TestPointsThatAreNoneAreRefused(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		m := painted()
		m.Positions[1][1] = float32(x)
		_, err := raster.NewScene(t.Context(), m)
		require.EqualError(t, err, "a triangle of the mesh has a corner that is no point")
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
}

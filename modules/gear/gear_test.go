package gear_test

import (
	"bytes"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gear"
	"github.com/millrace/millrace/modules/raster/mesh"
)

func TestTheGearIsAClosedSurfaceThatFacesOutwards(t *testing.T) {
	for _, teeth := range []int{0, 18, 48, 120} {
		var stl bytes.Buffer
		n, err := gear.STL(&stl, gear.Options{Teeth: teeth})
		require.NoError(t, err)
		m, err := mesh.ReadSTL(t.Context(), &stl)
		require.NoError(t, err)
		require.Equal(t, n, len(m.Triangles), "none is degenerate")

		// In a closed surface whose triangles agree on the outside, every edge is walked once in each direction.
		edges := map[[2]uint32]int{}
		var volume float64
		for _, face := range m.Triangles {
			for k := range face {
				edges[[2]uint32{face[k], face[(k+1)%3]}]++
			}
			volume += tetrahedron(m.Positions[face[0]], m.Positions[face[1]], m.Positions[face[2]])
		}
		for e, count := range edges {
			require.Equal(t, 1, count)
			require.Equal(t, 1, edges[[2]uint32{e[1], e[0]}])
		}
		require.Equal(t, 2-2*7, len(m.Positions)-len(edges)/2+n, "Euler: one body with a bore and six holes")
		require.Positive(t, volume)
	}
}

func TestTheDemosGearHasTheSizeItIsSaidToHave(t *testing.T) {
	var stl bytes.Buffer
	n, err := gear.STL(&stl, gear.Options{})
	require.NoError(t, err)
	require.InDelta(t, 53_000, n, 1_000)
	m, err := mesh.ReadSTL(t.Context(), &stl)
	require.NoError(t, err)
	var radius, height float64
	for _, v := range m.Positions {
		radius = max(radius, math.Hypot(float64(v[0]), float64(v[1])))
		height = max(height, float64(v[2]))
	}
	require.InDelta(t, 32, radius, 0.01)
	require.InDelta(t, 7, height, 0.01)
}

func TestAGearThatCannotBeMadeIsRefused(t *testing.T) {
	_, err := gear.STL(io.Discard, gear.Options{Teeth: 31})
	require.EqualError(t, err, "a gear of 31 teeth can't be made: teeth must be a multiple of 6 from 18 to 120")
}

// tetrahedron is the signed volume between the origin and a triangle.
func tetrahedron(a, b, c mesh.Vec) float64 {
	var v [3][3]float64
	for i, p := range [3]mesh.Vec{a, b, c} {
		for k := range p {
			v[i][k] = float64(p[k])
		}
	}
	return (v[0][0]*(v[1][1]*v[2][2]-v[1][2]*v[2][1]) -
		v[0][1]*(v[1][0]*v[2][2]-v[1][2]*v[2][0]) +
		v[0][2]*(v[1][0]*v[2][1]-v[1][1]*v[2][0])) / 6
}

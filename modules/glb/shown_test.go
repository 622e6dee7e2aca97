package glb_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/glb"
)

// triangle is a document of one triangle, which node shows.
func triangle(node glb.Node) *glb.Document {
	d := &glb.Document{Asset: glb.Asset{Version: "2.0"}, Scenes: []glb.Scene{{Nodes: []int{0}}}}
	node.Mesh = new(0)
	d.Nodes = []glb.Node{node}
	d.Meshes = []glb.Mesh{{Primitives: []glb.Primitive{{Attributes: map[string]int{
		"POSITION": d.AddFloats([]float32{0, 0, 0, 1, 0, 0, 0, 1, 0}, "VEC3"), "NORMAL": d.AddFloats([]float32{0, 0, 1, 0, 0, 1, 0, 0, 1}, "VEC3"),
	}}}}}
	return d
}

func shown(t *testing.T, d *glb.Document) (all []glb.Surface) {
	t.Helper()
	require.NoError(t, d.Shown(t.Context(), func(s glb.Surface) error {
		all = append(all, s)
		return nil
	}))
	return all
}

func TestASurfaceIsWhereItsNodeIs(t *testing.T) {
	all := shown(t, triangle(glb.Node{Translation: &[3]float64{5, 6, 7}, Scale: &[3]float64{2, 1, 4}}))
	require.Len(t, all, 1)
	require.Equal(t, [][3]float32{{5, 6, 7}, {7, 6, 7}, {5, 7, 7}}, all[0].Points)
	require.Equal(t, []uint32{0, 1, 2}, all[0].Corners)
	require.Equal(t, [3]float32{0, 0, 2}, all[0].Normals[0], "upright, of any length")
}

func TestASurfaceIsMorphedByItsWeights(t *testing.T) {
	d := triangle(glb.Node{})
	d.Meshes[0].Primitives[0].Targets = []map[string]int{
		{"POSITION": d.AddFloats([]float32{0, 0, 4, 0, 0, 0, 0, 0, 0}, "VEC3")}, {"NORMAL": d.AddFloats([]float32{0, 1, 0, 0, 0, 0, 0, 0, 0}, "VEC3")},
	}
	require.Equal(t, [3]float32{0, 0, 0}, shown(t, d)[0].Points[0], "without weights it is at rest")
	d.Meshes[0].Weights = []float64{0.5, 1}
	all := shown(t, d)
	require.Equal(t, [][3]float32{{0, 0, 2}, {1, 0, 0}, {0, 1, 0}}, all[0].Points)
	require.Equal(t, [3]float32{0, 1, 1}, all[0].Normals[0])
	d.Nodes[0].Weights = []float64{1} // its node's win
	all = shown(t, d)
	require.Equal(t, [3]float32{0, 0, 4}, all[0].Points[0])
	require.Equal(t, [3]float32{0, 0, 1}, all[0].Normals[0])
	require.Equal(t, [3]float32{0, 0, 2}, func() [3]float32 { d.Nodes[0].Weights = []float64{0.5}; return shown(t, d)[0].Points[0] }(), "the document keeps its own")
}

func TestAMirroredSurfaceKeepsItsOutside(t *testing.T) {
	all := shown(t, triangle(glb.Node{Scale: &[3]float64{-1, 1, 1}}))
	require.Equal(t, []uint32{0, 2, 1}, all[0].Corners)
	require.Equal(t, [3]float32{0, 0, 1}, all[0].Normals[0])
}

func TestWhatIsDoneWithSurfacesMayFail(t *testing.T) {
	enough := errors.New("enough")
	require.ErrorIs(t, triangle(glb.Node{}).Shown(t.Context(), func(glb.Surface) error { return enough }), enough)
}

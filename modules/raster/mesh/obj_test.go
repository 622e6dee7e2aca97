package mesh_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster/mesh"
)

const square = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"

func TestFacesOfEveryFormAreRead(t *testing.T) {
	quad := [][3]uint32{{0, 1, 2}, {0, 2, 3}}
	for _, tt := range []struct{ name, obj string }{
		{"a quad", square + "f 1 2 3 4\n"},
		{"negative indices", square + "f -4 -3 -2 -1"},
		{"texture coordinates", square + "vt 0 0\nf 1/1 2/1 3/1 4/1\n"},
		{"a line that goes on", square + "f 1 2 \\\n 3 4\n"},
		{"comments, groups, materials", "# hi\nmtllib x.mtl\no box\ng lid\n" + square + "usemtl red\ns off\nf 1 2 3 4 # the lid\n"},
		{"a face that names one vertex twice", square + "f 1 1 2 3 4\n"},
		{"Windows line ends", strings.ReplaceAll(square+"f 1 2 3 4\n", "\n", "\r\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := mesh.ReadOBJ(t.Context(), strings.NewReader(tt.obj))
			require.NoError(t, err)
			require.Len(t, m.Positions, 4)
			require.Equal(t, quad, m.Triangles)
		})
	}
}

func TestNormalsAndColorsAreKeptWhenTheyAreComplete(t *testing.T) {
	obj := "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 2\nvn 0 0 1\nf 1//1 2//-1 3//1\n"
	m, err := mesh.ReadOBJ(t.Context(), strings.NewReader(obj))
	require.NoError(t, err)
	require.Equal(t, []mesh.Vec{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, m.Colors)
	require.Equal(t, [][3]mesh.Vec{{d, d, d}}, m.Normals)

	m, err = mesh.ReadOBJ(t.Context(), strings.NewReader(obj+"v 1 1 1\nf 1 2 4\n"))
	require.NoError(t, err)
	require.Nil(t, m.Colors)
	require.Nil(t, m.Normals)
}

func TestABadOBJIsRefusedForGoodInASentence(t *testing.T) {
	for _, tt := range []struct{ name, obj, want string }{
		{"no faces", square, "the OBJ has no faces"},
		{"a vertex that is not there", square + "f 1 2 5", "line 5: a face names vertex 5, and there are 4 so far"},
		{"vertex 0", square + "f 0 1 2", "line 5: a face names vertex 0, and there are 4 so far"},
		{"before the first", square + "f -5 1 2", "line 5: a face names vertex -5, and there are 4 so far"},
		{"a normal that is not there", square + "f 1//1 2//1 3//1", "line 5: a face names normal 1, and there are 0 so far"},
		{"two corners", square + "f 1 2", "line 5: a face has 2 corners, and needs three"},
		{"no index", square + "f 1 x 2", `line 5: "x" is not the number of a vertex`},
		{"no coordinate", "v 0 0\nf 1 1 1", `line 1: the coordinate "" is not a number`},
		{"infinite", "v 0 0 inf", "line 1 has a coordinate that is not a finite number"},
		{"polygons that repeat", square + strings.Repeat("f 1"+strings.Repeat(" 2 3", 10_000)+"\n", 210), "8400872 bytes of the file make 4199790 triangles: its polygons repeat"},
		{"a line without end", "f " + strings.Repeat("1 ", 1<<20), "line 1 is longer than 1024 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mesh.ReadOBJ(t.Context(), strings.NewReader(tt.obj))
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

// FuzzReadOBJ holds that no file makes the reader panic or name a position that is not there.
func FuzzReadOBJ(f *testing.F) {
	f.Add([]byte(square + "vn 0 0 1\nf 1//1 2//1 -2//1 4//1\n"))
	f.Fuzz(func(t *testing.T, obj []byte) {
		m, err := mesh.ReadOBJ(t.Context(), bytes.NewReader(obj))
		if err != nil {
			return
		}
		for _, face := range m.Triangles {
			for _, i := range face {
				require.Less(t, int(i), len(m.Positions))
			}
		}
		require.True(t, m.Normals == nil || len(m.Normals) == len(m.Triangles))
		require.True(t, m.Colors == nil || len(m.Colors) == len(m.Positions))
	})
}

func TestAWelderGivesEqualPositionsOneIndex(t *testing.T) {
	w := mesh.NewWelder()
	for range 2 {
		for i := range 10_000 {
			at, _ := w.Add(mesh.Vec{float32(i), float32(i % 7), -float32(i)})
			require.EqualValues(t, i, at)
		}
	}
	require.Len(t, w.Positions(), 10_000)
}

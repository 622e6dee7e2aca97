package mesh_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster/mesh"
)

func readPLY(t *testing.T, name string) (*mesh.Mesh, mesh.PLYInfo) {
	t.Helper()
	f, err := os.Open("/usr/share/assimp/models/PLY/" + name)
	require.NoError(t, err)
	defer f.Close()
	m, info, err := mesh.ReadPLY(t.Context(), f)
	require.NoError(t, err, name)
	return m, info
}

func TestTextAndBinaryPLYAreRead(t *testing.T) {
	text, info := readPLY(t, "cube.ply")
	require.Equal(t, 12, len(text.Triangles))
	require.Empty(t, info.Left)
	packed, _ := readPLY(t, "cube_binary.ply")
	require.Equal(t, 12, len(packed.Triangles))
	require.Equal(t, len(text.Positions), len(packed.Positions))
	big, _ := readPLY(t, "Wuson.ply")
	require.Equal(t, 3732, len(big.Triangles))
	require.NotNil(t, big.Normals)
}

func TestWhatAPLYHoldsBesideIsNamed(t *testing.T) {
	m, info := readPLY(t, "cube_uv.ply")
	require.NotEmpty(t, m.Triangles)
	require.NotEmpty(t, info.Left)
	m, _ = readPLY(t, "float-color.ply")
	require.Len(t, m.Colors, len(m.Positions))
}

func TestABigEndianPLYIsRead(t *testing.T) {
	file := "ply\nformat binary_big_endian 1.0\nelement vertex 3\nproperty short x\nproperty short y\nproperty short z\n" +
		"element face 1\nproperty list uchar ushort vertex_index\nend_header\n" +
		"\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02"
	m, _, err := mesh.ReadPLY(t.Context(), strings.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, []mesh.Vec{{}, {1, 0, 0}, {-1, 0, 0}}, m.Positions)
	require.Equal(t, [][3]uint32{{0, 1, 2}}, m.Triangles)
}

func TestAPLYThatLiesIsRefusedForGood(t *testing.T) {
	const head = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
	repeating := "ply\nformat binary_little_endian 1.0\nelement vertex 253\nproperty char x\nproperty char y\nproperty char z\nelement face 20000\n" +
		"property list uchar uchar vertex_indices\nend_header\n" + strings.Repeat("abc", 253)
	corners := []byte{253}
	for i := range 253 {
		corners = append(corners, byte(i))
	}
	repeating += strings.Repeat(string(corners), 20_000)
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "ends in its header"},
		{"no PLY", "plyers\n", "does not begin with"},
		{"another format", "ply\nformat gzip 1.0\nend_header\n", "none of ascii"},
		{"a count", strings.Replace(head, "vertex 3", "vertex 4000000000", 1) + "0 0 0", "ends at vertex 1, and its header promises 4000000000"},
		{"a count that is none", strings.Replace(head, "vertex 3", "vertex -3", 1), `has "-3" of vertex`},
		{"a list", head + "0 0 0 1 0 0 0 1 0 4000000000 1 2", "says that it has 4e+09 items"},
		{"a corner", head + "0 0 0 1 0 0 0 1 0 3 0 1 7", "names vertex 7, and there are 3"},
		{"a negative corner", head + "0 0 0 1 0 0 0 1 0 3 0 1 -7", "names vertex -7"},
		{"no number", head + "0 0 zero", `"zero" of the PLY is no number`},
		{"no point", head + "0 0 nan", "is no point"},
		{"an element without end", "ply\nformat ascii 1.0\nelement x 4000000000\nend_header\n", "has no properties"},
		{"no faces", strings.Replace(head, "face 1", "face 0", 1) + "0 0 0 1 0 0 0 1 0", "has no triangles"},
		{"polygons that repeat", repeating, "its polygons repeat"},
		{"a long line", "ply\ncomment " + strings.Repeat("x", 1<<20), "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := mesh.ReadPLY(t.Context(), strings.NewReader(tt.text))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func FuzzReadPLY(f *testing.F) {
	for _, name := range []string{"cube.ply", "cube_binary.ply"} {
		data, err := os.ReadFile("/usr/share/assimp/models/PLY/" + name)
		if err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte("ply\nformat binary_big_endian 1.0\nelement vertex 3\nproperty list uchar double x\nend_header\n\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _, err := mesh.ReadPLY(t.Context(), bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, tri := range m.Triangles {
			for _, i := range tri {
				require.Less(t, int(i), len(m.Positions))
			}
		}
	})
}

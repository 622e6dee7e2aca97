package mesh_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster/mesh"
)

var (
	a = mesh.Vec{0, 0, 0}
	b = mesh.Vec{1, 0, 0}
	c = mesh.Vec{0, 1, 0}
	d = mesh.Vec{0, 0, 1}
)

const oneFacet = "facet normal 0 0 0\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"

// binarySTL makes a file whose header promises as many triangles as there are.
func binarySTL(header string, ts ...mesh.Triangle) []byte {
	stl := make([]byte, 84)
	copy(stl[:80], header)
	binary.LittleEndian.PutUint32(stl[80:], uint32(len(ts)))
	for _, t := range ts {
		stl = append(stl, make([]byte, 12)...)
		for _, v := range t {
			for _, x := range v {
				stl = binary.LittleEndian.AppendUint32(stl, math.Float32bits(x))
			}
		}
		stl = append(stl, 0, 0)
	}
	return stl
}

// solids scans a file into its triangles by solid.
func solids(t *testing.T, r io.Reader) (map[string][]mesh.Triangle, mesh.STLInfo) {
	t.Helper()
	found := map[string][]mesh.Triangle{}
	info, err := mesh.ScanSTL(t.Context(), r, func(b mesh.Batch) error {
		found[b.Solid] = append(found[b.Solid], b.Triangles...)
		return nil
	})
	require.NoError(t, err)
	return found, info
}

func TestABinaryFileThatBeginsWithSolidIsReadAsBinary(t *testing.T) {
	found, info := solids(t, bytes.NewReader(binarySTL("solid made by a CAD program", mesh.Triangle{a, b, c})))
	require.True(t, info.Binary)
	require.Equal(t, []mesh.Triangle{{a, b, c}}, found[""])
}

func TestBytesBehindTheLastTriangleAreCounted(t *testing.T) {
	_, info := solids(t, bytes.NewReader(append(binarySTL("", mesh.Triangle{a, b, c}), "behind"...)))
	require.EqualValues(t, 6, info.Trailing)
}

func TestTrianglesWithTwoEqualCornersAreLeftOut(t *testing.T) {
	minus := mesh.Vec{float32(math.Copysign(0, -1)), 0, 0}
	found, info := solids(t, bytes.NewReader(binarySTL("", mesh.Triangle{a, b, c}, mesh.Triangle{a, minus, c})))
	require.Len(t, found[""], 1)
	require.EqualValues(t, 2, info.Triangles)
	require.EqualValues(t, 1, info.Degenerate)
}

func TestASCIIIsReadInAnyCaseAndSpacing(t *testing.T) {
	for _, tt := range []struct{ name, stl string }{
		{"as most write it", "solid part\n" + oneFacet + "endsolid part\n"},
		{"upper case", "SOLID part\n" + strings.ToUpper(oneFacet) + "ENDSOLID\n"},
		{"with a byte order mark and Windows line ends", "\ufeffsolid part\r\n" + strings.ReplaceAll(oneFacet, "\n", "\r\n") + "endsolid"},
		{"old Macintosh line ends", "solid part\r" + strings.ReplaceAll(oneFacet, "\n", "\r") + "endsolid part\r"},
		{"scientific notation and a normal that is no number", "solid part\nfacet normal nan nan nan outer loop" +
			" vertex 0e0 -0 +0.0 vertex 10E-1 0 0 vertex 0 .1e+1 0 endloop endfacet\nendsolid part"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, info := solids(t, iotest.OneByteReader(strings.NewReader(tt.stl)))
			require.False(t, info.Binary)
			require.Equal(t, []mesh.Triangle{{a, b, c}}, found["part"])
		})
	}
}

func TestEverySolidOfAnASCIIFileIsItsOwnBatch(t *testing.T) {
	stl := "solid one\n" + oneFacet + "endsolid one\nsolid two\u0007 and a half\n" + oneFacet + oneFacet + "endsolid\n"
	found, _ := solids(t, strings.NewReader(stl))
	require.Len(t, found["one"], 1)
	require.Len(t, found["two and a half"], 2)
}

func TestABadSTLIsRefusedForGoodInASentence(t *testing.T) {
	two := binarySTL("", mesh.Triangle{a, b, c}, mesh.Triangle{b, c, d})
	nan := mesh.Vec{0, float32(math.NaN()), 0}
	inf := mesh.Vec{0, 0, float32(math.Inf(-1))}
	for _, tt := range []struct {
		name, stl, want string
	}{
		{"empty", "", "the file is empty"},
		{"short", "\x00\x01", "the file is not STL: it has 2 bytes, and a binary header alone has 84"},
		{"text", "<!DOCTYPE html>" + strings.Repeat(" ", 100), `the file is not STL: it is text and does not begin with "solid"`},
		{"PLY", "ply\nformat ascii 1.0\n", "the file is PLY, and only STL is read by this version: convert it to STL first"},
		{"cut in the second triangle", string(two[:len(two)-7]), "the file is truncated: its header promises 2 triangles, it has 1"},
		{"no triangles", string(binarySTL("")), "the STL has no triangles"},
		{"NaN", string(binarySTL("", mesh.Triangle{a, b, c}, mesh.Triangle{a, nan, c})), "triangle 2 has a coordinate that is not a finite number"},
		{"infinity", string(binarySTL("", mesh.Triangle{a, b, inf})), "triangle 1 has a coordinate that is not a finite number"},
		{"ASCII infinity", "solid\nfacet normal 0 0 0 outer loop vertex 0 0 1e99 vertex 1 0 0 vertex 0 1 0 endloop endfacet endsolid", "triangle 1 has a coordinate that is not a finite number"},
		{"not a number", "solid\nfacet normal 0 0 0\nouter loop\nvertex 0 0,5 0", `line 4: triangle 1 has the coordinate "0,5", which is not a number`},
		{"four corners", strings.Replace("solid\n"+oneFacet, "endloop", "vertex 0 0 1\nendloop", 1), `line 7: triangle 1 has "vertex" where "endloop" should be`},
		{"no endsolid", "solid\n" + oneFacet, `the file is truncated: it has 1 triangles and no "endsolid" behind them`},
		{"cut inside", "solid\n" + oneFacet + oneFacet[:50], "the file is truncated: it ends inside triangle 2"},
		{"another word", "solid\nfacette", `line 2: found "facette" where "facet" or "endsolid" should be`},
		{"a word without end", "solid\n" + strings.Repeat("x", 1<<17), "read STL: line 2 goes on for more than 64 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mesh.ScanSTL(t.Context(), strings.NewReader(tt.stl), func(mesh.Batch) error { return nil })
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestAReadErrorIsNotBlamedOnTheFile(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for _, head := range []string{string(binarySTL("", mesh.Triangle{a, b, c})[:100]), "solid\n" + oneFacet} {
		r := io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken))
		_, err := mesh.ScanSTL(t.Context(), r, func(mesh.Batch) error { return nil })
		require.ErrorIs(t, err, broken)
		require.Equal(t, fault.Unknown, fault.Of(err))
	}
}

func TestAScanEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lease is lost")
	cancel(why)
	_, err := mesh.ScanSTL(ctx, bytes.NewReader(binarySTL("", mesh.Triangle{a, b, c})), func(mesh.Batch) error { return nil })
	require.ErrorIs(t, err, why)
}

// FuzzScanSTL holds that no file makes a scan panic or hand on what it promises not to.
func FuzzScanSTL(f *testing.F) {
	f.Add(binarySTL("solid", mesh.Triangle{a, b, c}, mesh.Triangle{a, a, d}))
	f.Add([]byte("solid one\n" + oneFacet + "endsolid one\nsolid\nendsolid"))
	f.Fuzz(func(t *testing.T, stl []byte) {
		var given int64
		info, err := mesh.ScanSTL(t.Context(), bytes.NewReader(stl), func(b mesh.Batch) error {
			for _, tri := range b.Triangles {
				require.True(t, tri[0] != tri[1] && tri[1] != tri[2] && tri[2] != tri[0])
				for _, v := range tri {
					for _, x := range v {
						require.False(t, math.IsNaN(float64(x)) || math.IsInf(float64(x), 0))
					}
				}
			}
			require.NotContains(t, b.Solid, "\n")
			given += int64(len(b.Triangles))
			return nil
		})
		if err == nil {
			require.Equal(t, info.Triangles, given+info.Degenerate)
		}
	})
}

package stl2obj_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/raster/mesh"
	"github.com/millrace/millrace/modules/stl2obj"
)

var corner = triangle{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}}

func TestConformance(t *testing.T) { moduletest.Conform(t, stl2obj.Module) }

func TestAnSTLBecomesAnOBJ(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("part.stl", binarySTL("", torus(20, 10))))
	out, err := stl2obj.Module.Run(t.Context(), c, map[string]any{
		"src": "part.stl", "dest": "new/part.obj", "config": map[string]any{"f": "obj"},
	})
	require.NoError(t, err)
	obj, err := c.Workspace.ReadFile("new/part.obj")
	require.NoError(t, err)
	m, err := mesh.ReadOBJ(t.Context(), bytes.NewReader(obj))
	require.NoError(t, err)
	require.Len(t, m.Triangles, 400)
	require.Len(t, m.Positions, 200)

	require.Positive(t, out["stats"].(map[string]any)["maxmem"])
	delete(out, "stats")
	require.Equal(t, map[string]any{
		"src": "part.stl", "dest": "new/part.obj", "config": map[string]any{"f": "obj"}, "size": out["size"],
		"triangles": int64(400), "vertices": int64(200), "originalTriangles": int64(400), "degenerate": int64(0), "warnings": []any{},
	}, out)
}

func TestBinaryAndASCIIOfOneModelBecomeTheSameOBJ(t *testing.T) {
	triangles := torus(100, 60) // three batches
	var fromBinary, fromASCII bytes.Buffer
	_, err := stl2obj.Convert(t.Context(), &fromBinary, bytes.NewReader(binarySTL("solid", triangles)))
	require.NoError(t, err)
	_, err = stl2obj.Convert(t.Context(), &fromASCII, bytes.NewReader(asciiSTL("", triangles)))
	require.NoError(t, err)
	require.Equal(t, fromBinary.String(), fromASCII.String())
}

func TestEverySolidBecomesAnObject(t *testing.T) {
	two := triangle{corner[1], corner[2], {0, 0, 0.1}}
	stl := string(asciiSTL(`one\`, []triangle{corner})) + string(asciiSTL("", []triangle{two, {two[0], two[0], two[1]}}))
	var obj strings.Builder
	counts, err := stl2obj.Convert(t.Context(), &obj, strings.NewReader(stl))
	require.NoError(t, err)
	require.Equal(t, "o one\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\no solid_2\nv 0 0 0.1\nf 2 3 4\n", obj.String())
	require.Equal(t, stl2obj.Counts{Triangles: 2, Vertices: 4, Degenerate: 1}, counts)
}

func TestWhatCannotBeConvertedIsRefusedForGoodAndLeavesNothing(t *testing.T) {
	whole := binarySTL("", []triangle{corner, corner})
	for _, tt := range []struct {
		name  string
		stl   []byte
		props map[string]any
		want  string
	}{
		{"a truncated file", whole[:len(whole)-1], nil, "convert part.stl: the file is truncated: its header promises 2 triangles, it has 1"},
		{"PLY by its first word", []byte("ply\nformat ascii 1.0\n"), nil, "convert part.stl: the PLY ends in its header"},
		{"nothing but degenerate triangles", binarySTL("", []triangle{{corner[0], corner[0], corner[1]}}), nil, "convert part.stl: none of its 1 triangles has three different corners"},
		{"another format", whole, map[string]any{"config": map[string]any{"f": "glb"}}, `prop "config.f" is "glb", and obj is the only format written here`},
		{"another option", whole, map[string]any{"config": map[string]any{"scale": 2}}, `prop "config.scale" is not an option of this version; the only one is f: obj`},
		{"another extension", whole, map[string]any{"dest": "part.glb"}, `prop "dest" must end in .obj, which is what is written, got "part.glb"`},
		{"a missing file", whole, map[string]any{"src": "missing.stl"}, "missing.stl"},
		{"a folder", whole, map[string]any{"src": "folder.stl"}, "convert folder.stl: it is not a regular file"},
		{"a path that leads out", whole, map[string]any{"src": "../part.stl"}, "outside"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			require.NoError(t, c.Workspace.WriteFile("part.stl", tt.stl))
			require.NoError(t, c.Workspace.MkdirAll("folder.stl"))
			props := map[string]any{"src": "part.stl", "dest": "part.obj"}
			for key, v := range tt.props {
				props[key] = v
			}
			_, err := stl2obj.Module.Run(t.Context(), c, props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			var names []string
			require.NoError(t, c.Workspace.Walk(".", func(name string, _ fs.DirEntry, err error) error {
				names = append(names, name)
				return err
			}))
			require.Equal(t, []string{".", "folder.stl", "part.stl"}, names)
		})
	}
}

func TestBytesBehindTheTrianglesAreAWarning(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("part.stl", append(binarySTL("", []triangle{corner}), "more"...)))
	out, err := stl2obj.Module.Run(t.Context(), c, map[string]any{"src": "part.stl", "dst": "part.obj"})
	require.NoError(t, err)
	require.Equal(t, []any{"part.stl goes on for 4 bytes behind the triangles that its header promises; they were left out"}, out["warnings"])
}

func TestAConversionEndsWithItsContextOrItsWriter(t *testing.T) {
	why := errors.New("the lease is lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := io.MultiReader(bytes.NewReader(binarySTL("", torus(100, 100))), canceling{func() { cancel(why) }})
	_, err := stl2obj.Convert(ctx, io.Discard, r)
	require.ErrorIs(t, err, why)

	full := errors.New("the disk is full")
	_, err = stl2obj.Convert(t.Context(), failing{full}, bytes.NewReader(binarySTL("", torus(100, 100))))
	require.ErrorIs(t, err, full)
}

// canceling is a reader that ends the work instead of the file.
type canceling struct{ cancel func() }

func (c canceling) Read([]byte) (int, error) {
	c.cancel()
	return 0, io.EOF
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzConvert holds that no file makes a conversion panic, and that what it calls an OBJ is one with as many faces and
// vertices as it says.
func FuzzConvert(f *testing.F) {
	f.Add(binarySTL("solid", []triangle{corner, {corner[2], corner[1], {9, 9, 9}}}))
	f.Add(asciiSTL("a b", []triangle{corner}))
	f.Fuzz(func(t *testing.T, stl []byte) {
		var obj bytes.Buffer
		counts, err := stl2obj.Convert(t.Context(), &obj, bytes.NewReader(stl))
		if err != nil {
			return
		}
		m, err := mesh.ReadOBJ(t.Context(), &obj)
		require.NoError(t, err)
		require.Len(t, m.Triangles, int(counts.Triangles))
		require.Len(t, m.Positions, int(counts.Vertices))
	})
}

package glb_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/workspace"
)

const models = "/usr/share/assimp/models/glTF2/"

func open(t *testing.T, name string) *glb.Document {
	t.Helper()
	d, err := openIn(t, filepath.Dir(models+name), filepath.Base(name))
	require.NoError(t, err)
	return d
}

func openIn(t *testing.T, folder, name string) (*glb.Document, error) {
	t.Helper()
	w, err := workspace.Open(folder, workspace.Options{})
	require.NoError(t, err)
	defer w.Close()
	return glb.Open(w, name, glb.Limits{})
}

func TestWhatAModelShowsIsMeasured(t *testing.T) {
	for _, tt := range []struct {
		name       string
		triangles  int64
		stored     int64
		materials  int
		animations int
		skins      int
		pictures   string
		size       glb.Vec // of the bounds
	}{
		{"2CylinderEngine-glTF-Binary/2CylinderEngine.glb", 121496, 75730, 34, 0, 0, "[]", glb.Vec{743.384462, 273.013119, 267.999989}},
		{"BoxTextured-glTF-Binary/BoxTextured.glb", 12, 12, 1, 0, 0, "[image/png 211×211]", glb.Vec{1, 1, 1}},
		{"BoxTextured-glTF/BoxTextured.gltf", 12, 12, 1, 0, 0, "[image/png 211×211]", glb.Vec{1, 1, 1}},
		{"BoxTextured-glTF-Embedded/BoxTextured.gltf", 12, 12, 1, 0, 0, "[image/png 211×211]", glb.Vec{1, 1, 1}},
		{"simple_skin/simple_skin.gltf", 8, 8, 0, 1, 1, "[]", glb.Vec{1, 2, 0}},
		{"draco/2CylinderEngine.gltf", 110336, 65311, 34, 0, 0, "[]", glb.Vec{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := open(t, tt.name).Measure(t.Context())
			require.NoError(t, err)
			var pictures []string
			for _, p := range m.Pictures {
				pictures = append(pictures, fmt.Sprintf("%s %d×%d", p.MIMEType, p.Width, p.Height))
			}
			require.Equal(t, tt.pictures, fmt.Sprint(pictures))
			require.Equal(t, []any{tt.triangles, tt.stored, tt.materials, tt.animations, tt.skins},
				[]any{m.Triangles, m.Stored, m.Materials, m.Animations, m.Skins})
			if tt.size != (glb.Vec{}) {
				for k, x := range m.Bounds.Size() {
					require.InDelta(t, tt.size[k], x, 1e-4)
				}
			}
		})
	}
}

func TestWhatIsWrittenIsReadAgainAsItWas(t *testing.T) {
	files, err := filepath.Glob(models + "*/*.gl*")
	require.NoError(t, err)
	more, err := filepath.Glob(models + "*/*/*.gltf")
	require.NoError(t, err)
	read := 0
	for _, file := range append(files, more...) {
		d, err := openIn(t, filepath.Dir(file), filepath.Base(file))
		if err != nil {
			t.Logf("%s: %v", file, err)
			require.Equal(t, fault.Permanent, fault.Of(err), "%s: %v", file, err)
			continue
		}
		read++
		before, err := d.Measure(t.Context())
		if err != nil {
			t.Logf("%s: %v", file, err)
			continue
		}
		var b, again bytes.Buffer
		require.NoError(t, d.Write(&b))
		written, err := glb.Read(bytes.NewReader(b.Bytes()), glb.Source{})
		require.NoError(t, err, file)
		after, err := written.Measure(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after, file)
		require.NoError(t, written.Write(&again))
		require.True(t, bytes.Equal(b.Bytes(), again.Bytes()), file)

		b.Reset()
		require.NoError(t, d.Prune())
		require.NoError(t, d.WriteText(&b))
		written, err = glb.Read(&b, glb.Source{})
		require.NoError(t, err, file)
		after, err = written.Measure(t.Context())
		require.NoError(t, err)
		require.Equal(t, []any{before.Triangles, before.Bounds, before.Materials}, []any{after.Triangles, after.Bounds, after.Materials}, file)
	}
	require.Greater(t, read, 25)
}

// pack makes a GLB of JSON and bytes.
func pack(json string, bin []byte) []byte {
	for len(json)%4 != 0 {
		json += " "
	}
	for len(bin)%4 != 0 {
		bin = append(bin, 0)
	}
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("glTF\x02\x00\x00\x00"), uint32(28+len(json)+len(bin)))
	b = append(append(le.AppendUint32(b, uint32(len(json))), "JSON"...), json...)
	return append(append(le.AppendUint32(b, uint32(len(bin))), "BIN\x00"...), bin...)
}

func floats(list ...float32) []byte {
	var b []byte
	for _, f := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func TestWhatNobodyKnowsSurvives(t *testing.T) {
	in := `{"asset":{"version":"2.0","x":1},"extensionsUsed":["ACME_x"],"extensions":{"ACME_x":{"a":[1.50]}},` +
		`"nodes":[{"name":"a","extras":{"deep":{"list":[1,2]}},"extensions":{"ACME_x":{"k":"v"}}}],"cameras":[{"type":"perspective"}],"zzz":12345678901234567890}`
	d, err := glb.Read(strings.NewReader(in), glb.Source{})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, d.Write(&b))
	require.JSONEq(t, in, string(bytes.TrimSpace(b.Bytes()[20:])))
	require.Contains(t, b.String(), "12345678901234567890")
	require.Contains(t, b.String(), "1.50")
}

func TestAccessorsAreReadByTheirLayout(t *testing.T) {
	const head = `{"asset":{"version":"2.0"},"buffers":[{"byteLength":64}],"bufferViews":[{"buffer":0,"byteLength":64},{"buffer":0,"byteOffset":4,"byteLength":12,"byteStride":4},{"buffer":0,"byteLength":16},{"buffer":0,"byteOffset":16,"byteLength":16}],"accessors":[`
	signed := []byte{0x81, 0x7f, 0x80, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0}
	sparse := append([]byte{2, 0, 0, 0}, make([]byte, 12)...)
	sparse = append(sparse, floats(7, 8)...)
	for _, tt := range []struct {
		name, accessor string
		bin            []byte
		want           []float32
	}{
		{"floats", `{"bufferView":0,"componentType":5126,"count":2,"type":"VEC2"}`, floats(1, 2, 3, 4), []float32{1, 2, 3, 4}},
		{"a stride", `{"bufferView":1,"byteOffset":1,"componentType":5121,"count":2,"type":"VEC2"}`, signed, []float32{2, 3, 5, 6}},
		{"normalised and signed", `{"bufferView":0,"componentType":5120,"count":1,"type":"VEC3","normalized":true}`, signed, []float32{-1, 1, -1}},
		{"a matrix with padded columns", `{"bufferView":0,"byteOffset":4,"componentType":5121,"count":1,"type":"MAT3"}`, signed, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"no view", `{"componentType":5126,"count":2,"type":"SCALAR"}`, nil, []float32{0, 0}},
		{"sparse", `{"componentType":5126,"count":3,"type":"SCALAR","sparse":{"count":1,"indices":{"bufferView":2,"componentType":5121},"values":{"bufferView":3,"byteOffset":4}}}`, sparse, []float32{0, 0, 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := append(append([]byte{}, tt.bin...), make([]byte, 64-len(tt.bin))...)
			d, err := glb.Read(bytes.NewReader(pack(head+tt.accessor+"]}", bin)), glb.Source{})
			require.NoError(t, err)
			got, err := d.Floats(0)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestALieIsRefusedForGoodAndNamed(t *testing.T) {
	gltf := func(rest string) []byte { return []byte(`{"asset":{"version":"2.0"}` + rest + `}`) }
	view := `,"buffers":[{"byteLength":12}],"bufferViews":[{"buffer":0,"byteLength":12}]`
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "neither GLB nor glTF"},
		{"another format", []byte("solid x\n"), "neither GLB nor glTF"},
		{"JSON that is no glTF", []byte(`{"a":1}`), `glTF version ""`},
		{"broken JSON", []byte(`{"asset":`), "its JSON is broken"},
		{"an older version", []byte(`{"asset":{"version":"1.0"}}`), `glTF version "1.0"`},
		{"an older GLB", append([]byte("glTF\x01\x00\x00\x00"), make([]byte, 20)...), "GLB of version 1"},
		{"a GLB cut short", pack(`{"asset":{"version":"2.0"}}`, make([]byte, 8))[:40], "is truncated"},
		{"deep JSON", gltf(`,"extras":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)), "nests deeper than 64"},
		{"much JSON", gltf(`,"extras":[` + strings.Repeat("0,", 5<<20) + `0]`), "more than 4194304 values"},
		{"a list that is a map", gltf(`,"nodes":{}`), "glTF.nodes is a JSON object, which it can't be"},
		{"a wrong type within", gltf(`,"nodes":[{},{"mesh":"x"}]`), "glTF.nodes[1].mesh is a JSON string, which it can't be"},
		{"an index out of range", gltf(`,"nodes":[{"mesh":3}]`), "node 0 names mesh 3, and there are 0"},
		{"an index below zero", gltf(`,"nodes":[{"children":[-1]}]`), "node 0 names node -1"},
		{"an index in an extension", gltf(`,"materials":[{"extensions":{"KHR_materials_clearcoat":{"clearcoatTexture":{"index":7}}}}]`), "KHR_materials_clearcoat, at 0 names texture 7"},
		{"a node below itself", gltf(`,"nodes":[{"children":[1]},{"children":[0]}]`), "2 of its nodes are below themselves"},
		{"a node below two", gltf(`,"nodes":[{"children":[2]},{"children":[2]},{}]`), "node 2 is below node 0 and below node 1"},
		{"a buffer that is not there", pack(`{"asset":{"version":"2.0"},"buffers":[{"byteLength":400000000}]}`, nil), "buffer 0 promises 400000000 bytes, and there are 0"},
		{"a view beyond its buffer", pack(`{"asset":{"version":"2.0"},"buffers":[{"byteLength":4}],"bufferViews":[{"buffer":0,"byteOffset":9223372036854775807,"byteLength":4}]}`, make([]byte, 4)), "bufferView 0 covers"},
		{"a billion elements", pack(`{"asset":{"version":"2.0"}`+view+`,"accessors":[{"bufferView":0,"componentType":5126,"count":1000000000,"type":"VEC3"}]}`, make([]byte, 12)), "accessor 0: its 1000000000 elements from byte 0 on need 12000000000 bytes, and bufferView 0 has 12"},
		{"a billion elements of nothing", gltf(`,"accessors":[{"componentType":5126,"count":1000000000,"type":"VEC3"}]`), "accessor 0 has 1000000000 elements and no bytes for them"},
		{"a billion elements that Draco is said to have", pack(`{"asset":{"version":"2.0"},"extensionsUsed":["KHR_draco_mesh_compression"]`+view+`,"accessors":[{"componentType":5126,"count":1000000000,"type":"VEC3","sparse":{"count":1,"indices":{"bufferView":0,"componentType":5121},"values":{"bufferView":0}}}]}`, make([]byte, 12)), "accessor 0 has 1000000000 elements and no bytes for them"},
		{"normals of some vertices", gltf(`,"meshes":[{"primitives":[{"attributes":{"POSITION":0,"NORMAL":1}}]}],"accessors":[{"componentType":5126,"count":3,"type":"VEC3"},{"componentType":5126,"count":1,"type":"VEC3"}]`), `mesh 0: primitive 0: "NORMAL" has 1 elements, and there are 3 vertices`},
		{"a target of some vertices", gltf(`,"meshes":[{"primitives":[{"attributes":{"POSITION":0},"targets":[{"POSITION":1}]}]}],"accessors":[{"componentType":5126,"count":3,"type":"VEC3"},{"componentType":5126,"count":9,"type":"VEC3"}]`), `mesh 0: primitive 0: "POSITION" has 9 elements, and there are 3 vertices`},
		{"a type there is not", gltf(`,"accessors":[{"componentType":5126,"count":1,"type":"VEC9"}]`), `accessor 0: there is no type "VEC9"`},
		{"a picture on the net", gltf(`,"images":[{"uri":"http://169.254.169.254/x.png"}]`), `picture 0: it is at "http://169.254.169.254/x.png", and nothing is fetched`},
		{"a picture of the machine", gltf(`,"images":[{"uri":"/etc/hostname"}]`), `picture 0: its file is "/etc/hostname"`},
		{"a picture of the machine as a URL", gltf(`,"images":[{"uri":"file:///etc/hostname"}]`), "nothing is fetched"},
		{"a picture that is not there", gltf(`,"images":[{"uri":"sub/a%20b.png"}]`), `picture 0: its file "sub/a b.png" is not there`},
		{"a picture outside", gltf(`,"images":[{"uri":"..%2f..%5cx.png"}]`), "outside"},
		{"a broken data URI", gltf(`,"buffers":[{"byteLength":1,"uri":"data:;base64,?"}]`), "buffer 0: its data URI is broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), tt.file, 0o600))
			_, err := openIn(t, dir, "x")
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestBytesAreLimitedTogether(t *testing.T) {
	uri := "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(make([]byte, 3000))
	in := `{"asset":{"version":"2.0"},"buffers":[{"byteLength":3000,"uri":"` + uri + `"}]}`
	_, err := glb.Read(strings.NewReader(in), glb.Source{Limits: glb.Limits{Bytes: 7500}})
	require.NoError(t, err)
	_, err = glb.Read(strings.NewReader(in), glb.Source{Limits: glb.Limits{Bytes: 6000}})
	require.ErrorContains(t, err, "it is more than the 0 MiB that are read")
}

func TestWhatCopiesShareIsPrunedOnce(t *testing.T) {
	d := open(t, "2CylinderEngine-glTF-Binary/2CylinderEngine.glb")
	before := d.Count()
	d.Meshes = append(d.Meshes, d.Meshes...) // their primitives share indices and maps
	for i := range d.Nodes {
		if m := d.Nodes[i].Mesh; m != nil {
			other := *m + before.Meshes
			d.Nodes[i].Mesh = &other
		}
	}
	d.Accessors = append([]glb.Accessor{{Component: glb.Float, Count: 1, Type: "SCALAR"}}, d.Accessors...)
	for i := range d.Meshes[:before.Meshes] {
		for j := range d.Meshes[i].Primitives {
			p := &d.Meshes[i].Primitives[j]
			*p.Indices++
			for name := range p.Attributes {
				p.Attributes[name]++
			}
		}
	}
	require.NoError(t, d.Prune())
	after := d.Count()
	require.Equal(t, before, after)
	require.Equal(t, 102, len(d.Accessors))
}

func TestTrianglesThatAreThereTwiceArePutIntoPrimitivesOfTheirOwn(t *testing.T) {
	d := &glb.Document{Asset: glb.Asset{Version: "2.0"}, Nodes: []glb.Node{{Mesh: new(0)}, {Mesh: new(1)}}, Scenes: []glb.Scene{{Nodes: []int{0, 1}}}, Scene: new(0)}
	at := d.AddFloats([]float32{0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0}, "VEC3")
	mesh := func(corners ...uint32) glb.Mesh {
		return glb.Mesh{Primitives: []glb.Primitive{{Attributes: map[string]int{"POSITION": at}, Indices: new(d.AddIndices(corners))}}}
	}
	d.Meshes = []glb.Mesh{mesh(0, 1, 2, 2, 1, 0, 3, 3, 1, 1, 2, 0, 1, 2, 3), mesh(0, 0, 1)}
	for range 2 { // once more changes nothing
		require.NoError(t, d.Separate())
		require.Len(t, d.Meshes, 1)
		var got [][]uint32
		for _, p := range d.Meshes[0].Primitives {
			list, err := d.Corners(&p)
			require.NoError(t, err)
			got = append(got, list)
		}
		require.Equal(t, [][]uint32{{0, 1, 2, 1, 2, 3}, {2, 1, 0}, {1, 2, 0}}, got)
	}
	require.Nil(t, d.Nodes[1].Mesh, "what had triangles without an area alone has no mesh")
}

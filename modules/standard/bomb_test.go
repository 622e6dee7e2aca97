package standard_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/standard"
)

// glbOf is a GLB of a JSON, and of so many bytes of binary that it only promises.
func glbOf(text string, promised uint32) string {
	for len(text)%4 != 0 {
		text += " "
	}
	head := binary.LittleEndian.AppendUint32([]byte("glTF\x02\x00\x00\x00"), uint32(12+8+len(text)+8)+promised)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(text)))
	head = append(head, "JSON"+text...)
	return string(append(binary.LittleEndian.AppendUint32(head, promised), "BIN\x00"...))
}

// drawing is a glTF that draws an accessor of so many corners, and more of it.
func drawing(count, view, more string) string {
	return `{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],` +
		`"accessors":[{"componentType":5126,"type":"VEC3","min":[0,0,0],"max":[1,1,1],"count":` + count + view + `}]` + more + `}`
}

// deflated is a ZIP of files of so many zeros each.
func deflated(t *testing.T, size int64, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		f, err := z.Create(name)
		require.NoError(t, err)
		_, err = io.CopyN(f, zeros{}, size)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// picture is the beginning of a PNG that promises a size.
func picture(width, height uint32) string {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	head = append(binary.BigEndian.AppendUint32(head, height), 8, 6, 0, 0, 0)
	return "\x89PNG\r\n\x1a\n\x00\x00\x00\x0d" + string(binary.BigEndian.AppendUint32(head, crc32.ChecksumIEEE(head))) + "\x00\x00\x00\x00IDAT"
}

// A bomb is a small file that promises, or unpacks to, what nobody can hold.
type bomb struct {
	name, file, text string
	modules          string // that read such files
}

func bombs(t *testing.T) []bomb {
	t.Helper()
	const meshes, documents = "AssetConverter ScreenshotGenerator STL2OBJ", "AssetConverter ScreenshotGenerator MeshOptimizer GlbHtmlEmbed"
	ply := func(vertices, faces string) string {
		return "ply\nformat binary_little_endian 1.0\nelement vertex " + vertices + "\nproperty float x\nproperty float y\nproperty float z\nelement face " + faces +
			"\nproperty list uchar int vertex_indices\nend_header\n" + strings.Repeat("\x00", 90)
	}
	views := func(length, offset, stride string) string {
		return drawing("3", `,"bufferView":0`, `,"buffers":[{"byteLength":36}],"bufferViews":[{"buffer":0,"byteLength":`+length+`,"byteOffset":`+offset+stride+`}]`)
	}
	loop := strings.Replace(drawing("3", "", ""), `{"mesh":0}`, `{"mesh":0,"children":[0]}`, 1)
	var tree strings.Builder // 2^40 nodes, by sharing
	for i := range 40 {
		fmt.Fprintf(&tree, `{"children":[%d,%d]},`, i+1, i+1)
	}
	shared := strings.Replace(drawing("3", "", ""), `[{"mesh":0}]`, "["+tree.String()+`{"mesh":0}]`, 1)
	obj := "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
	return []bomb{
		{"a billion triangles, STL", "a.stl", strings.Repeat("\x00", 80) + "\xff\xff\xff\xff" + strings.Repeat("\x00", 500), meshes},
		{"a billion vertices, PLY", "a.ply", ply("4000000000", "1"), meshes},
		{"a billion faces, PLY", "a.ply", ply("3", "4000000000"), meshes},
		{"more faces than a number holds, PLY", "a.ply", ply("3", "99999999999999999999"), meshes},
		{"a face of many corners, PLY", "a.ply", strings.Replace(ply("3", "1"), "uchar int", "uint int", 1) + "\xff\xff\xff\x7f", meshes},
		{"a corner that there is not, OBJ", "a.obj", obj + "f 1 2 2000000000\n", documents},
		{"a corner before the first, OBJ", "a.obj", obj + "f 1 2 -2000000000\n", documents},
		{"a corner beyond all numbers, OBJ", "a.obj", obj + "f 1 2 99999999999999999999\n", documents},
		{"a billion corners, glTF", "a.gltf", drawing("3000000000", "", ""), documents},
		{"a billion corners, GLB", "a.glb", glbOf(drawing("3000000000", "", ""), 0), documents},
		{"a count below nothing, GLB", "a.glb", glbOf(drawing("-3", "", ""), 0), documents},
		{"a count beyond all numbers, GLB", "a.glb", glbOf(drawing("1e300", "", ""), 0), documents},
		{"gigabytes that are promised, GLB", "a.glb", glbOf(views("36", "0", ""), 0xf0000000), documents},
		{"a view beyond its buffer, GLB", "a.glb", glbOf(views("4000000000", "0", ""), 0), documents},
		{"a view that begins beyond it, GLB", "a.glb", glbOf(views("36", "9007199254740991", ""), 0), documents},
		{"a view that begins before it, GLB", "a.glb", glbOf(views("36", "-36", ""), 0), documents},
		{"a stride of nothing, GLB", "a.glb", glbOf(views("36", "0", `,"byteStride":-12`), 0), documents},
		{"a node in itself, glTF", "a.gltf", loop, documents},
		{"a trillion nodes by sharing, glTF", "a.gltf", shared, documents},
		{"depth without end, glTF", "a.gltf", `{"asset":` + strings.Repeat(`{"a":`, 2_000_000), documents},
		{"depth without end, lists, glTF", "a.gltf", `{"asset":` + strings.Repeat(`[`, 4_000_000), documents},
		{"a picture of gigapixels, glTF", "a.gltf", drawing("3", "", `,"images":[{"uri":"data:image/png;base64,`+base64Of(picture(60_000, 60_000))+`"}]`), "AssetConverter ScreenshotGenerator"},
		{"a picture of gigapixels", "a.png", picture(60_000, 60_000), "FFmpeg ImageMagick ImageInfer"},
		{"a ZIP of zeros", "a.zip", deflated(t, 32<<20, "a.obj", "b.obj", "c.obj"), "AssetConverter"},
		{"a 3MF of zeros", "a.3mf", deflated(t, 64<<20, "3D/3dmodel.model"), "AssetConverter"},
		{"a package of zeros, USDZ", "a.usdz", deflated(t, 64<<20, "a.usda"), "usdchecker AssetConverter"},
		{"entities in entities, DAE", "a.dae", `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><COLLADA>&b;</COLLADA>`, "AssetConverter"},
		{"depth without end, DAE", "a.dae", `<?xml version="1.0"?><COLLADA>` + strings.Repeat("<node>", 500_000), "AssetConverter"},
		{"depth without end, USD", "a.usda", "#usda 1.0\n" + strings.Repeat("def Xform \"a\" {\n", 200_000), "AssetConverter usdchecker"},
	}
}

func base64Of(text string) string {
	b, err := json.Marshal([]byte(text))
	if err != nil {
		panic(err)
	}
	return strings.Trim(string(b), `"`)
}

// No test runs beside it: what it sees taken is taken by the file in hand.
func TestABombIsRefusedAndCostsLittle(t *testing.T) {
	all := readers()
	for _, b := range bombs(t) {
		for name := range strings.FieldsSeq(b.modules) {
			t.Run(b.name+", "+name, func(t *testing.T) {
				c := real(t)
				require.NoError(t, c.Workspace.WriteFile(b.file, []byte(b.text)))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				began := time.Now()
				all[name].refused(t, c, b.file, []string{".", b.file})
				took := time.Since(began)
				runtime.ReadMemStats(&after)
				require.Less(t, took, 30*time.Second)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<20), "bytes of this process")
			})
		}
	}
}

// Every module that looks into files, or runs programs over them, has a Probe: one that is larger than any is refused by it, in no
// time, and before a program runs.
func TestEveryModuleThatRunsToolsHasAProbeWithALimit(t *testing.T) {
	all := readers()
	for _, m := range standard.Modules() {
		if s := m.Spec(); len(s.Tools)+len(s.Extras) > 0 {
			require.Contains(t, all, s.Name, "it runs tools, and no test looks at its limits")
		}
	}
	heads := map[string]string{
		"AssetConverter": "glTF\x02\x00\x00\x00", "Renderer": "glTF\x02\x00\x00\x00", "ScreenshotGenerator": "glTF\x02\x00\x00\x00", "MeshOptimizer": "glTF\x02\x00\x00\x00", "glTF-Validator": "glTF\x02\x00\x00\x00", "GlbHtmlEmbed": "glTF\x02\x00\x00\x00",
		"FBX2glTF": "Kaydara FBX Binary  \x00\x1a\x00", "STL2OBJ": "ply\n", "usdchecker": "PXR-USDC", "FFmpeg": "\x00\x00\x00\x20ftypisom", "ImageMagick": picture(9, 9), "ImageInfer": picture(9, 9), "Unzip": "PK\x03\x04",
	}
	for name, r := range all {
		t.Run(name, func(t *testing.T) {
			c := real(t)
			ran := &counting{}
			c.Exec, c.Blender = ran, nil
			src := "in." + strings.Fields(r.extensions)[0]
			sparse(t, c, src, heads[name], 1<<42)
			began := time.Now()
			_, err := modules.Probe(t.Context(), r.Module, c, r.task(src))
			require.Error(t, err, "it has no limit")
			require.Less(t, time.Since(began), 5*time.Second)
			require.NotContains(t, err.Error(), "ran a program")
		})
	}
}

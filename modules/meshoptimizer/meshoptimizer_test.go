package meshoptimizer_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/meshoptimizer"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

const (
	samples = "/usr/share/assimp/models/glTF2/"
	engine  = samples + "2CylinderEngine-glTF-Binary/2CylinderEngine.glb"
	skinned = samples + "simple_skin/simple_skin.gltf"
	morphed = samples + "glTF-Sample-Models/AnimatedMorphCube-glTF/AnimatedMorphCube.gltf"
	box     = samples + "BoxTextured-glTF/BoxTextured.gltf"
)

// compiled is the folder of what TestMain compiled.
var compiled string

func TestMain(m *testing.M) {
	var remove func()
	compiled, remove = moduletest.Compiled()
	code := m.Run()
	remove()
	os.Exit(code)
}

// profile is a model of the WebXR input profiles, of `make tools`.
func profile(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(moduletest.Tools(t).Folder, "npm/node_modules/@webxr-input-profiles/assets/dist/profiles", name, "left.glb")
}

func TestConformance(t *testing.T) { moduletest.Conform(t, meshoptimizer.Module) }

// A result is what a run gave and wrote.
type result struct {
	out           map[string]any
	doc           *glb.Document
	before, after glb.Measures
}

// optimize runs the module over a file and what lies beside it, and holds what it says against what it wrote, which Khronos'
// validator finds no error in.
func optimize(t *testing.T, file string, config map[string]any) result {
	t.Helper()
	c, _ := moduletest.Call(t)
	c.Tools = moduletest.Tools(t)
	c.Tools.Compiled = compiled
	c.Exec = &proc.Local{}
	at := c.Workspace.Real()
	if filepath.Ext(file) == ".gltf" {
		require.NoError(t, os.CopyFS(at, os.DirFS(filepath.Dir(file))))
	} else {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(at, filepath.Base(file)), data, 0o600))
	}
	w, err := modules.Probe(t.Context(), meshoptimizer.Module, c, map[string]any{
		"src": filepath.Base(file), "dest": "out/model.glb", "config": config,
	})
	require.NoError(t, err)
	require.Positive(t, w.Memory)
	r := result{}
	r.out, err = w.Run(t.Context())
	require.NoError(t, err)
	_, r.before = open(t, c, filepath.Base(file))
	r.doc, r.after = open(t, c, "out/model.glb")
	info, err := c.Workspace.Stat("out/model.glb")
	require.NoError(t, err)
	require.Equal(t, []any{r.before.Triangles, r.after.Triangles, int64(r.after.Animations), fmt.Sprint(info.Size())},
		[]any{r.out["originalTriangles"], r.out["triangles"], r.out["animations"], r.out["size"]})
	require.FileExists(t, filepath.Join(at, "out/model.json"))
	require.Empty(t, validate(t, filepath.Join(at, "out/model.glb")))
	return r
}

func open(t *testing.T, c *modules.Call, name string) (*glb.Document, glb.Measures) {
	t.Helper()
	d, err := glb.Open(c.Workspace, name, glb.Limits{})
	require.NoError(t, err)
	m, err := d.Measure(t.Context())
	require.NoError(t, err)
	return d, m
}

// validate returns the errors that Khronos' validator has.
func validate(t *testing.T, file string) (errs []string) {
	t.Helper()
	const script = `require('./.tools/npm/node_modules/gltf-validator').validateBytes(new Uint8Array(require('fs').readFileSync(process.argv[1])))` +
		`.then(r => console.log(JSON.stringify(r.issues.messages.filter(m => m.severity == 0).map(m => m.code + ' ' + m.pointer))))`
	cmd := exec.CommandContext(t.Context(), "node", "-e", script, file)
	cmd.Dir = filepath.Dir(moduletest.Tools(t).Folder)
	said, err := cmd.Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(said, &errs))
	return errs
}

func near(t *testing.T, want, got glb.Vec, tolerance float64) {
	t.Helper()
	for k := range want {
		require.InDelta(t, want[k], got[k], tolerance)
	}
}

func TestTheSceneDrawsAsManyTrianglesAsWereAskedFor(t *testing.T) {
	for _, tt := range []struct {
		file string
		tris int64
	}{
		{profile(t, "hp-mixed-reality"), 1000},
		{profile(t, "hp-mixed-reality"), 3000},
		{engine, 20000},
		{profile(t, "generic-hand"), 1000},
	} {
		t.Run(fmt.Sprint(filepath.Base(filepath.Dir(tt.file)), tt.tris), func(t *testing.T) {
			r := optimize(t, tt.file, map[string]any{"tris": tt.tris})
			require.InDelta(t, tt.tris, r.after.Triangles, 0.02*float64(tt.tris))
			require.Empty(t, r.out["warnings"])
			long := r.before.Bounds.Size()
			near(t, r.before.Bounds.Min, r.after.Bounds.Min, 0.05*max(long[0], long[1], long[2]))
			near(t, r.before.Bounds.Max, r.after.Bounds.Max, 0.05*max(long[0], long[1], long[2]))
			require.Equal(t, []int{r.before.Skins, r.before.Animations, len(r.before.Pictures)}, []int{r.after.Skins, r.after.Animations, len(r.after.Pictures)})
		})
	}
}

func TestAModelThatStopsShortSaysSo(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(box))))
	d, _ := open(t, c, filepath.Base(box))
	mesh := 0
	for range 99 { // a hundred boxes of one mesh: they lose a triangle all or none
		d.Nodes = append(d.Nodes, glb.Node{Name: fmt.Sprint("box ", len(d.Nodes)), Mesh: &mesh})
		d.Scenes[0].Nodes = append(d.Scenes[0].Nodes, len(d.Nodes)-1)
	}
	f, err := c.Workspace.Create("boxes.glb")
	require.NoError(t, err)
	require.NoError(t, d.Write(f))
	require.NoError(t, f.Close())
	r := optimize(t, f.Name(), map[string]any{"tris": 950})
	require.Contains(t, fmt.Sprint(r.out["warnings"]), fmt.Sprintf("config.tris asks for 950 triangles, and the scene draws %d: no ratio", r.after.Triangles))
}

func TestNoConfigLosesNothing(t *testing.T) {
	for _, file := range []string{box, skinned, morphed, profile(t, "generic-hand"), profile(t, "hp-mixed-reality")} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := optimize(t, file, nil)
			require.Equal(t, []any{r.before.Triangles, r.before.Materials, r.before.Animations, r.before.Skins, r.before.Morphs, len(r.before.Pictures)},
				[]any{r.after.Triangles, r.after.Materials, r.after.Animations, r.after.Skins, r.after.Morphs, len(r.after.Pictures)})
			near(t, r.before.Bounds.Min, r.after.Bounds.Min, 1e-5)
			near(t, r.before.Bounds.Max, r.after.Bounds.Max, 1e-5)
			require.Empty(t, r.out["warnings"])
		})
	}
}

func TestTexturesAreMadeSmaller(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config map[string]any
		want   string
	}{
		{"to a size", map[string]any{"max_tex_size": 100}, "image/png 100×100"},
		{"to a power of two", map[string]any{"max_tex_size": 100, "pot_textures": true}, "image/png 64×64"},
		{"to a power of two alone", map[string]any{"pot_textures": true}, "image/png 256×256"},
		{"to JPEG", map[string]any{"max_tex_size": 128, "tex_opt_compression": "medium"}, "image/jpeg 128×128"},
		{"not to JPEG where nothing may be lost", map[string]any{"max_tex_size": 128, "tex_opt_compression": true, "lossless_tex_opt": true}, "image/png 128×128"},
		{"not at all", map[string]any{"max_tex_size": 128, "skip_tex_opt": true}, "image/png 211×211"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := optimize(t, box, tt.config)
			require.Equal(t, []any{tt.want}, r.out["textures"])
		})
	}
}

func TestEveryMapOfAMaterialIsMadeSmaller(t *testing.T) {
	r := optimize(t, profile(t, "hp-mixed-reality"), map[string]any{"max_tex_size": 128, "tex_opt_compression": 80, "file_size_limit": "400kB"})
	require.Len(t, r.after.Pictures, 4)
	byType := map[string]int{}
	for _, p := range r.after.Pictures {
		require.Equal(t, 128, p.Width)
		byType[p.MIMEType]++
	}
	require.Equal(t, map[string]int{"image/jpeg": 3, "image/png": 1}, byType, "a normal map has a quality of its own")
	require.Empty(t, r.out["warnings"])
}

func TestATextureHasNoMorePixelsThanItsSurfaceNeeds(t *testing.T) {
	r := optimize(t, box, map[string]any{"target_tex_density": 50}) // a box of 1 m, whose sides show the whole picture
	require.Equal(t, "[image/png 50×50]", fmt.Sprint(r.out["textures"]))
	r = optimize(t, box, map[string]any{"target_tex_density": 50, "skip_texel_density": true})
	require.Equal(t, "[image/png 211×211]", fmt.Sprint(r.out["textures"]))
}

func TestTheModelIsTurnedScaledAndMoved(t *testing.T) {
	hp := profile(t, "hp-mixed-reality")
	for _, op := range []int{1, 2} {
		t.Run(fmt.Sprint("transform_op ", op), func(t *testing.T) {
			r := optimize(t, hp, map[string]any{"transform_op": op, "reset_center": "center"})
			near(t, glb.Vec{}, r.after.Bounds.Center(), 1e-4)
			near(t, r.before.Bounds.Size(), r.after.Bounds.Size(), 1e-4)
			require.Empty(t, r.out["warnings"])

			r = optimize(t, hp, map[string]any{"transform_op": op, "reset_center": []any{"none", "min", "max"}, "scale_size": 2, "rotation": "90 0 0"})
			size := r.before.Bounds.Size()
			long := max(size[0], size[1], size[2])
			near(t, glb.Vec{2 * size[0] / long, 2 * size[2] / long, 2 * size[1] / long}, r.after.Bounds.Size(), 1e-3)
			require.InDelta(t, 0, r.after.Bounds.Min[1], 1e-4)
			require.InDelta(t, 0, r.after.Bounds.Max[2], 1e-4)
			require.InDelta(t, 2*r.before.Bounds.Min[0]/long, r.after.Bounds.Min[0], 1e-3)
		})
	}
}

func TestNoNodeScalesAnyMore(t *testing.T) {
	for _, file := range []string{engine, profile(t, "hp-mixed-reality")} {
		r := optimize(t, file, map[string]any{"reset_scaling": true})
		size := r.before.Bounds.Size()
		near(t, r.before.Bounds.Min, r.after.Bounds.Min, 1e-4*max(size[0], size[1], size[2]))
		near(t, r.before.Bounds.Max, r.after.Bounds.Max, 1e-4*max(size[0], size[1], size[2]))
		_, world := r.doc.Worlds()
		for i, m := range world {
			for c := range 3 {
				require.InDelta(t, 1, math.Hypot(math.Hypot(m[4*c], m[4*c+1]), m[4*c+2]), 1e-4, "node %d", i)
			}
			require.InDelta(t, 1, m.Det(), 1e-4, "node %d", i)
		}
		require.Empty(t, r.out["warnings"])
	}
}

func TestWhatMovesIsMovedByANodeAboveIt(t *testing.T) {
	r := optimize(t, skinned, map[string]any{"reset_scaling": true, "transform_op": 2, "reset_center": true})
	near(t, glb.Vec{}, r.after.Bounds.Center(), 1e-4)
	require.Equal(t, r.before.Animations, r.after.Animations)
	require.Contains(t, fmt.Sprint(r.out["warnings"]), "config.transform_op: 2 was not applied to the vertices: it has animations (remove_animations removes them)")
	require.Contains(t, fmt.Sprint(r.out["warnings"]), "config.reset_scaling was not applied to the vertices")
}

func TestAnimationsAreRemoved(t *testing.T) {
	r := optimize(t, skinned, map[string]any{"remove_animations": true})
	require.Equal(t, []int{1, 0, 1}, []int{r.before.Animations, r.after.Animations, r.after.Skins})
	r = optimize(t, morphed, map[string]any{"remove_morph_animations": true})
	require.Equal(t, []int{1, 2, 0, 0}, []int{r.before.Animations, r.before.Morphs, r.after.Animations, r.after.Morphs})
}

func TestGeometryIsRemovedByItsMaterial(t *testing.T) {
	r := optimize(t, engine, map[string]any{"remove_geometry_material_regex": "^Black"})
	require.Less(t, r.after.Triangles, r.before.Triangles)
	c, _ := moduletest.Call(t)
	data, err := os.ReadFile(engine)
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("in.glb", data))
	_, err = meshoptimizer.Module.Run(t.Context(), c, map[string]any{"src": "in.glb", "dest": "out.glb", "config": map[string]any{"remove_geometry_material_regex": "."}})
	require.ErrorContains(t, err, "nothing would be left to draw")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestEqualMeshesAreStoredOnce(t *testing.T) {
	apart := optimize(t, engine, map[string]any{"transform_op": 2})
	shared := optimize(t, engine, map[string]any{"detect_instances": true})
	require.Equal(t, apart.before.Triangles, shared.before.Triangles)
	require.Equal(t, apart.after.Triangles, shared.after.Triangles)
	require.Less(t, shared.after.Stored, apart.after.Stored)
	near(t, apart.after.Bounds.Min, shared.after.Bounds.Min, 1e-2)
	near(t, apart.after.Bounds.Max, shared.after.Bounds.Max, 1e-2)
}

func TestAlphaThatNothingShowsIsRemoved(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(box))))
	names, err := c.Workspace.Glob("*.png")
	require.NoError(t, err)
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		img.Pix[i] = uint8(rand.Uint32())
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	require.NoError(t, c.Workspace.WriteFile(names[0], b.Bytes()))
	for _, remove := range []bool{true, false} {
		r := optimize(t, filepath.Join(c.Workspace.Real(), filepath.Base(box)), map[string]any{"aggressive_alpha_removal": remove, "tex_opt_compression": "low"})
		data, err := r.doc.Bytes(*r.doc.Images[0].View)
		require.NoError(t, err)
		decoded, format, err := image.Decode(bytes.NewReader(data))
		require.NoError(t, err)
		if remove {
			require.Equal(t, "jpeg", format, "what has no alpha can be a JPEG")
		} else {
			require.Equal(t, img, decoded)
		}
	}
}

func TestNormalsAreMadeGood(t *testing.T) {
	file := samples + "BoxBadNormals-glTF-Binary/BoxBadNormals.glb"
	require.NotEmpty(t, validate(t, file))
	r := optimize(t, file, map[string]any{"sanitize_normals": true})
	require.Equal(t, r.before.Triangles, r.after.Triangles)
}

func TestFlatNormalsAndTangentsAreLeftOut(t *testing.T) {
	r := optimize(t, box, map[string]any{"dont_export_flat_normals": true, "dont_export_tangents": true})
	for _, m := range r.doc.Meshes {
		for _, p := range m.Primitives {
			require.NotContains(t, p.Attributes, "NORMAL")
			require.NotContains(t, p.Attributes, "TANGENT")
		}
	}
}

func TestAFileKeepsItsLimit(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(box))))
	names, err := c.Workspace.Glob("*.png")
	require.NoError(t, err)
	noise := image.NewNRGBA(image.Rect(0, 0, 256, 256))
	for i := range noise.Pix {
		noise.Pix[i] = uint8(rand.Uint32())
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, noise))
	require.NoError(t, c.Workspace.WriteFile(names[0], b.Bytes()))
	model := filepath.Join(c.Workspace.Real(), filepath.Base(box))

	r := optimize(t, model, map[string]any{"file_size_limit": "100kB"})
	require.Equal(t, []any{"image/png 128×128"}, r.out["textures"])
	require.Empty(t, r.out["warnings"])
	r = optimize(t, model, map[string]any{"file_size_limit": "2kB"})
	require.Contains(t, fmt.Sprint(r.out["warnings"]), "config.file_size_limit asks for 2000 bytes, and")
	_, err = meshoptimizer.Module.Run(t.Context(), c, map[string]any{
		"src": filepath.Base(box), "dest": "out.glb", "config": map[string]any{"file_size_limit": "2kB", "force_file_size_limit": true},
	})
	require.ErrorContains(t, err, "config.file_size_limit asks for 2000 bytes, and")
	require.NoFileExists(t, filepath.Join(c.Workspace.Real(), "out.glb"))
}

func TestALimitThatIsForcedTakesTriangles(t *testing.T) {
	for _, pack := range []bool{false, true} {
		r := optimize(t, profile(t, "generic-hand"), map[string]any{"file_size_limit": "40kB", "force_file_size_limit": true, "draco_encode": pack})
		require.LessOrEqual(t, r.doc.Size(), int64(40_000))
		require.Positive(t, r.after.Triangles)
		require.Equal(t, !pack, r.after.Triangles < r.before.Triangles, "Draco alone keeps it")
		require.Equal(t, !pack, fmt.Sprint(r.out["warnings"]) == fmt.Sprintf("[config.force_file_size_limit left %d triangles of %d, to keep file_size_limit]", r.after.Triangles, r.before.Triangles))
	}
}

// webP is the box with a WebP of 128×128 pixels, as a file.
func webP(t *testing.T) string {
	t.Helper()
	c, _ := moduletest.Call(t)
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(box))))
	d, _ := open(t, c, filepath.Base(box))
	data, err := os.ReadFile("testdata/plasma.webp")
	require.NoError(t, err)
	view := d.AddView(data)
	d.Images[0].View, d.Images[0].MIMEType = &view, "image/webp"
	d.Textures[0].Source, d.Textures[0].Extensions = nil, glb.Extensions{"EXT_texture_webp": json.RawMessage(`{"source":0}`)}
	d.Used, d.Required = []string{"EXT_texture_webp"}, []string{"EXT_texture_webp"}
	f, err := c.Workspace.Create("webp.glb")
	require.NoError(t, err)
	require.NoError(t, errors.Join(d.Write(f), f.Close()))
	return f.Name()
}

func TestAWebPBecomesWhatEveryViewerReads(t *testing.T) {
	r := optimize(t, webP(t), nil)
	require.Equal(t, []any{"image/webp 128×128"}, r.out["textures"])
	require.Equal(t, []string{"EXT_texture_webp"}, r.after.Required)
	r = optimize(t, webP(t), map[string]any{"max_tex_size": 32, "tex_opt_compression": "low"})
	require.Equal(t, []any{"image/jpeg 32×32"}, r.out["textures"])
	require.Empty(t, r.after.Required)
	require.Empty(t, r.doc.Used)
	require.Zero(t, *r.doc.Textures[0].Source)
	require.Empty(t, r.out["warnings"])
}

func TestWhatIsNoPictureHereIsNamed(t *testing.T) {
	ktx := append([]byte("\xabKTX 20\xbb\r\n\x1a\n"), make([]byte, 200)...)
	ktx[20], ktx[24] = 128, 128
	c, _ := moduletest.Call(t)
	c.Tools = &tool.Set{Compiled: compiled}
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(box))))
	d, _ := open(t, c, filepath.Base(box))
	view := d.AddView(ktx)
	d.Images[0].View, d.Images[0].MIMEType = &view, "image/ktx2"
	f, err := c.Workspace.Create("ktx.glb")
	require.NoError(t, err)
	require.NoError(t, errors.Join(d.Write(f), f.Close()))
	out, err := meshoptimizer.Module.Run(t.Context(), c, map[string]any{"src": "ktx.glb", "dest": "out.glb", "config": map[string]any{"max_tex_size": 64}})
	require.NoError(t, err)
	require.Equal(t, []any{"picture 0 is image/ktx2 of 128×128 pixels and stays as it is: only PNG, JPEG and WebP are changed here; give the model those"}, out["warnings"])
}

func TestDracoIsReadAndWritten(t *testing.T) {
	r := optimize(t, samples+"draco/2CylinderEngine.gltf", map[string]any{"tris": 20000})
	require.InDelta(t, 20000, r.after.Triangles, 400)
	require.NotContains(t, r.after.Used, "KHR_draco_mesh_compression")

	plain := optimize(t, profile(t, "generic-hand"), nil)
	packed := optimize(t, profile(t, "generic-hand"), map[string]any{"draco_encode": true})
	require.Contains(t, packed.after.Required, "KHR_draco_mesh_compression")
	require.Equal(t, plain.after.Triangles, packed.after.Triangles)
	require.Less(t, packed.doc.Size(), plain.doc.Size()/2)
	near(t, plain.after.Bounds.Min, packed.after.Bounds.Min, 1e-3)
}

// Two corners of one are in one place, with normals of their own.
func TestDracoKeepsTrianglesWithoutAnArea(t *testing.T) {
	const text = `{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],"meshes":[{"primitives":[{"attributes":{"POSITION":0,"NORMAL":2},"indices":1}]}],
		"accessors":[{"bufferView":0,"componentType":5126,"count":4,"type":"VEC3","min":[0,0,0],"max":[1,1,0]},{"bufferView":1,"componentType":5123,"count":6,"type":"SCALAR"},
		{"bufferView":0,"byteOffset":48,"componentType":5126,"count":4,"type":"VEC3"}],
		"bufferViews":[{"buffer":0,"byteLength":96},{"buffer":0,"byteOffset":96,"byteLength":12}],"buffers":[{"byteLength":108,"uri":"a.bin"}]}`
	data, err := binary.Append(nil, binary.LittleEndian, []float32{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0})
	require.NoError(t, err)
	data, err = binary.Append(data, binary.LittleEndian, []uint16{0, 1, 2, 0, 1, 3})
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.gltf"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.bin"), data, 0o600))
	r := optimize(t, filepath.Join(dir, "a.gltf"), map[string]any{"draco_encode": true})
	require.EqualValues(t, 2, r.after.Triangles)
	require.Contains(t, r.after.Required, "KHR_draco_mesh_compression")
}

func TestDracoThatIsNotThereIsASentence(t *testing.T) {
	c, _ := moduletest.Call(t)
	c.Tools = &tool.Set{Path: "/nowhere", Folder: t.TempDir(), Compiled: compiled}
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(samples+"draco")))
	props := map[string]any{"src": "2CylinderEngine.gltf", "dest": "out.glb"}
	_, err := meshoptimizer.Module.Run(t.Context(), c, props)
	require.ErrorContains(t, err, "Draco is missing: it needs Node.js")
	require.Equal(t, fault.Permanent, fault.Of(err))
	props["config"] = map[string]any{"allow_draco_decode": false}
	_, err = meshoptimizer.Module.Run(t.Context(), c, props)
	require.ErrorContains(t, err, "its geometry is packed with Draco, and config.allow_draco_decode is false")
}

func TestACameraStaysWhereItIs(t *testing.T) {
	c, _ := moduletest.Call(t)
	file := samples + "cameras/Cameras.gltf"
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(file))))
	places := func(d *glb.Document) map[string]bool {
		all := map[string]bool{}
		order, world := d.Worlds()
		for _, i := range order {
			if camera := d.Nodes[i].Rest["camera"]; camera != nil {
				all[fmt.Sprintf("%s at %.4v", camera, world[i])] = true
			}
		}
		return all
	}
	before, _ := open(t, c, "Cameras.gltf")
	require.Len(t, places(before), 2)
	r := optimize(t, file, map[string]any{"transform_op": 2})
	require.Equal(t, places(before), places(r.doc))
}

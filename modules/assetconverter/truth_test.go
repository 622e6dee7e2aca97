package assetconverter_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/assetconverter"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/gltfcheck"
	"github.com/millrace/millrace/modules/usdchecker"
)

// read is a GLB of the workspace, and what it holds.
func read(t *testing.T, c *modules.Call, name string) glb.Measures {
	t.Helper()
	doc, err := glb.Open(c.Workspace, name, glb.Limits{})
	require.NoError(t, err)
	m, err := doc.Measure(t.Context())
	require.NoError(t, err)
	return m
}

func TestAGLBIsTheSameAfterUSDZ(t *testing.T) {
	c := real(t)
	profiles := filepath.Join(c.Tools.Folder, "npm/node_modules/@webxr-input-profiles/assets/dist/profiles")
	for _, model := range []string{
		profiles + "/hp-mixed-reality/left.glb", profiles + "/generic-hand/left.glb",
		models + "/glTF2/2CylinderEngine-glTF-Binary/2CylinderEngine.glb", // of which many a triangle has no area
	} {
		data, err := os.ReadFile(model)
		require.NoError(t, err)
		require.NoError(t, c.Workspace.WriteFile("in.glb", data))
		mid := convert(t, c, map[string]any{"src": "in.glb", "dest": "mid.usdz"})
		out, err := usdchecker.Module.Run(t.Context(), c, map[string]any{"src": "mid.usdz"})
		require.NoError(t, err)
		require.Equal(t, true, out["valid"], "%v", out)
		convert(t, c, map[string]any{"src": "mid.usdz", "dest": "out.glb"})
		before, after := read(t, c, "in.glb"), read(t, c, "out.glb")
		if strings.HasPrefix(model, models) {
			require.Equal(t, []any{"11154 triangles of 121496 have no area, and were left out"}, mid["warnings"])
			before.Triangles -= 11154
		}
		require.Equal(t, before.Triangles, after.Triangles)
		require.Equal(t, before.Materials, after.Materials)
		for i, size := range before.Bounds.Size() {
			require.InDelta(t, size, after.Bounds.Size()[i], 0.01*size)
		}
	}
}

func TestAnExtensionInCapitalsIsTheSameAndNoneWillDo(t *testing.T) {
	c := real(t)
	src := put(t, c, "OBJ/box.obj")
	for _, ext := range strings.Fields("GLTF DAE USDZ USD") {
		require.Equal(t, "out/M."+ext, convert(t, c, map[string]any{"src": src, "dest": "out/M." + ext})["dest"])
		want := strings.ToLower(ext)
		if want == "usd" {
			want = "usdc"
		}
		require.Equal(t, want, convert(t, c, map[string]any{"src": "out/M." + ext, "dest": "back.obj"})["from"])
		require.NoError(t, c.Workspace.Rename("out/M."+ext, "out/M"))
		back := convert(t, c, map[string]any{"src": "out/M", "dest": "back.glb"})
		require.Equal(t, want, back["from"])
		require.EqualValues(t, 12, back["triangles"])
	}
}

func TestAPLYKeepsItsColoursAndNormals(t *testing.T) {
	c := real(t)
	convert(t, c, map[string]any{"src": put(t, c, "PLY/float-color.ply"), "dest": "colours.glb"})
	convert(t, c, map[string]any{"src": put(t, c, "PLY/Wuson.ply"), "dest": "normals.glb"})
	for name, semantic := range map[string]string{"colours.glb": "COLOR_0", "normals.glb": "NORMAL"} {
		doc, err := glb.Open(c.Workspace, name, glb.Limits{})
		require.NoError(t, err)
		require.Contains(t, doc.Meshes[0].Primitives[0].Attributes, semantic)
	}
}

func TestAnimationsAreKeptOrLeftOut(t *testing.T) {
	c := real(t)
	src := put(t, c, "FBX/animation_with_skeleton.fbx")
	for _, to := range []string{"glb", "fbx", "usdz"} {
		require.Positive(t, convert(t, c, map[string]any{"src": src, "dest": "a." + to})["animations"], to)
		require.Zero(t, convert(t, c, map[string]any{"src": src, "dest": "b." + to, "config": map[string]any{"animations": false}})["animations"], to)
	}
}

func TestAGLBThatBreaksTheRulesIsRefusedByTheRule(t *testing.T) {
	c := real(t)
	src := put(t, c, "glTF2/BoxBadNormals-glTF-Binary/BoxBadNormals.glb")
	refuse(t, c, map[string]any{"src": src, "dest": "out.gltf"}, "breaks the rules of glTF: Vector3 at accessor indices 0..2 is not of unit length: 0. (ACCESSOR_VECTOR3_NON_UNIT")
}

func TestATextureThatIsLostIsSaid(t *testing.T) {
	c := real(t)
	data, err := os.ReadFile(filepath.Join(c.Tools.Folder, "npm/node_modules/@webxr-input-profiles/assets/dist/profiles/hp-mixed-reality/left.glb"))
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("in.glb", data))
	for to, want := range map[string][]any{"dae": {"3 of 4 textures are not in what was written: it has no place for them, or several became one"}, "usdz": {}} {
		out := convert(t, c, map[string]any{"src": "in.glb", "dest": "out." + to})
		require.Equal(t, want, out["warnings"])
	}
}

func TestTwoModelsInOneFolderKeepTheirPictures(t *testing.T) {
	c := real(t)
	long := strings.Repeat("long ", 12)
	shades := map[string]uint8{"a": 0, "b": 255, long + "a": 10, long + "b": 200}
	for name, shade := range shades {
		var picture bytes.Buffer
		require.NoError(t, png.Encode(&picture, &image.Gray{Pix: bytes.Repeat([]byte{shade}, 64), Stride: 8, Rect: image.Rect(0, 0, 8, 8)}))
		write(t, c, map[string]string{name + "/tex.png": picture.String(), name + "/m.mtl": "newmtl m\nmap_Kd tex.png\n", name + "/m.obj": "mtllib m.mtl\nusemtl m\n" + triangle})
	}
	for _, to := range []string{"usda", "dae", "obj"} {
		for name := range shades {
			convert(t, c, map[string]any{"src": name + "/m.obj", "dest": to + "/" + name + "." + to})
		}
		for name, shade := range shades {
			convert(t, c, map[string]any{"src": to + "/" + name + "." + to, "dest": "back.glb"})
			doc, err := glb.Open(c.Workspace, "back.glb", glb.Limits{})
			require.NoError(t, err)
			data, err := doc.Bytes(*doc.Images[0].View)
			require.NoError(t, err)
			m, _, err := image.Decode(bytes.NewReader(data))
			require.NoError(t, err)
			require.Equal(t, color.GrayModel.Convert(m.At(3, 3)), color.Gray{shade}, "%s of %s", name, to)
		}
	}
}

func TestAnOBJHasItsPicturesBeside(t *testing.T) {
	c := real(t)
	convert(t, c, map[string]any{"src": put(t, c, spider()...), "dest": "out/new spider.obj"})
	materials, err := c.Workspace.ReadFile("out/new spider.mtl")
	require.NoError(t, err)
	pictures, err := c.Workspace.Glob("out/*.jpg")
	require.NoError(t, err)
	require.Len(t, pictures, 4)
	for _, p := range pictures {
		require.True(t, bytes.Contains(materials, []byte(filepath.Base(p))), p)
	}
}

func TestEveryKindThatAssimpReadsIsConverted(t *testing.T) {
	c := real(t)
	for file, triangles := range map[string]int{
		"3MF/box.3mf": 12, "OFF/Cube.off": 12, "AC/Wuson.ac": 3732, "X/test.x": 12, "LWO/LWO2/boxuv.lwo": 12, "BLEND/box.blend": 12, "MD2/faerie.md2": 0, "DXF/wuson.dxf": 0,
	} {
		out := convert(t, c, map[string]any{"src": put(t, c, file), "dest": "out.glb", "config": map[string]any{"allow_missing_textures": true}})
		require.Contains(t, out["converter"], "assimp", file)
		if triangles > 0 {
			require.EqualValues(t, triangles, out["triangles"], file)
		}
		require.Equal(t, strings.ToLower(strings.TrimPrefix(filepath.Ext(file), ".")), out["from"])
	}
}

func TestAssimpReadsTheDAEThatBlenderCannot(t *testing.T) {
	c := real(t)
	for _, file := range []string{"cube_tristrips.dae", "ConcavePolygon.dae", "teapots.DAE"} {
		put(t, c, "Collada/"+file)
		require.NoError(t, c.Workspace.Rename(file, "a/b/"+file)) // one names its pictures by ../
		out := convert(t, c, map[string]any{"src": "a/b/" + file, "dest": "out.glb", "config": map[string]any{"allow_missing_textures": true}})
		require.Contains(t, out["converter"], "assimp", file)
		require.Contains(t, out["warnings"].([]any)[0], "Blender could not read it, and assimp did")
	}
	convert(t, c, map[string]any{"src": put(t, c, "Collada/cube_tristrips.dae"), "dest": "out.usdz"})
}

// All FBX of the test models but the one that is none. Some name pictures that nobody has, by the paths of another machine.
func TestEveryFBXOfTheTestModelsBecomesAValidGLB(t *testing.T) {
	c := real(t)
	validator := gltfcheck.Validator{Tools: c.Tools, Exec: c.Exec, Env: c.Env}
	seen := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(models, "FBX"), func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() || !strings.EqualFold(filepath.Ext(file), ".fbx") || d.Name() == "transparentTest.fbx" {
			return nil
		}
		seen++
		name, err := filepath.Rel(models, file)
		require.NoError(t, err)
		props := map[string]any{"src": put(t, c, name), "dest": "out.glb"}
		out, err := assetconverter.Module.Run(t.Context(), c, props)
		lacking := []string{"spider.fbx", "maxPbrMaterial_metalRough.fbx", "maxPbrMaterial_specGloss.fbx"}
		require.Equal(t, slices.Contains(lacking, d.Name()), err != nil, "%s: %v", d.Name(), err)
		if err != nil {
			require.Regexp(t, `texture ['"].+['"] is not there`, err.Error(), "by its name")
			props["config"] = map[string]any{"allow_missing_textures": true}
			out = convert(t, c, props)
		}
		require.Positive(t, out["triangles"], name)
		report, err := validator.Check(t.Context(), gltfcheck.File{Path: filepath.Join(c.Workspace.Real(), "out.glb")}, gltfcheck.Options{})
		require.NoError(t, err)
		require.Zero(t, report.Issues.Errors, "%s: %v", name, report.Issues.Messages)
		require.EqualValues(t, out["triangles"], read(t, c, "out.glb").Triangles)
		require.NoError(t, c.Workspace.Remove("out.glb"))
		return nil
	}))
	require.Equal(t, 18, seen)
}

package assetconverter_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/assetconverter"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/tool"
)

const triangle = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"

// refuse converts what must be refused for good, and sees that nothing is there then.
func refuse(t *testing.T, c *modules.Call, props map[string]any, want string) {
	t.Helper()
	_, err := assetconverter.Module.Run(t.Context(), c, props)
	require.ErrorContains(t, err, want)
	require.Equal(t, fault.Permanent, fault.Of(err), "%v", err)
	_, err = c.Workspace.Stat(props["dest"].(string))
	require.Error(t, err)
}

func write(t *testing.T, c *modules.Call, files map[string]string) {
	t.Helper()
	for name, text := range files {
		require.NoError(t, c.Workspace.WriteFile(name, []byte(text)))
	}
}

func TestWhatLiesElsewhereIsNotTaken(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.png")
	var picture bytes.Buffer
	require.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))))
	require.NoError(t, os.WriteFile(secret, picture.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "m.mtl"), []byte("newmtl secret\n"), 0o600))
	layer := "#usda 1.0\ndef Mesh \"secret\" {\npoint3f[] points = [(0,0,0),(1,0,0),(0,1,0)]\nint[] faceVertexCounts = [3]\nint[] faceVertexIndices = [0,1,2]\n}\n"
	require.NoError(t, os.WriteFile(filepath.Join(outside, "layer.usda"), []byte(layer), 0o600))
	dae, err := os.ReadFile(filepath.Join(models, "Collada/duck.dae"))
	require.NoError(t, err)
	c := real(t)
	up := "../../../../../.." + outside + "/m.mtl"
	late := triangle + strings.Repeat("# "+strings.Repeat("x", 98)+"\n", 700) // what is an OBJ is told by its beginning
	for _, tt := range []struct{ name, file, text, want string }{
		{"an OBJ's materials after a vertical tab", "k.obj", "\vmtllib " + up + "\n" + triangle, "outside the workspace"},
		{"an OBJ's materials after a byte that is no letter", "l.obj", late + "\x01mtllib\v" + up + "\n", "outside the workspace"},
		{"an OBJ's materials after a byte that is no text", "o.obj", late + "\xffmtllib " + up + "\n", "outside the workspace"},
		{"an OBJ's materials after a backslash", "m.obj", late + "\\mtllib " + up + "\n", "outside the workspace"},
		{"an OBJ's materials in quotes", "n/n.obj", "mtllib \"../" + up + "\"\n" + triangle, "outside the workspace"},
		{"an OBJ's picture", "a.obj", "mtllib a.mtl\nusemtl m\n" + triangle, "outside the workspace"},
		{"an OBJ's materials", "b.obj", "mtllib ../../../../../.." + outside + "/m.mtl\nusemtl secret\n" + triangle, "outside the workspace"},
		{"an OBJ's materials by their full path", "c.obj", "mtllib " + outside + "/m.mtl\nusemtl secret\n" + triangle, "must be a path that begins beside it"},
		{"a DAE's picture", "d.dae", strings.Replace(string(dae), "./duckCM.tga", "file://"+secret, 1), "outside the workspace"},
		{"a DAE's geometry", "e.dae", strings.Replace(string(dae), `url="#LOD3spShape-lib"`, `url="file://`+outside+`/x.dae#LOD3spShape-lib"`, 1), "other documents"},
		{"an entity", "f.dae", "<?xml version=\"1.0\"?><!DOCTYPE COLLADA [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><COLLADA>&x;</COLLADA>", "has a declaration"},
		{"a USD layer", "g.usda", "#usda 1.0\n(subLayers = [@" + outside + "/layer.usda@])\n", "outside the workspace"},
		{"a USD reference", "h.usda", "#usda 1.0\ndef \"x\" (\nreferences = @" + outside + "/layer.usda@</secret>\n) {\n}\n", "outside the workspace"},
		{"a glTF's buffer", "i.gltf", `{"asset":{"version":"2.0"},"buffers":[{"byteLength":8,"uri":"../../` + outside + `/secret.png"}]}`, ""},
		{"a glTF's picture", "j.gltf", `{"asset":{"version":"2.0"},"images":[{"uri":"` + secret + `"}]}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, c, map[string]string{tt.file: tt.text, "a.mtl": "newmtl m\nmap_Kd " + secret + "\n"})
			for _, to := range []string{"glb", "usdz"} {
				refuse(t, c, map[string]any{"src": tt.file, "dest": "out." + to, "config": map[string]any{"allow_missing_textures": true}}, tt.want)
			}
		})
	}
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	c := real(t)
	write(t, c, map[string]string{
		"a.obj": "mtllib a.mtl\nusemtl m\n" + triangle, "a.mtl": "newmtl m\nmap_Kd wood.png\n",
		"b.obj":  "mtllib none.mtl\n" + triangle,
		"c.usda": "#usda 1.0\ndef \"x\" (\nreferences = @./none.usda@</x>\n) {\n}\n" + "def Mesh \"m\" {\n" + `point3f[] points = [(0,0,0),(1,0,0),(0,1,0)]` + "\nint[] faceVertexCounts = [3]\nint[] faceVertexIndices = [0,1,2]\n}\n",
	})
	refuse(t, c, map[string]any{"src": "a.obj", "dest": "out.glb"}, "texture 'wood.png' is not there")
	refuse(t, c, map[string]any{"src": "b.obj", "dest": "out.glb"}, `its materials are in "none.mtl", which is not there`)
	refuse(t, c, map[string]any{"src": "c.usda", "dest": "out.glb"}, "none.usda")
	out := convert(t, c, map[string]any{"src": "a.obj", "dest": "out.glb", "config": map[string]any{"allow_missing_textures": true}})
	require.Equal(t, []any{"texture 'wood.png' is not there: its material goes without"}, out["warnings"])
	require.EqualValues(t, 0, out["textures"])
}

func TestWhatHoldsNothingIsRefused(t *testing.T) {
	c := real(t)
	write(t, c, map[string]string{
		"lines.obj": "v 0 0 0\nv 1 0 0\nl 1 2\n", "empty.stl": "solid x\nfacet\nendsolid x\n", "empty.usda": "#usda 1.0\n", "empty.dae": "<COLLADA/>",
		"none.zip": "PK\x05\x06" + strings.Repeat("\x00", 18), "empty.obj": "",
	})
	for file, want := range map[string]string{
		"lines.obj": "no triangle", "empty.stl": "", "empty.usda": "no triangle", "empty.dae": "", "none.zip": "no 3D file in the ZIP", "empty.obj": "no 3D file that is known",
	} {
		refuse(t, c, map[string]any{"src": file, "dest": "out.glb"}, want)
	}
	file := put(t, c, "FBX/transparentTest.fbx")
	refuse(t, c, map[string]any{"src": file, "dest": "out.glb"}, "it is no FBX: it begins like a binary one, and its header is damaged")
}

// pack is a ZIP.
func pack(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := z.Create(files[i])
		require.NoError(t, err)
		_, err = io.WriteString(f, files[i+1])
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.String()
}

func TestTheAssetInAZIPIsFound(t *testing.T) {
	c := real(t)
	stl, err := os.ReadFile(filepath.Join(models, "STL/Spider_binary.stl"))
	require.NoError(t, err)
	write(t, c, map[string]string{"a.zip": pack(t, "__MACOSX/._x.obj", "junk", "deep/chair.obj", "mtllib chair.mtl\n"+triangle, "deep/chair.mtl", "newmtl m\n", "part.stl", string(stl), "readme.txt", "hello")})
	out := convert(t, c, map[string]any{"src": "a.zip", "dest": "out/a"})
	require.Equal(t, "deep/chair.obj", out["asset"])
	require.Equal(t, "out/a.glb", out["dest"])
	require.EqualValues(t, 1, out["triangles"])
	out = convert(t, c, map[string]any{"src": "a.zip", "dest": "out/b", "format": "gltf", "extension": "stl"})
	require.Equal(t, "stl", out["from"])
	require.Equal(t, "out/b.gltf", out["dest"])
	out = convert(t, c, map[string]any{"src": "a.zip", "dest": "out/c.glb", "name": "PART"})
	require.Equal(t, "part.stl", out["asset"])
	write(t, c, map[string]string{"windows.zip": pack(t, `deep\chair.obj`, "mtllib chair.mtl\n"+triangle, `deep\chair.mtl`, "newmtl m\n")})
	out = convert(t, c, map[string]any{"src": "windows.zip", "dest": "out/w.glb"})
	require.Equal(t, "deep/chair.obj", out["asset"])
	refuse(t, c, map[string]any{"src": "a.zip", "dest": "no.glb", "extension": []any{"fbx", "dae"}}, "no file with extension fbx or dae in the ZIP")
}

func TestAZIPThatTricksIsRefused(t *testing.T) {
	c := real(t)
	lie := []byte(pack(t, "a.obj", triangle, "b.txt", strings.Repeat("x", 1<<16)))
	binary.LittleEndian.PutUint32(lie[bytes.LastIndex(lie, []byte("PK\x01\x02"))+24:], 0xfffffff0)
	for _, tt := range []struct{ name, text, want string }{
		{"a path out", pack(t, "a.obj", triangle, "../../evil.txt", "x"), "is no file below it"},
		{"a full path", pack(t, "a.obj", triangle, "/etc/evil", "x"), "is no file below it"},
		{"a name twice", pack(t, "a.obj", triangle, "a.obj", "x"), "twice"},
		{"a file in a file", pack(t, "a.obj", triangle, "a.obj/b", "x"), ""},
		{"a ZIP in a ZIP", pack(t, "a.obj", pack(t, "b.obj", triangle)), "is a ZIP again"},
		{"a bomb", string(lie), ""},
		{"names without end", pack(t, slices.Repeat([]string{strings.Repeat("x", 60_000), ""}, 100)...), "the names in the ZIP take more than the 4 MiB that are read"},
		{"a torn one", pack(t, "a.obj", triangle)[:40], "is none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, c, map[string]string{"z.zip": tt.text})
			refuse(t, c, map[string]any{"src": "z.zip", "dest": "out.glb"}, tt.want)
		})
	}
}

func TestCADNeedsAConverterWhichCanBePluggedIn(t *testing.T) {
	c := real(t)
	write(t, c, map[string]string{"part.glb": "ISO-10303-21;\nHEADER;\n", "part.prt": "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more"})
	refuse(t, c, map[string]any{"src": "part.glb", "dest": "out.glb"}, "it is CAD (STEP), which needs a licensed converter")
	refuse(t, c, map[string]any{"src": "part.prt", "dest": "out.glb"}, "SolidWorks, Inventor, Revit or Solid Edge")

	program := filepath.Join(t.TempDir(), "convert")
	box := filepath.Join(models, "glTF2/BoxTextured-glTF-Binary/BoxTextured.glb")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n[ \"$1\" = --version ] && echo 1.2 && exit\ncp "+box+" \"$2\"\n"), 0o755))
	c.Tools.Override = func(name string) string {
		if name == "CAD converter" {
			return program
		}
		return ""
	}
	out := convert(t, c, map[string]any{"src": "part.glb", "dest": "out.glb"})
	require.Equal(t, "CAD converter", out["converter"])
	require.EqualValues(t, 12, out["triangles"])
}

func TestBlenderReadsWhatFBX2glTFCannot(t *testing.T) {
	c := real(t)
	program := filepath.Join(t.TempDir(), "FBX2glTF")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n[ \"$1\" = --version ] && echo FBX2glTF version 0.9.7 && exit\necho ERROR:: no >&2; exit 1\n"), 0o755))
	c.Tools.Override = func(name string) string {
		if name == tool.FBX2glTF().Name {
			return program
		}
		return ""
	}
	out := convert(t, c, map[string]any{"src": put(t, c, "FBX/phong_cube.fbx"), "dest": "out.glb", "config": map[string]any{"pbr-metallic-roughness": true}})
	require.Equal(t, "Blender", out["converter"])
	require.Contains(t, fmt.Sprint(out["warnings"]), "FBX2glTF could not do it, and Blender did")
}

func TestAToolThatIsMissingIsASentence(t *testing.T) {
	c := real(t)
	c.Tools, c.Blender = &tool.Set{Path: "/nowhere", Folder: t.TempDir()}, nil
	for file, name := range map[string]string{"OBJ/box.obj": "Blender", "FBX/box.fbx": "FBX2glTF", "3DS/fels.3ds": "assimp"} {
		refuse(t, c, map[string]any{"src": put(t, c, file), "dest": "out.glb"}, name+" is missing")
	}
	convert(t, c, map[string]any{"src": put(t, c, "PLY/cube.ply"), "dest": "out.glb"}) // the rest works
}

func TestWhatIsTooLargeIsRefusedBeforeItIsRead(t *testing.T) {
	c := real(t)
	sparse := func(name, head string, size int64) {
		write(t, c, map[string]string{name: head})
		require.NoError(t, os.Truncate(filepath.Join(c.Workspace.Real(), name), size))
	}
	many := int64(20_000_001)
	sparse("many.stl", strings.Repeat("\x00", 80)+string(binary.LittleEndian.AppendUint32(nil, uint32(many))), 84+50*many)
	sparse("large.glb", "glTF\x02\x00\x00\x00", 1<<30+1)
	write(t, c, map[string]string{"many.gltf": `{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}],"nodes":[` +
		strings.TrimSuffix(strings.Repeat(`{"mesh":0},`, 21), ",") + `],"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],"accessors":[{"componentType":5126,"count":3000000,"type":"VEC3","min":[0,0,0],"max":[0,0,0]}]}`})
	for file, want := range map[string]string{"many.stl": "may have 20000002 triangles", "large.glb": "it has 1024 MiB", "many.gltf": "it draws 21000000 triangles"} {
		began := time.Now()
		d, err := modules.Probe(t.Context(), assetconverter.Module, c, map[string]any{"src": file, "dest": "out.glb"})
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Permanent, fault.Of(err))
		require.Less(t, time.Since(began), 5*time.Second)
		_ = d
	}
	d, err := modules.Probe(t.Context(), assetconverter.Module, c, map[string]any{"src": put(t, c, spider()...), "dest": "out.glb"})
	require.NoError(t, err)
	require.Positive(t, d.Memory)
	require.Positive(t, d.Disk)
}

func TestAThingInAThingInAThingIsCounted(t *testing.T) {
	c := real(t)
	var points, corners strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&points, "(%d,%d,%d),", i%3, i/3, i%7)
		fmt.Fprintf(&corners, "%d,", i)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "#usda 1.0\ndef Xform \"p0\" {\ndef Mesh \"m\" {\npoint3f[] points = [%s]\nint[] faceVertexCounts = [%s]\nint[] faceVertexIndices = [%s]\n}\n}\n",
		points.String(), strings.Repeat("3,", 10_000), corners.String())
	for level := 1; level <= 4; level++ {
		fmt.Fprintf(&s, "def Xform \"p%d\" {\n", level)
		for i := range 7 {
			fmt.Fprintf(&s, "def Xform \"i%d\" (\ninstanceable = true\nreferences = </p%d>\n) {\n}\n", i, level-1)
		}
		s.WriteString("}\n")
	}
	write(t, c, map[string]string{"many.usda": s.String()})
	refuse(t, c, map[string]any{"src": "many.usda", "dest": "out.obj"}, "it draws more than 250000 objects or 20000000 triangles")
}

func TestWhatIsStoppedPublishesNothing(t *testing.T) {
	c := real(t)
	src := put(t, c, "glTF2/2CylinderEngine-glTF-Binary/2CylinderEngine.glb")
	for _, after := range []time.Duration{time.Millisecond, 200 * time.Millisecond, 800 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := assetconverter.Module.Run(ctx, c, map[string]any{"src": src, "dest": "out.usdz"})
		cancel()
		if err == nil {
			return // it was faster
		}
		left, err := c.Workspace.Glob("*out*")
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

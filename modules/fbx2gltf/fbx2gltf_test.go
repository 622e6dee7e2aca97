package fbx2gltf_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/fbx2gltf"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
)

// models is where Debian's assimp-testmodels lie.
const models = "/usr/share/assimp/models/FBX"

// real is a call that runs the real tools.
func real(t *testing.T) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()) // where runs keep their folders, so that what stays is seen
	c, r := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, moduletest.Tools(t)
	return c, r
}

// put copies a model into the workspace.
func put(t *testing.T, c *modules.Call, model, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(models, model))
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile(name, data))
}

func TestEveryFBXOfTheTestModelsIsConverted(t *testing.T) {
	triangles := map[string]int64{
		"animation_with_skeleton.fbx": 2112, "box.fbx": 12, "boxWithCompressedCTypeArray.FBX": 12, "boxWithUncompressedCTypeArray.FBX": 12,
		"box_orphant_embedded_texture.fbx": 12, "close_to_identity_transforms.fbx": 420, "cubes_nonames.fbx": 420,
		"cubes_with_mirroring_and_pivot.fbx": 420, "cubes_with_names.fbx": 420, "cubes_with_outofrange_float.fbx": 420,
		"embedded_ascii/box.FBX": 12, "embedded_ascii/box_embedded_texture_fragmented.fbx": 12, "global_settings.fbx": 1352, "huesitos.fbx": 120,
		"maxPbrMaterial_metalRough.fbx": 12, "maxPbrMaterial_specGloss.fbx": 12, "phong_cube.fbx": 12, "spider.fbx": 1368,
	}
	warned := map[string]int{"maxPbrMaterial_metalRough.fbx": 7, "maxPbrMaterial_specGloss.fbx": 7, "spider.fbx": 4}
	c, _ := real(t)
	seen := 0
	err := filepath.WalkDir(models, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		model, _ := filepath.Rel(models, path)
		if d.IsDir() || !strings.EqualFold(filepath.Ext(path), ".fbx") || model == "transparentTest.fbx" {
			return nil
		}
		seen++
		put(t, c, model, "in/"+model)
		out, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{
			"src": "in/" + model, "dest": "out/" + model + ".glb", "config": map[string]any{"pbr-metallic-roughness": true},
		})
		require.NoError(t, err, model)
		require.Equal(t, triangles[model], out["triangles"], model)
		if model != "box_orphant_embedded_texture.fbx" {
			require.Len(t, out["warnings"], warned[model], model)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 18, seen)
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
	beside, err := c.Workspace.Glob("in/*.fbm")
	require.NoError(t, err)
	require.Empty(t, beside, "what the files hold is not unpacked beside them")

	put(t, c, "transparentTest.fbx", "bad.fbx")
	_, err = fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "bad.fbx", "dest": "bad.glb"})
	require.EqualError(t, err, "read bad.fbx: it is no FBX: it begins like a binary one, and its header is damaged")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestTexturesOfAnotherMachineAreFoundBesideTheFBX(t *testing.T) {
	for _, folder := range []string{"in", "in/textures"} {
		c, _ := real(t)
		put(t, c, "spider.fbx", "in/spider.fbx")
		for _, name := range []string{"SpiderTex.jpg", "drkwood2.jpg", "engineflare1.jpg", "wal67ar_small.jpg"} {
			put(t, c, "../OBJ/"+name, folder+"/"+name)
		}
		out, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "in/spider.fbx", "dest": "spider.glb"})
		require.NoError(t, err)
		require.Empty(t, out["warnings"])
		require.EqualValues(t, 4, out["textures"])
	}
}

func TestAGLTFIsWrittenWithItsTexturesBesideIt(t *testing.T) {
	c, r := real(t)
	put(t, c, "embedded_ascii/box.FBX", "model.upload")
	out, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{
		"src": "model.upload", "dest": "out/box.gltf", "config": map[string]any{"verbose": true, "flip_v": true, "binary": true},
	})
	require.NoError(t, err, "what is an FBX is told by what it holds")
	require.Equal(t, []any{"config.binary changes nothing: what is written is what dest says, out/box.gltf"}, out["warnings"])
	require.EqualValues(t, 1, out["textures"])
	require.Contains(t, r.Stdout.String(), "Building render model")
	all, err := c.Workspace.Glob("out/*")
	require.NoError(t, err)
	require.Equal(t, []string{"out/box.gltf", "out/uv_test.png"}, all)

	put(t, c, "animation_with_skeleton.fbx", "man.fbx")
	_, err = fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "man.fbx", "dest": "out/man.gltf"})
	require.NoError(t, err, "the root of its skeleton is mended")
}

func TestWithoutAnExtensionItIsAGLB(t *testing.T) {
	c, _ := real(t)
	put(t, c, "box.fbx", "-v.fbx")
	out, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "-v.fbx", "dest": "box", "config": map[string]any{"draco": true, "draco-compression-level": 5}})
	require.NoError(t, err)
	require.Equal(t, "box.glb", out["dest"])
	data, err := c.Workspace.ReadFile("box.glb")
	require.NoError(t, err)
	require.Contains(t, string(data), "KHR_draco_mesh_compression")
}

func TestEveryKeyWorksOrIsNamed(t *testing.T) {
	c, r := moduletest.Call(t)
	put(t, c, "box.fbx", "box.fbx")
	_, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "box.fbx", "dest": "a.glb", "config": map[string]any{
		"pbr-metallic-roughness": true, "k": []any{"position", "normal"}, "anim_framerate": "bake30", "verbose": true, "binary": true, "khr-materials-unlit": false,
	}})
	require.ErrorContains(t, err, "FBX2glTF wrote nothing") // the recorder writes no file
	args := r.Cmds()[0].Args
	require.Equal(t, []string{"--binary", "--anim-framerate", "bake30", "--keep-attribute", "position", "normal", "--pbr-metallic-roughness", "--input"}, args[3:11])
	require.Equal(t, c.Workspace.Real()+"/box.fbx", args[11])

	c, _ = real(t)
	put(t, c, "box.fbx", "box.fbx")
	out, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "box.fbx", "dest": "a.glb", "config": map[string]any{
		"pbr-metalic-roughness": true, "embed": true, "output": "/etc/x", "binary": false,
	}})
	require.NoError(t, err)
	require.Equal(t, []any{
		"config.binary changes nothing: what is written is what dest says, a.glb",
		"config.embed changes nothing: what is written has its geometry in itself",
		"config.output changes nothing: what is read and written is said by src and dest",
		"config.pbr-metalic-roughness changes nothing: FBX2glTF has no such option; did you mean pbr-metallic-roughness?",
	}, out["warnings"])
}

// textured is box.FBX, which is text, with its texture at another path.
func textured(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(models + "/embedded_ascii/box_embedded_texture_fragmented.fbx")
	require.NoError(t, err)
	i, j := bytes.Index(data, []byte("\t\tContent: ,")), 0
	require.Positive(t, i)
	j = i + bytes.Index(data[i:], []byte("\n\t}"))
	data = append(bytes.Clone(data[:i]), data[j+1:]...)
	for _, key := range []string{"FileName: ", "Filename: ", "RelativeFilename: "} {
		lines := bytes.Split(data, []byte("\n"))
		for n, line := range lines {
			if bytes.Contains(line, []byte(key)) && bytes.Contains(line, []byte("paper")) {
				lines[n] = append(line[:bytes.Index(line, []byte(key))+len(key):bytes.Index(line, []byte(key))+len(key)], `"`+path+`"`...)
			}
		}
		data = bytes.Join(lines, []byte("\n"))
	}
	return data
}

func TestATextureOfSomebodyElseIsNotTaken(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.png")
	require.NoError(t, os.WriteFile(secret, []byte("\x89PNG\r\n\x1a\nMILLSTONE-SECRET"), 0o600))
	c, _ := real(t)
	require.NoError(t, c.Workspace.WriteFile("in/a.fbx", textured(t, secret)))
	_, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "in/a.fbx", "dest": "a.glb"})
	require.ErrorContains(t, err, "convert in/a.fbx: it names a texture outside the workspace: path \""+secret+"\" is outside the workspace")
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = c.Workspace.Stat("a.glb")
	require.Error(t, err)

	link, err := c.Workspace.Path("in/link.png")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(secret, link))
	require.NoError(t, c.Workspace.WriteFile("in/a.fbx", textured(t, "link.png")))
	_, err = fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "in/a.fbx", "dest": "a.glb"})
	require.ErrorContains(t, err, "outside the workspace")
}

func TestWhatIsNoFBXIsRefused(t *testing.T) {
	model, err := os.ReadFile(models + "/phong_cube.fbx")
	require.NoError(t, err)
	lying := bytes.Clone(model)
	binary.LittleEndian.PutUint32(lying[27:], 1<<31)
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "it begins neither like a binary nor like an ASCII one"},
		{"a script", []byte("#!/bin/sh\necho FBX\n"), "it begins neither"},
		{"an OBJ", []byte("# OBJ\nv 0 0 0\n"), "it begins neither"},
		{"a torn header", model[:24], "it ends in its header"},
		{"a torn file", model[:9000], "lies about where it ends"},
		{"a node that ends elsewhere", lying, "the node at byte 27 lies about where it ends"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := moduletest.Call(t)
			require.NoError(t, c.Workspace.WriteFile("a.fbx", tt.data))
			_, err := fbx2gltf.Module.Run(t.Context(), c, map[string]any{"src": "a.fbx", "dest": "a.glb"})
			require.ErrorContains(t, err, "read a.fbx: it is no FBX: ")
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			require.Empty(t, r.Cmds())
		})
	}
}

// node is one node of a binary FBX at an offset, with an array of n integers that is packed in no bytes.
func node(at int, name string, n uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(at+13+len(name)+13))
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(b, 13)
	b = append(append(b, byte(len(name))), name...)
	b = binary.LittleEndian.AppendUint32(append(b, 'i'), n)
	return binary.LittleEndian.AppendUint64(b, 1)
}

func TestABombIsRefusedBeforeItIsUnpacked(t *testing.T) {
	for _, tt := range []struct {
		name string
		node string
		n    uint32
		want string
	}{
		{"a billion triangles", "PolygonVertexIndex", 1 << 29, "its polygons have 536870912 corners, more than the 314572800 that are read"},
		{"arrays of many gigabytes", "Vertices", 1<<32 - 1, "its arrays have 16383 MiB when they are unpacked, more than the 4096 that are read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			head := append([]byte("Kaydara FBX Binary  \x00\x1a\x00"), 0xe8, 0x1c, 0, 0) // version 7400
			c, _ := moduletest.Call(t)
			require.NoError(t, c.Workspace.WriteFile("a.fbx", append(head, node(len(head), tt.node, tt.n)...)))
			_, err := modules.Probe(t.Context(), fbx2gltf.Module, c, map[string]any{"src": "a.fbx", "dest": "a.glb"})
			require.EqualError(t, err, "read a.fbx: "+tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
	c, _ := moduletest.Call(t)
	put(t, c, "spider.fbx", "spider.fbx")
	w, err := modules.Probe(t.Context(), fbx2gltf.Module, c, map[string]any{"src": "spider.fbx", "dest": "a.glb"})
	require.NoError(t, err)
	require.EqualValues(t, 123_292, w.Input)
	require.Greater(t, w.Disk, w.Input)
	path, err := c.Workspace.Path("spider.fbx")
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 1<<31))
	_, err = modules.Probe(t.Context(), fbx2gltf.Module, c, map[string]any{"src": "spider.fbx", "dest": "a.glb"})
	require.ErrorContains(t, err, "it has 2048 MiB, more than the 1024 that are read")
}

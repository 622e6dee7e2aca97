package launch_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// What another job's files hold, as tools write it again: bytes that they copy, the colour of its picture, a number.
const (
	secretText   = "MILLSTONE-SECRET"
	secretColour = "\x12\x34\x56\x12\x34\x56\x12\x34\x56"
	secretNumber = 0.123
	secretSound  = "of secret.aac" // stands for some bytes of it: frames are copied
)

// number is secretNumber as vertices hold it.
func number() string {
	return string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(secretNumber)))
}

// A leak is a job's file that names another job's. OTHER stands for the other's folder, UP for the way there from the
// workspace.
type leak struct {
	name   string
	tool   tool.Tool
	args   []string
	files  map[string]string // of the job
	links  map[string]string // symbolic ones, of the job
	secret string            // what is in the outputs, if it leaks
}

// leaks are the ways in which tools read files that their input names. Each one does, where nothing confines it.
func leaks() []leak {
	const (
		corners   = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n"
		reference = "#usda 1.0\n(\n defaultPrim = \"World\"\n)\ndef Xform \"World\"\n{\n def \"a\" (references = @WHERE/secret.usda@)\n {\n }\n}\n"
		texture   = "#usda 1.0\n(\n defaultPrim = \"m\"\n)\ndef Material \"m\"\n{\n def Shader \"t\"\n {\n  uniform token info:id = \"UsdUVTexture\"\n" +
			"  asset inputs:file = @OTHER/secret.png@\n }\n}\n"
		svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="32" height="32">` +
			`<image xlink:href="WHERE/secret.png" x="0" y="0" width="32" height="32"/></svg>`
	)
	at := func(text, where string) string { return strings.ReplaceAll(text, "WHERE", where) }
	blender, usd := []string{"-I", "-c", blenderScript}, []string{"-I", "-c"}
	chromium := []string{"--no-sandbox", "--disable-gpu", "--window-size=64,64", "--screenshot=out.png"}
	ffmpeg := []string{"-v", "error", "-protocol_whitelist", "file,crypto,data"}
	return []leak{
		{"OBJ, a texture, Blender", tool.Blender(), append(blender, "a.obj", "out.glb"), map[string]string{"a.obj": "mtllib a.mtl\n" + corners, "a.mtl": "newmtl m\nmap_Kd OTHER/secret.png\n"}, nil, secretText},
		{"OBJ, a library of materials, assimp", tool.Assimp(), []string{"export", "a.obj", "out.glb"}, map[string]string{"a.obj": "mtllib UP/secret.mtl\n" + corners}, nil, "0.1230"},
		{"glTF, an absolute buffer, Blender", tool.Blender(), append(blender, "a.gltf", "out.glb"), map[string]string{"a.gltf": gltf("OTHER")}, nil, number()},
		{"glTF, an absolute buffer, assimp", tool.Assimp(), []string{"export", "a.gltf", "out.glb"}, map[string]string{"a.gltf": gltf("OTHER")}, nil, number()},
		{"glTF, a relative buffer, assimp", tool.Assimp(), []string{"export", "a.gltf", "out.glb"}, map[string]string{"a.gltf": gltf("UP")}, nil, number()},
		{"glTF, a relative buffer, glTF-Validator", tool.GLTFValidator(), []string{"a.gltf", "out.json"}, map[string]string{"a.gltf": gltf("UP")}, nil, "0.1230"},
		{"a link, FBX2glTF", tool.FBX2glTF(), []string{"--binary", "-i", "a.fbx", "-o", "out"}, nil, map[string]string{"a.fbx": "OTHER/secret.fbx"}, `"generator": "FBX2glTF`},
		{"USD, an absolute reference, OpenUSD", tool.OpenUSD(), append(usd, flattenScript, "a.usda", "out.usda"), map[string]string{"a.usda": at(reference, "OTHER")}, nil, "0.123"},
		{"USD, a relative reference, OpenUSD", tool.OpenUSD(), append(usd, flattenScript, "a.usda", "out.usda"), map[string]string{"a.usda": at(reference, "UP")}, nil, "0.123"},
		{"USD, a reference, Blender", tool.Blender(), append(blender, "a.usda", "out.glb"), map[string]string{"a.usda": at(reference, "OTHER")}, nil, number()},
		{"USD, a texture in a package, OpenUSD", tool.OpenUSD(), append(usd, packScript, "a.usda", "out.usdz"), map[string]string{"a.usda": texture}, nil, secretText},
		{"a drawing, ImageMagick", tool.ImageMagick(), []string{"mvg:a.mvg", "-depth", "8", "out.ppm"}, map[string]string{"a.mvg": "viewbox 0 0 32 32\nimage over 0,0 32,32 'OTHER/secret.png'\n"}, nil, secretColour},
		{"a link, ImageMagick", tool.ImageMagick(), []string{"a.png", "-depth", "8", "out.ppm"}, nil, map[string]string{"a.png": "UP/secret.png"}, secretColour},
		{"a playlist, FFmpeg", tool.FFmpeg(), append(ffmpeg, "-f", "concat", "-safe", "0", "-i", "a.txt", "-pix_fmt", "rgb24", "out.raw.rgb"), map[string]string{"a.txt": "ffconcat version 1.0\nfile 'OTHER/secret.png'\n"}, nil, secretColour},
		{"an HLS playlist, FFmpeg", tool.FFmpeg(), append(ffmpeg, "-i", "a.m3u8", "-map", "0", "-c", "copy", "-f", "data", "out.bin"), map[string]string{"a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://OTHER/secret.aac\n#EXT-X-ENDLIST\n"}, nil, secretSound},
		{"a link, FFmpeg", tool.FFmpeg(), append(ffmpeg, "-i", "a.png", "-pix_fmt", "rgb24", "-f", "rawvideo", "out.rgb"), nil, map[string]string{"a.png": "OTHER/secret.png"}, secretColour},
		{"HTML, Chromium", tool.Chromium(), append(chromium, "file://HERE/a.html"), map[string]string{"a.html": `<body style="margin:0"><img src="file://OTHER/secret.png" width="64" height="64">`}, nil, secretColour},
		{"SVG, a file URL, Chromium", tool.Chromium(), append(chromium, "file://HERE/a.svg"), map[string]string{"a.svg": at(svg, "file://OTHER")}, nil, secretColour},
		{"SVG, a relative path, Chromium", tool.Chromium(), append(chromium, "file://HERE/a.svg"), map[string]string{"a.svg": at(svg, "UP")}, nil, secretColour},
	}
}

const (
	blenderScript = `
import bpy, sys
src, dst = sys.argv[1:3]
read = {"obj": bpy.ops.wm.obj_import, "gltf": bpy.ops.import_scene.gltf, "usda": bpy.ops.wm.usd_import}
bpy.ops.wm.read_factory_settings(use_empty=True)
read[src.rsplit(".", 1)[-1]](filepath=src)
bpy.ops.export_scene.gltf(filepath=dst)
`
	flattenScript = `
import sys
from pxr import Usd
Usd.Stage.Open(sys.argv[1]).Export(sys.argv[2])
`
	packScript = `
import sys
from pxr import UsdUtils
UsdUtils.CreateNewUsdzPackage(sys.argv[1], sys.argv[2])
`
	// The validator reads what the host of its script reads for it; it tells what numbers it found.
	validatorScript = `
const [validator, src, dst] = process.argv.slice(1), fs = require("fs"), path = require("path");
require(validator).validateBytes(new Uint8Array(fs.readFileSync(src)), {
  externalResourceFunction: async (uri) => new Uint8Array(fs.readFileSync(path.resolve(path.dirname(src), uri))),
}).then((report) => fs.writeFileSync(dst, JSON.stringify(report)));
`
)

// gltf is a triangle whose vertices are another file's, and whose stated bounds are not theirs.
func gltf(where string) string {
	return `{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],` +
		`"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],` +
		`"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,1]}],` +
		`"bufferViews":[{"buffer":0,"byteLength":36}],"buffers":[{"uri":"` + where + `/secret.bin","byteLength":36}]}`
}

// another is the folder of another job, with its secrets.
func another(t *testing.T, dir string) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:], "\x12\x34\x56\xff")
	}
	var picture, vertices bytes.Buffer
	require.NoError(t, png.Encode(&picture, m))
	require.NoError(t, binary.Write(&vertices, binary.LittleEndian, []float32{secretNumber, 0, 0, 0, 0.5, 0, 0, 0, 0}))
	model, err := os.ReadFile("/usr/share/assimp/models/FBX/box.fbx")
	require.NoError(t, err)
	for name, text := range map[string]string{
		"secret.fbx":  string(model),
		"secret.png":  commented(picture.Bytes()),
		"secret.mtl":  "newmtl m\nKd 0.123 0.456 0.789\n",
		"secret.bin":  vertices.String(),
		"secret.usda": "#usda 1.0\n(\n defaultPrim = \"m\"\n)\ndef Mesh \"m\"\n{\n int[] faceVertexCounts = [3]\n int[] faceVertexIndices = [0, 1, 2]\n point3f[] points = [(0.123, 0, 0), (4, 0, 0), (0, 8, 0)]\n}\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}

// commented puts secretText into a PNG, behind its header.
func commented(b []byte) string {
	chunk := append([]byte("tEXtComment\x00"), secretText...)
	all := binary.BigEndian.AppendUint32(bytes.Clone(b[:33]), uint32(len(chunk)-4))
	all = binary.BigEndian.AppendUint32(append(all, chunk...), crc32.ChecksumIEEE(chunk))
	return string(append(all, b[33:]...))
}

// runTool is what behave does for jobs that run a program: the confinement that it is under is the child's.
func runTool(ctx context.Context, dir launch.Dir, state map[string]any, run *engine.Run) {
	for name, text := range state["files"].(map[string]any) {
		if err := os.WriteFile(filepath.Join(dir.Workspace(), name), []byte(text.(string)), 0o600); err != nil {
			run.Result["said"] = err.Error()
			return
		}
	}
	for name, to := range state["links"].(map[string]any) {
		path := filepath.Join(dir.Workspace(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.Symlink(to.(string), path)); err != nil {
			run.Result["said"] = err.Error()
			return
		}
	}
	var args []string
	for _, a := range state["args"].([]any) {
		args = append(args, strings.ReplaceAll(a.(string), "HERE", dir.Workspace()))
	}
	var said bytes.Buffer
	l := &proc.Local{Scoped: true}
	exit, err := l.Run(ctx, proc.Cmd{
		Path: state["program"].(string), Args: args, Dir: dir.Workspace(), Stdout: &said, Stderr: &said,
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir.Home(), "TMPDIR=" + dir.Temp(), "LANG=C.UTF-8"},
	})
	if err != nil {
		run.Status, run.Failure = engine.Failed, engine.Fail(ctx, "it", err)
		return
	}
	run.Result["exit"], run.Result["said"] = exit.Code, said.String()
}

func TestNoToolReadsWhatAnotherJobHas(t *testing.T) {
	base := t.TempDir()
	other := filepath.Join(base, "other")
	require.NoError(t, os.Mkdir(other, 0o755))
	another(t, other)
	tools := moduletest.Tools(t)
	ffmpeg, err := tools.Find(t.Context(), tool.FFmpeg())
	require.NoError(t, err)
	song := filepath.Join(other, "secret.aac")
	out, err := exec.CommandContext(t.Context(), ffmpeg.Path, "-v", "error", "-f", "lavfi", "-i", "anoisesrc=d=1", "-c:a", "aac", song).CombinedOutput()
	require.NoError(t, err, "%s", out)
	sound, err := os.ReadFile(song)
	require.NoError(t, err)
	// In the middle of a frame, whose header begins with twelve ones.
	frame := len(sound)/2 + bytes.Index(sound[len(sound)/2:], []byte{0xff, 0xf1})
	part := string(sound[frame+32 : frame+64])

	for _, mode := range []struct {
		name  string
		setup launch.Setup
		leaks bool
	}{
		{"where nothing confines it, it does", launch.Setup{}, true},
		{"confined it does not", launch.Setup{Confine: true, Read: []string{tools.Folder}}, false},
	} {
		t.Run(mode.name, func(t *testing.T) {
			root := filepath.Join(base, "run")
			require.NoError(t, os.MkdirAll(root, 0o755))
			pool := newPool(t, func(c *launch.Config) { c.Root, c.Setup, c.Slots = root, mode.setup, 2 })
			for _, l := range leaks() {
				t.Run(l.name, func(t *testing.T) {
					t.Parallel()
					if l.secret == secretSound {
						l.secret = part
					}
					require.Equal(t, mode.leaks, l.shows(t, pool, tools, other))
				})
			}
		})
	}
}

// shows runs the tool in a job and says whether its outputs hold the secret.
func (l leak) shows(t *testing.T, pool *launch.Pool, tools *tool.Set, other string) bool {
	t.Helper()
	found, err := tools.Find(t.Context(), l.tool)
	require.NoError(t, err)
	program, args := found.Command()
	if l.tool.Runner != nil { // a script of ours loads it
		args = append([]string{"-e", validatorScript}, args...)
	}
	req := request("tool", "")
	state, place := req.Job.State, strings.NewReplacer("OTHER", other, "UP", "../../../other").Replace
	state["program"], state["args"] = program, append(args, l.args...)
	state["files"], state["links"] = placed(l.files, place), placed(l.links, place)
	out, err := pool.Launch(t.Context(), req, new(lines))
	require.NoError(t, err)
	defer out.Close()
	require.Equal(t, engine.Succeeded, out.Run.Status, "%+v", out.Run.Failure)
	t.Logf("exit code %v: %.300s", out.Run.Result["exit"], out.Run.Result["said"])
	all := out.Run.Result["said"].(string)
	require.NoError(t, filepath.WalkDir(out.Workspace, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || l.files[d.Name()] != "" {
			return err
		}
		b, err := os.ReadFile(path)
		all += string(pixels(b))
		return err
	}))
	return strings.Contains(all, l.secret)
}

func placed(files map[string]string, place func(string) string) map[string]string {
	all := map[string]string{}
	for name, text := range files {
		all[name] = place(text)
	}
	return all
}

// pixels are a file, and behind it those of the PNG that it is or holds.
func pixels(b []byte) []byte {
	at := max(0, bytes.Index(b, []byte("\x89PNG")))
	m, err := png.Decode(bytes.NewReader(b[at:]))
	if err != nil {
		return b
	}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			b = append(b, c.R, c.G, c.B)
		}
	}
	return b
}

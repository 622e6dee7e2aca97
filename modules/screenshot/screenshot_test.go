package screenshot_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gear"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/screenshot"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/workspace"
)

const tetrahedron = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"

func call(t *testing.T) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	c.Tools = &tool.Set{Override: func(string) string { return "/nowhere" }} // no Chromium: raster draws
	require.NoError(t, c.Workspace.WriteFile("part.obj", []byte(tetrahedron)))
	return c
}

func decode(t *testing.T, c *modules.Call, name string, decode func(io.Reader) (image.Image, error)) image.Image {
	t.Helper()
	f, err := c.Workspace.Open(name)
	require.NoError(t, err)
	defer f.Close()
	img, err := decode(f)
	require.NoError(t, err)
	return img
}

func TestConformance(t *testing.T) { moduletest.Conform(t, screenshot.Module) }

func TestAPictureOfAnSTLIsDrawn(t *testing.T) {
	c := call(t)
	f, err := c.Workspace.Create("gear.STL")
	require.NoError(t, err)
	triangles, err := gear.STL(f, gear.Options{Teeth: 18})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
		"src": "gear.STL", "dest": "shots/gear.png", "config": map[string]any{"width": 160, "height": 120},
	})
	require.NoError(t, err)
	require.Equal(t, image.Pt(160, 120), decode(t, c, "shots/gear.png", png.Decode).Bounds().Size())
	require.Equal(t, []any{"shots/gear.png"}, out["images"])
	require.Equal(t, map[string]any{"root": "", "dir": "shots", "base": "gear.model.json", "ext": ".json", "name": "gear.model"}, out["json"])
	text, err := c.Workspace.ReadFile("shots/gear.model.json")
	require.NoError(t, err)
	var dump struct {
		Triangles int
		Min, Max  []float64
	}
	require.NoError(t, json.Unmarshal(text, &dump))
	require.Equal(t, triangles, dump.Triangles)
	require.Greater(t, dump.Max[0], dump.Min[0])
	require.Equal(t, "raster", out["renderer"])
	require.EqualValues(t, 160, out["width"])
	require.NotEqual(t, "0", out["size"])
	require.Positive(t, out["stats"].(map[string]any)["maxmem"])
}

func TestArgsAreReadAsOnACommandLine(t *testing.T) {
	c := call(t)
	out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
		"src": "part.obj", "dest": "a.jpg", "config": map[string]any{"width": 10, "height": 20},
		"args": []any{"-w 30", "--height=40", "--background", "#102030", "--poster", "--verbose", "-r 2", "-c", "--renderer raster"},
	})
	require.NoError(t, err)
	img := decode(t, c, "a.jpg", jpeg.Decode)
	require.Equal(t, image.Pt(30, 40), img.Bounds().Size())
	r, g, b, _ := img.At(0, 0).RGBA()
	require.InDeltaSlice(t, []float64{0x10, 0x20, 0x30}, []float64{float64(r >> 8), float64(g >> 8), float64(b >> 8)}, 4)
	require.Equal(t, []any{
		"option -r was not used; nothing is known of what it means", "option -c was not used; nothing is known of what it means",
	}, out["warnings"])
}

// A producer's gateway writes null, and two quotes, where it has no background to give.
func TestABackgroundThatIsNoneIsNotGiven(t *testing.T) {
	for _, none := range []string{"null", `""`} {
		c := call(t)
		_, err := screenshot.Module.Run(t.Context(), c, map[string]any{
			"src": "part.obj", "dest": "a.png", "viewerConfig": `{"background": "#102030"}`,
			"args": []any{"-w 8", "-h 8", "--renderer raster", "--background", none},
		})
		require.NoError(t, err)
		r, g, b, a := decode(t, c, "a.png", png.Decode).At(0, 0).RGBA()
		require.Equal(t, []uint32{0x10, 0x20, 0x30, 0xff}, []uint32{r >> 8, g >> 8, b >> 8, a >> 8}, "the viewer's stands")
	}
}

func TestSeveralAnglesAreNumbered(t *testing.T) {
	for _, tt := range []struct {
		name, dest string
		angles     []any
		want       []any
		dump       string
	}{
		{"behind the name", "out.png", []any{"--camera-angles front", "--camera-angles", "back"}, []any{"out_0.png", "out_1.png"}, "out"},
		{"where %d stands", "output_%d.jpg", []any{"--camera-angles turntable:3"}, []any{"output_0.jpg", "output_1.jpg", "output_2.jpg"}, "output"},
		{"in a folder", "shots/", []any{"--camera-angles top,bottom"}, []any{"shots/render_0.png", "shots/render_1.png"}, "shots/render"},
		{"in a folder without a slash", "shots", nil, []any{"shots/render_0.png"}, "shots/render"},
		{"in a folder that is there", "a.png", nil, []any{"a.png/render_0.png"}, "a.png/render"},
		{"one alone is not", "out.png", []any{"--camera-angles left"}, []any{"out.png"}, "out"},
		{"unless %d stands there", "out_%d.jpeg", nil, []any{"out_0.jpeg"}, "out"},
		{"without dest", "", nil, []any{"render.png"}, "render"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := call(t)
			require.NoError(t, c.Workspace.MkdirAll("a.png"))
			out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
				"src": "part.obj", "dest": tt.dest, "args": append([]any{"-w 8 -h 8"}, tt.angles...),
			})
			require.NoError(t, err)
			require.Equal(t, tt.want, out["images"])
			_, err = c.Workspace.Stat(tt.dump + ".model.json")
			require.NoError(t, err)
			for _, name := range tt.want {
				_, err := c.Workspace.Stat(name.(string))
				require.NoError(t, err)
			}
		})
	}
}

func TestWhatIsNotDoneIsRefusedForGood(t *testing.T) {
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"another model", map[string]any{"src": "a.fbx"}, "read a.fbx: it is fbx, and GLB, glTF, OBJ, STL and PLY are drawn; convert it first (AssetConverter)"},
		{"rubbish under a good name", map[string]any{"src": "bad.glb"}, "read bad.glb: it is none of GLB, glTF, OBJ, STL and PLY, which are drawn"},
		{"a model of nothing", map[string]any{"src": "empty.gltf"}, "it draws no triangle"},
		{"a picture's format", map[string]any{"dest": "a.webp"}, `prop "dest" is "a.webp", and pictures are .png or .jpg`},
		{"a GPU", map[string]any{"config": map[string]any{"use_gpu": true}}, "draw part.obj: Chromium is missing: "},
		{"a GPU for software", map[string]any{"config": map[string]any{"use_gpu": true}, "renderer": "raster"}, `prop "config.use_gpu" is true, and raster draws in software; take renderer three or cycles`},
		{"a renderer without its program", map[string]any{"renderer": "three"}, "draw part.obj: Chromium is missing: "},
		{"another renderer without its program", map[string]any{"renderer": "cycles"}, "draw part.obj: Blender is missing: "},
		{"a GPU that the task does not have", map[string]any{"renderer": "cycles", "config": map[string]any{"use_gpu": true}}, "draw part.obj: no GPU was leased for it; write gpu: required to the task"},
		{"fewer samples than none", map[string]any{"renderer": "cycles", "config": map[string]any{"samples": -1}}, `prop "config.samples" is -1, and must be more than nothing`},
		{"a renderer", map[string]any{"config": map[string]any{"renderer": "povray"}}, `the renderer is "povray"; write auto, three, cycles or raster`},
		{"settings that are none", map[string]any{"viewerConfig": "{"}, "the viewer's settings are no JSON: unexpected end of JSON input"},
		{"a light", map[string]any{"viewerConfig": map[string]any{"lights": []any{map[string]any{"type": "laser"}}}}, `the viewer's setting "lights": lamp 0: its type laser is neither directional nor ambient`},
		{"an exposure", map[string]any{"args": []any{`--viewer-config '{"exposure": -1}'`}}, `the viewer's setting "exposure": -1 is no number from 0 to 1000`},
		{"an orbit", map[string]any{"viewerConfig": `{"camera-orbit": "auto 1deg"}`}, `the viewer's setting "camera-orbit": "auto" is no angle, such as 32deg or 0.5rad`},
		{"an option", map[string]any{"args": []any{"-x 2"}}, `option "-x" is not known; there are -w, -h, --width, --height, --background, --camera-angles, --viewer-config, --renderer, --poster and --verbose`},
		{"an angle", map[string]any{"args": []any{"--camera-angles sideways"}}, `option --camera-angles is "sideways"; write front, back, left, right, top, bottom or turntable:N`},
		{"a long turntable", map[string]any{"args": []any{"--camera-angles turntable:1000"}}, `option --camera-angles is "turntable:1000", and turntable takes 1 to 360 pictures`},
		{"a colour", map[string]any{"args": []any{"--background #12"}}, `option --background is "#12"; write transparent, white, black, gray, #rgb, #rrggbb or #rrggbbaa`},
		{"a hole in a JPEG", map[string]any{"dest": "a.jpg", "args": []any{"--background transparent"}}, "option --background lets something through, which a JPEG can't; write a PNG or choose a solid colour"},
		{"a width", map[string]any{"args": []any{"-w wide"}}, `option -w is "wide", and must be a number of pixels`},
		{"no width", map[string]any{"args": []any{"-w"}}, "option -w needs a value"},
		{"a size", map[string]any{"config": map[string]any{"width": 100000}}, "a picture of 100000 x 1024 pixels can't be drawn; choose 1 to 8192 a side and at most 32 megapixels"},
		{"an open quote", map[string]any{"args": []any{"'"}}, `prop "args" can't be split into words`},
		{"a missing file", map[string]any{"src": "b.obj"}, "b.obj"},
		{"a folder", map[string]any{"src": "dir.obj"}, "read dir.obj: it is not a regular file"},
		{"no model", map[string]any{"src": "bad.obj"}, "read bad.obj: it is none of GLB, glTF, OBJ, STL and PLY, which are drawn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := call(t)
			require.NoError(t, c.Workspace.MkdirAll("dir.obj"))
			for name, text := range map[string]string{
				"bad.obj": "hello", "bad.glb": "hello", "a.fbx": "Kaydara FBX Binary  \x00", "empty.gltf": `{"asset": {"version": "2.0"}}`,
			} {
				require.NoError(t, c.Workspace.WriteFile(name, []byte(text)))
			}
			props := map[string]any{"src": "part.obj"}
			for key, v := range tt.props {
				props[key] = v
			}
			_, err := screenshot.Module.Run(t.Context(), c, props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			_, err = c.Workspace.Stat("render.png")
			require.Error(t, err, "nothing was written")
		})
	}
}

func TestAModelThatIsTooLargeIsRefusedBeforeItIsDrawn(t *testing.T) {
	const head = `{"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, 1, 2, 3, 4]}],
		"nodes": [{"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}, {"mesh": 0}], "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
		"accessors": [{"componentType": 5126, "type": "VEC3", "count": `
	for _, tt := range []struct{ name, text, want string }{
		{"triangles", head + `15000000}]}`, "read big.gltf: it draws 25000000 triangles, more than the 20000000 that are drawn"},
		{
			"texels of one picture", head + `3}], "images": [{"uri": "data:image/png;base64,` + pngOf(9000, 9000) + `"}]}`,
			"read big.gltf: it has a picture of 9000 x 9000 texels, more than the 64 million that are drawn",
		},
		{
			"texels of all", head + `3}], "images": [` + strings.Repeat(`{"uri": "data:image/png;base64,`+pngOf(8000, 8000)+`"},`, 8) +
				`{"uri": "data:image/png;base64,` + pngOf(8000, 8000) + `"}]}`,
			"read big.gltf: it has pictures of 549 million texels, more than the 512 that are drawn",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := call(t)
			require.NoError(t, c.Workspace.WriteFile("big.gltf", []byte(tt.text)))
			_, err := modules.Probe(t.Context(), screenshot.Module, c, map[string]any{"src": "big.gltf"})
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

// pngOf is the beginning of a PNG that says it is so large.
func pngOf(width, height uint32) string {
	text := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	text = binary.BigEndian.AppendUint32(text, width)
	text = binary.BigEndian.AppendUint32(text, height)
	text = append(text, 8, 6, 0, 0, 0)
	text = binary.BigEndian.AppendUint32(text, crc32.ChecksumIEEE(text[12:]))
	return base64.StdEncoding.EncodeToString(text)
}

func TestWhatIsNotUsedIsAWarning(t *testing.T) {
	c := call(t)
	require.NoError(t, c.Workspace.WriteFile("part.obj", []byte("usemtl red\n"+tetrahedron)))
	out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
		"src": "part.obj", "viewerConfig": `{"a": 1, "exposure": "0.8", "environmentImage": "https://example.com/a.hdr"}`,
		"config": map[string]any{"width": 8, "height": 8, "samples": 64},
	})
	require.NoError(t, err)
	warnings := out["warnings"].([]any)
	require.Contains(t, warnings[4], "raster drew, in software and at lower quality, since Chromium is missing: ")
	require.Equal(t, []any{
		`the viewer's setting "a" was not used; known are autoRotate, autoRotateSpeed, background, cameraOrbit, environment, environmentIntensity, exposure, lights and toneMapping`,
		`the viewer's setting "environmentImage" was not used; there are room and none, and a picture is not fetched`,
		"config.samples was not used; it counts a path tracer's samples (renderer: cycles), and three and raster have a number of their own",
		"the materials that part.obj names are not drawn; convert it to GLB first (AssetConverter)",
		warnings[4],
	}, warnings)
}

func TestATaskThatIsNotDoneInTimeSaysSo(t *testing.T) {
	_, err := screenshot.Module.Run(t.Context(), call(t), map[string]any{
		"src": "part.obj", "timeout": 1, "config": map[string]any{"width": 4096, "height": 4096},
	})
	require.ErrorContains(t, err, "part.obj: it was not done within its timeout of 1ms")
}

// A stopped is a context that is canceled by who looks at it, once a file is there.
type stopped struct {
	context.Context
	stop context.CancelFunc
	dir  *workspace.Dir
	name string
}

func (s stopped) Err() error {
	if _, err := s.dir.Stat(s.name); err == nil {
		s.stop()
	}
	return s.Context.Err()
}

func TestATaskThatIsStoppedAfterItsPictureIsDone(t *testing.T) {
	c := real(t, "hp-mixed-reality/left.glb")
	ctx, stop := context.WithCancel(t.Context())
	out, err := screenshot.Module.Run(stopped{ctx, stop, c.Workspace, "a.png"}, c, map[string]any{
		"src": "model.glb", "dest": "a.png", "renderer": "raster", "config": map[string]any{"width": 16, "height": 16},
	})
	require.NoError(t, err)
	require.Equal(t, []any{"a.png"}, out["images"])
}

func TestTheArgumentsWinOverTheViewersSettings(t *testing.T) {
	c := call(t)
	for _, tt := range []struct {
		name string
		args []any
		want color.NRGBA
	}{
		{"settings", nil, color.NRGBA{255, 0, 0, 255}},
		{"settings of args", []any{"--viewer-config", `'{"background": "#00ff00", "autoRotateSpeed": 3}'`}, color.NRGBA{0, 255, 0, 255}},
		{"a background", []any{"--background '#0000ff'", "--viewer-config", `'{"background": "#00ff00"}'`}, color.NRGBA{0, 0, 255, 255}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := screenshot.Module.Run(t.Context(), c, map[string]any{
				"src": "part.obj", "dest": "a.png", "renderer": "raster", "args": append(tt.args, "-w 16", "-h 16"), "viewerConfig": map[string]any{"background": "#ff0000"},
			})
			require.NoError(t, err)
			require.Equal(t, tt.want, color.NRGBAModel.Convert(decode(t, c, "a.png", png.Decode).At(0, 0)))
			require.Equal(t, tt.name == "settings of args", len(out["warnings"].([]any)) == 1, "%v", out["warnings"])
		})
	}
}

package renderer_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/renderer"
)

// hostile are texts that would be commands, if they were not taken as what they are.
func hostile() map[string]string {
	return map[string]string{
		"quotes":       `It's "quoted": a, b; c = 'd'`,
		"percent":      `100% %{pts} %{expr:1+1} %% ${HOME}`,
		"backslashes":  `C:\new\home \N \h \\ \{x\}`,
		"styles":       `{\an8}{\pos(0,0)}{\fs200}{\p1}m 0 0 l 100 0{\p0} {\alpha&HFF&}`,
		"filters":      `x',drawtext=textfile=/etc/passwd:text='y [out];movie=/etc/passwd`,
		"a script":     "one\nDialogue: 0,0:00:00.00,9:00:00.00,Caption,pwned\n[Fonts]\nfontname: x\r\nComment: two",
		"emoji":        "Hello 🙂 world 👨‍👩‍👧",
		"from right":   "שלום עולם, مرحبا بالعالم",
		"turned round": "abc \u202efed\u202c \u2066x",
		"controls":     "a\x00b\x1b[31mc\u0085d\u200b \xff\xfe",
	}
}

func TestCaptionsAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	source(t, c, "a.png", "-i", "color=gray:s=64x48", "-frames:v", "1")
	texts := hostile()
	names := slices.Sorted(maps.Keys(texts))
	var captions []any
	for i, name := range names {
		captions = append(captions, map[string]any{"text": texts[name], "start": i, "end": i + 1})
	}
	out, err := renderer.Module.Run(t.Context(), c, map[string]any{"slides": "a.png", "dest": "a.mp4", "width": 480, "height": 270, "fps": 2, "captions": captions, "background": "gray"})
	require.NoError(t, err)
	require.EqualValues(t, len(names), out["captions"])
	require.Len(t, out["warnings"], 1)
	require.Contains(t, out["warnings"].([]any)[0], "no font of this machine has ")
	require.Contains(t, out["warnings"].([]any)[0], "U+1F468")
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			img := frame(t, c, "a.mp4", float64(i)+0.5)
			require.Greater(t, white(img), 0.001)
			for y := range 150 {
				for x := range 480 {
					r, _, _, _ := img.At(x, y).RGBA()
					if max(r>>8, 0x80)-min(r>>8, 0x80) > 12 {
						t.Fatalf("something is drawn at %d, %d, above the captions", x, y)
					}
				}
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	source(t, c, "a.png", "-i", "testsrc=s=64x48", "-frames:v", "1")
	give(t, c, "box.glb", box)
	require.NoError(t, c.Workspace.WriteFile("list.wav", []byte("#EXTM3U\nhttp://169.254.169.254/\n")))
	require.NoError(t, c.Workspace.WriteFile("pic.svg", []byte("<svg/>")))
	require.NoError(t, c.Workspace.WriteFile("noise.png", []byte(strings.Repeat("\x9f\x01\xe4z", 600))))
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"nothing", map[string]any{}, "there is nothing to show; name a model (src) or pictures (slides)"},
		{"both", map[string]any{"src": "box.glb", "slides": "a.png"}, "a video shows a model or pictures"},
		{"no pictures", map[string]any{"slides": []any{}}, "the list is empty"},
		{"an odd width", map[string]any{"slides": "a.png", "width": 641}, `prop "width" is 641, and must be an even number of pixels, 16 to 4096`},
		{"no height", map[string]any{"slides": "a.png", "height": -2}, `prop "height" is -2`},
		{"too many a second", map[string]any{"slides": "a.png", "fps": 1000}, `prop "fps" is 1000, and must be 1 to 60`},
		{"backwards", map[string]any{"slides": "a.png", "duration": -1}, `prop "duration" must be a duration`},
		{"a day", map[string]any{"slides": "a.png", "duration": "24h"}, "must be at most 1h0m0s"},
		{"another format", map[string]any{"slides": "a.png", "dest": "a.avi"}, "videos are .mp4"},
		{"glass", map[string]any{"slides": "a.png", "background": "transparent"}, "a video lets nothing through"},
		{"a strange angle", map[string]any{"src": "box.glb", "angles": []any{"inside"}}, "write turntable, turntable:N, or front"},
		{"a turntable of none", map[string]any{"src": "box.glb", "angles": []any{"turntable:0"}}, "turntable takes 2 to 3600 pictures"},
		{"captions of numbers", map[string]any{"slides": "a.png", "captions": 7}, "write a text, or a list"},
		{"a caption of no time", map[string]any{"slides": "a.png", "captions": []any{map[string]any{"text": "x", "start": 2, "end": 1}}}, "must end after it starts"},
		{"a book", map[string]any{"slides": "a.png", "captions": strings.Repeat("word ", 20_000)}, "the video would be 2h13m20s long, and may be 1h0m0s"},
		{"a library", map[string]any{"slides": "a.png", "captions": strings.Repeat("word ", 40_000)}, "the text has 200000 bytes, and may have 131072"},
		{"more than fits", map[string]any{"slides": "a.png", "width": 4096, "height": 4096, "fps": 60, "duration": 3600}, "a video may have 274"},
		{"more than is drawn", map[string]any{"src": "box.glb", "duration": 1000}, "25000 pictures of 1280 x 720 pixels are more than are drawn of a model"},
		{"more slides than frames", map[string]any{"slides": []any{"a.png", "a.png", "a.png"}, "duration": 0.04}, "3 pictures do not fit into 1 frames"},
		{"no such slide", map[string]any{"slides": "none.png"}, `read none.png: there is no file "none.png"`},
		{"no slides", map[string]any{"slides": "none_*.png"}, "read none_*.png: there is no such picture"},
		{"a drawing", map[string]any{"slides": "pic.svg"}, "it is called a drawing"},
		{"noise", map[string]any{"slides": "noise.png"}, "read noise.png: there is no picture in it"},
		{"a playlist for sound", map[string]any{"slides": "a.png", "audio": "list.wav"}, "read list.wav: it is an HLS playlist"},
		{"a picture for sound", map[string]any{"slides": "a.png", "audio": "a.png"}, "read a.png: there is no sound in it"},
		{"a file of others", map[string]any{"slides": "/etc/passwd"}, "is outside the workspace"},
		{"to others", map[string]any{"slides": "a.png", "dest": "../a.mp4"}, "../a.mp4"},
		{"no model", map[string]any{"src": "a.png"}, "read a.png: it is none of GLB, glTF, OBJ, STL and PLY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := files(t, c)
			_, err := renderer.Module.Run(t.Context(), c, tt.props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			require.Equal(t, before, files(t, c))
		})
	}
}

func TestWhatChangesNothingIsSaid(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	source(t, c, "a.png", "-i", "testsrc=s=64x48", "-frames:v", "1")
	source(t, c, "black.png", "-i", "color=s=64x48", "-frames:v", "1")
	give(t, c, "box.glb", box)
	small := map[string]any{"width": 64, "height": 48, "fps": 5, "duration": 1, "seconds": 9}
	viewer := map[string]any{"cameraOrbit": "10deg 60deg", "autoRotate": true, "autoRotateSpeed": 4.0, "background": "#ff000080"}
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  []any
	}{
		{"a turn", map[string]any{"src": "box.glb", "renderer": "raster", "viewerConfig": viewer}, []any{
			`the viewer's setting "background" was not used; it lets something through, which a video can't`,
			`the viewer's setting "cameraOrbit" was not used; angles say how a model is seen`,
			`the viewer's setting "autoRotateSpeed" was not used; duration says how long a turn takes`,
			"seconds was not used; duration says how long the video is",
		}},
		{"slides", map[string]any{"slides": "a.png", "renderer": "cycles", "samples": 7, "viewerConfig": map[string]any{"exposure": 3.0, "autoRotate": true}}, []any{
			`the viewer's setting "autoRotate" was not used; a model turns where angles have a turntable`,
			"the viewer's light was not used; slides are shown as they are",
			"samples was not used; it counts those of cycles, and what draws here has a number of its own",
			"renderer was not used; slides are shown as they are",
			"seconds was not used; duration says how long the video is",
		}},
		{"captions", map[string]any{"slides": "black.png", "captions": []any{
			map[string]any{"text": strings.Repeat("word ", 200), "start": 0, "end": 0.7},
			map[string]any{"text": "between", "start": 0.71, "end": 0.75},
			map[string]any{"text": "after", "start": 0.95, "end": 3},
		}}, []any{
			"seconds was not used; duration says how long the video is",
			"the captions take 3.0 s, and the video ends after 1.0",
			"2 of 3 captions are not shown: they fall between two frames, or after the last",
			"a caption has more letters than the picture has room for (about 56), and is not seen whole; cut it into several",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			maps.Copy(tt.props, small)
			out, err := renderer.Module.Run(t.Context(), c, tt.props)
			require.NoError(t, err)
			require.Equal(t, tt.want, out["warnings"])
		})
	}
}

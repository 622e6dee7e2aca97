package renderer_test

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/renderer"
	"github.com/millrace/millrace/modules/tool"
)

const box = "/usr/share/assimp/models/glTF2/BoxTextured-glTF-Binary/BoxTextured.glb"

// real is a call that runs the real tools.
func real(t *testing.T) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	c, r := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, moduletest.Tools(t)
	return c, r
}

// give puts a file of this machine into the workspace.
func give(t *testing.T, c *modules.Call, name, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile(name, data))
}

// source makes a file in the workspace of what FFmpeg makes of nothing.
func source(t *testing.T, c *modules.Call, name string, args ...string) {
	t.Helper()
	path := filepath.Join(c.Workspace.Real(), name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	all := append([]string{"-nostdin", "-v", "error", "-y", "-f", "lavfi"}, args...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(all, path)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// frame is one of a video, decoded by FFmpeg. MILLRACE_PICTURES keeps it in that folder.
func frame(t *testing.T, c *modules.Call, video string, at float64) image.Image {
	t.Helper()
	name := filepath.Join(t.TempDir(), "frame.png")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-ss", fmt.Sprint(at), "-i", filepath.Join(c.Workspace.Real(), video), "-frames:v", "1", name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	if dir := os.Getenv("MILLRACE_PICTURES"); dir != "" {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%.2f.png", strings.ReplaceAll(t.Name(), "/", "-"), at)), data, 0o600))
	}
	return img
}

// files are all of the workspace, hidden ones too.
func files(t *testing.T, c *modules.Call) []string {
	t.Helper()
	var all []string
	require.NoError(t, c.Workspace.Walk(".", func(name string, _ os.DirEntry, err error) error {
		if name != "." {
			all = append(all, name)
		}
		return err
	}))
	return all
}

// white is the share of bright pixels in the lower third of a picture.
func white(img image.Image) float64 {
	b := img.Bounds()
	count, all := 0, 0
	for y := b.Dy() * 2 / 3; y < b.Dy(); y++ {
		for x := range b.Dx() {
			r, g, bl, _ := img.At(x, y).RGBA()
			if min(r, g, bl) > 0xd000 {
				count++
			}
			all++
		}
	}
	return float64(count) / float64(all)
}

func TestConformance(t *testing.T) { moduletest.Conform(t, renderer.Module) }

func TestAModelTurns(t *testing.T) {
	for _, by := range []string{"raster", "three"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			c, r := real(t)
			give(t, c, "box.glb", box)
			done := 0.0
			c.Progress = func(share float64) { done = share }
			out, err := renderer.Module.Run(t.Context(), c, map[string]any{
				"src": "box.glb", "dest": "/home/workspace/out/box.mp4", "width": int64(160), "height": int64(120), "fps": int64(8), "duration": int64(2),
				"renderer": by, "background": "#2040a0",
			})
			require.NoError(t, err)
			require.EqualValues(t, 16, out["frames"])
			require.InDelta(t, 2.0, out["duration"], 0.01)
			require.EqualValues(t, 160, out["width"])
			require.EqualValues(t, 120, out["height"])
			require.Equal(t, "libx264", out["encoder"])
			require.Equal(t, by, out["renderer"])
			require.Equal(t, by == "three", out["device"] != "")
			require.Equal(t, "", out["gpu"])
			require.Equal(t, "", out["audio"])
			require.Equal(t, []any{}, out["warnings"])
			require.EqualValues(t, 1, done)
			require.Contains(t, r.Stdout.String(), "100 %: ")
			require.Equal(t, []string{"box.glb", "out", "out/box.mp4"}, files(t, c))
			front, side := frame(t, c, "out/box.mp4", 0), frame(t, c, "out/box.mp4", 0.25)
			red, green, blue, _ := front.At(2, 2).RGBA()
			require.InDelta(t, 0x20, red>>8, 6)
			require.InDelta(t, 0x40, green>>8, 6)
			require.InDelta(t, 0xa0, blue>>8, 6)
			require.NotEqual(t, front, side, "it turns")
		})
	}
}

func TestCyclesDrawsToo(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	give(t, c, "box.glb", box)
	out, err := renderer.Module.Run(t.Context(), c, map[string]any{
		"src": "box.glb", "width": 64, "height": 48, "fps": 4, "duration": 1, "angles": []any{"turntable:2"}, "renderer": "cycles", "samples": 4,
	})
	require.NoError(t, err)
	require.Equal(t, "cycles", out["renderer"])
	require.EqualValues(t, 4, out["samples"])
	require.EqualValues(t, 4, out["frames"])
	require.Equal(t, []string{"box.glb", "render.mp4"}, files(t, c))
}

func TestSlidesShareTheTimeOfTheSound(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	for i, name := range []string{"red", "green", "blue"} {
		source(t, c, fmt.Sprintf("in/slide_%d.png", 9+i), "-i", "color="+name+":s=60x120", "-frames:v", "1")
	}
	source(t, c, "voice.wav", "-i", "sine=d=3")
	out, err := renderer.Module.Run(t.Context(), c, map[string]any{
		"slides": "in/slide_*.png", "audio": "voice.wav", "dest": "a.mp4", "width": int64(96), "height": int64(64), "fps": int64(10),
	})
	require.NoError(t, err)
	require.EqualValues(t, 30, out["frames"])
	require.Equal(t, "aac", out["audio"])
	require.Equal(t, "", out["renderer"])
	require.Equal(t, "in/slide_*.png", out["src"])
	for i, at := range []float64{0.5, 1.5, 2.5} { // slide_9 before slide_10
		var rgb [3]uint32
		img := frame(t, c, "a.mp4", at)
		rgb[0], rgb[1], rgb[2], _ = img.At(48, 32).RGBA()
		for k := range rgb {
			require.Equal(t, i == k, rgb[k] > 0x6000, "at %v s: %v", at, rgb)
		}
		r, g, b, _ := img.At(4, 32).RGBA()
		require.Less(t, r+g+b, uint32(0x1800), "black beside it")
	}
}

func TestHowLongAVideoIs(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	source(t, c, "a.png", "-i", "testsrc=s=64x48", "-frames:v", "1")
	source(t, c, "voice.wav", "-i", "sine=d=2")
	for _, tt := range []struct {
		name   string
		props  map[string]any
		frames int64
		warns  string
	}{
		{"seconds for each slide", map[string]any{"seconds": 0.5}, 10, ""},
		{"all of it", map[string]any{"duration": "1500ms"}, 15, ""},
		{"the sound", map[string]any{"audio": "voice.wav"}, 20, ""},
		{"the slides, where they are longer than the sound", map[string]any{"audio": "voice.wav", "seconds": 1.5}, 30, ""},
		{"less than the sound", map[string]any{"audio": "voice.wav", "duration": 1}, 10, "the sound takes 2.0 s, and is cut where the video ends after 1.0"},
		{"more than the sound", map[string]any{"audio": "voice.wav", "duration": 4}, 40, ""},
		{"150 words a minute", map[string]any{"captions": "one two three four five"}, 20, ""},
		{"60 words a minute", map[string]any{"captions": "one two", "wordsPerMinute": 60}, 20, ""},
		{"less than the words", map[string]any{"captions": "one two three four five", "duration": 1}, 10, "the captions take 2.0 s, and the video ends after 1.0"},
		{"a frame", map[string]any{"duration": 0.01}, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			props := map[string]any{"slides": []any{"a.png", "a.png"}, "dest": "a.mp4", "width": 64, "height": 48, "fps": 10, "background": "black"}
			if tt.frames == 1 {
				props["slides"] = "a.png"
			}
			for k, v := range tt.props {
				props[k] = v
			}
			out, err := renderer.Module.Run(t.Context(), c, props)
			require.NoError(t, err)
			require.Equal(t, tt.frames, out["frames"])
			require.InDelta(t, float64(tt.frames)/10, out["duration"], 0.05)
			if tt.warns == "" {
				require.Equal(t, []any{}, out["warnings"])
				return
			}
			require.Equal(t, []any{tt.warns}, out["warnings"])
		})
	}
}

func TestAWordOfAHundredThousandLettersIsCut(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	source(t, c, "a.png", "-i", "color=gray:s=64x48", "-frames:v", "1")
	out, err := renderer.Module.Run(t.Context(), c, map[string]any{
		"slides": "a.png", "dest": "a.mp4", "width": 64, "height": 48, "fps": 1, "captions": strings.Repeat("a", 100_000), "wordsPerMinute": 600,
	})
	require.NoError(t, err)
	require.EqualValues(t, 714, out["frames"]) // 100,000 letters in words of 42, which take as long as three
}

func TestWithoutChromiumARasterTurnsTheModel(t *testing.T) {
	t.Parallel()
	c, _ := real(t)
	give(t, c, "box.glb", box)
	c.Tools.Override = func(name string) string {
		if name == tool.Chromium().Name {
			return "/no/chromium"
		}
		return ""
	}
	out, err := renderer.Module.Run(t.Context(), c, map[string]any{"src": "box.glb", "dest": "a.mp4", "width": 64, "height": 48, "fps": 4, "duration": 1, "angles": []any{"front", "top"}})
	require.NoError(t, err)
	require.Equal(t, "raster", out["renderer"])
	require.Contains(t, out["warnings"].([]any)[0], "raster drew, in software and at lower quality, since Chromium is missing")
	c.Tools.Override = func(name string) string {
		if name == tool.FFmpeg().Name {
			return "/no/ffmpeg"
		}
		return ""
	}
	_, err = renderer.Module.Run(t.Context(), c, map[string]any{"src": "box.glb", "dest": "b.mp4", "width": 64, "height": 48, "fps": 4, "duration": 1, "renderer": "raster"})
	require.ErrorContains(t, err, "FFmpeg is missing: /no/ffmpeg, which was named by hand, is not a program")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

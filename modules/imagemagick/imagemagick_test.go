package imagemagick_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/imagemagick"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
)

// real is a call that runs the real tool.
func real(t *testing.T) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()) // where runs keep their folders, so that what stays is seen
	c, r := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, moduletest.Tools(t)
	return c, r
}

// checks is a PNG of black and white squares.
func checks(width, height int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.Gray{Y: uint8(255 * ((x/8 + y/8) % 2))})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// film is a GIF of some frames.
func film(frames int) []byte {
	g := &gif.GIF{}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, 16, 16), color.Palette{color.Black, color.Gray{Y: uint8(10*i + 10)}})
		m.SetColorIndex(i%16, i/16%16, 1)
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 5)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestAPictureIsResizedAndConverted(t *testing.T) {
	c, _ := real(t)
	require.NoError(t, c.Workspace.WriteFile("in/shot one.png", checks(200, 100)))
	out, err := imagemagick.Module.Run(t.Context(), c, map[string]any{
		"src": "in/shot one.png", "dest": "/home/workspace/outputs/thumb.jpg", "args": []any{"-resize 50%", "-quality", int64(85)},
	})
	require.NoError(t, err)
	require.Equal(t, "in/shot one.png", out["src"])
	require.Equal(t, "/home/workspace/outputs/thumb.jpg", out["dest"])
	require.Equal(t, []any{"-resize", "50%", "-quality", "85"}, out["args"])
	require.NotEqual(t, "0", out["size"])
	require.Positive(t, out["stats"].(map[string]any)["maxmem"])
	f, err := c.Workspace.Open("outputs/thumb.jpg")
	require.NoError(t, err)
	defer f.Close()
	m, err := jpeg.Decode(f)
	require.NoError(t, err)
	require.Equal(t, image.Pt(100, 50), m.Bounds().Size())
	white, _, _, _ := m.At(6, 2).RGBA()
	black, _, _, _ := m.At(2, 2).RGBA()
	require.Greater(t, white, black+0x8000, "the squares are there")
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTheCommandIsSrcArgsDest(t *testing.T) {
	c, r := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("odd %d [1] name.png", checks(8, 8)))
	_, err := imagemagick.Module.Run(t.Context(), c, map[string]any{
		"src": "odd %d [1] name.png", "dest": "x.webp", "args": "-resize '1 x 2' /home/workspace/logo.png",
	})
	require.ErrorContains(t, err, "there is nothing") // the recorder writes no file
	cmd := r.Cmds()[0]
	require.Equal(t, "magick", cmd.Path)
	require.Len(t, cmd.Args, 5)
	require.Regexp(t, `^PNG:/.*/in$`, cmd.Args[0])
	require.Equal(t, []string{"-resize", "1 x 2", c.Workspace.Real() + "/logo.png"}, cmd.Args[1:4])
	require.Regexp(t, `^WEBP:/.*/out/out\.webp$`, cmd.Args[4])
	require.Equal(t, int64(4<<30), cmd.Limits.Memory)
}

func TestAPictureCanBeMadeOfNothing(t *testing.T) {
	c, _ := real(t)
	_, err := imagemagick.Module.Run(t.Context(), c, map[string]any{"dest": "a.png", "args": "-size 64x32 gradient:red-blue -font DejaVu-Sans label:Hi -append"})
	require.NoError(t, err)
	_, err = c.Workspace.Stat("a.png")
	require.NoError(t, err)
}

func TestFramesAreChosenOrWrittenOneByOne(t *testing.T) {
	c, _ := real(t)
	require.NoError(t, c.Workspace.WriteFile("film.gif", film(3)))
	_, err := imagemagick.Module.Run(t.Context(), c, map[string]any{"src": "film.gif", "dest": "one.png"})
	require.ErrorContains(t, err, "there are 3 pictures, and dest is one file; take one frame (src: name.gif[0])")
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = c.Workspace.Stat("one.png")
	require.Error(t, err, "nothing is half there")

	_, err = imagemagick.Module.Run(t.Context(), c, map[string]any{"src": "film.gif[1]", "dest": "one.png"})
	require.NoError(t, err)
	_, err = imagemagick.Module.Run(t.Context(), c, map[string]any{"src": "film.gif", "dest": "out/frame-%02d.png"})
	require.NoError(t, err)
	all, err := c.Workspace.Glob("out/*")
	require.NoError(t, err)
	require.Equal(t, []string{"out/frame-00.png", "out/frame-01.png", "out/frame-02.png"}, all)
}

func TestAnInputIsWhatItHoldsNotWhatItIsCalled(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a drawing", "push graphic-context\nimage over 0,0 9,9 '/etc/hostname'\npop graphic-context\n", "it is none of the pictures that are read here"},
		{"a script", `<?xml version="1.0"?><image><read filename="/etc/hostname"/><write filename="/tmp/x"/></image>`, "it is none of the pictures"},
		{"SVG", `<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hostname"/></svg>`, "it is none of the pictures"},
		{"nothing", "", "it is none of the pictures"},
		{"a torn PNG", "\x89PNG\r\n\x1a\n\x00\x00", "it begins like a PNG and is none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := real(t)
			require.NoError(t, c.Workspace.WriteFile("a.png", []byte(tt.text)))
			_, err := imagemagick.Module.Run(t.Context(), c, map[string]any{"src": "a.png", "dest": "b.png"})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestArgumentsDoNotLeadOutOfTheWorkspace(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.png")
	require.NoError(t, os.WriteFile(secret, checks(32, 32), 0o644))
	for _, tt := range []struct{ name, args, want string }{
		{"a text file", "label:@" + secret + " -append", "would read a file's text"},
		{"a list of files", "@" + secret, "would read a file's text"},
		{"a comment from a file", "-set comment @" + secret, "would read a file's text"},
		{"a script", "-script " + secret, "is no work on a picture"},
		{"a file", secret + " -append", "not allowed by the security policy"},
		{"a file by its format", "png:" + secret + " -append", "not allowed by the security policy"},
		{"a file from above", "../" + filepath.Base(outside) + "/secret.png -append", "not allowed by the security policy"},
		{"a file from above, hidden", "./../" + filepath.Base(outside) + "/secret.png -append", "not allowed by the security policy"},
		{"a drawn file", "-draw \"image over 0,0 0,0 '" + secret + "'\"", "ImageMagick exited with code 1"},
		{"a tile", "-tile " + secret + " -draw 'rectangle 0,0 9,9'", "not allowed by the security policy"},
		{"a profile", "-profile " + secret, "not allowed by the security policy"},
		{"a mask", "-mask " + secret, "not allowed by the security policy"},
		{"a script of its own", "msl:" + secret, "not allowed by the security policy"},
		{"a drawing", "mvg:" + secret, "not allowed by the security policy"},
		{"an address", "https://127.0.0.1:1/x.png", "not allowed by the security policy"},
		{"a file to be removed", "ephemeral:" + secret, "ImageMagick exited with code 1"},
		{"a file to be written", "-write " + outside + "/written.png", "not allowed by the security policy"},
		{"a file of the job, by a format that is not read", "text:in.png", "not allowed by the security policy"},
		{"another program", "-size 9x9 pango:x", "ImageMagick exited with code 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := real(t)
			require.NoError(t, c.Workspace.WriteFile("in.png", checks(16, 16)))
			_, err := imagemagick.Module.Run(t.Context(), c, map[string]any{"src": "in.png", "dest": "out.png", "args": tt.args})
			require.ErrorContains(t, err, tt.want)
			left, err := os.ReadDir(outside)
			require.NoError(t, err)
			require.Len(t, left, 1, "nothing was written or removed")
		})
	}
}

// bomb is a PNG whose header promises a size, and which holds next to nothing.
func bomb(width, height uint32) []byte {
	b := checks(8, 8)
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestAPictureThatIsTooLargeIsRefusedBeforeItIsDecoded(t *testing.T) {
	c, r := moduletest.Call(t)
	for _, size := range [][2]uint32{{65535, 65535}, {40000, 10}, {20000, 20000}} {
		require.NoError(t, c.Workspace.WriteFile("bomb.png", bomb(size[0], size[1])))
		_, err := modules.Probe(t.Context(), imagemagick.Module, c, map[string]any{"src": "bomb.png", "dest": "a.png"})
		require.ErrorContains(t, err, "pixels, more than the 32000 on a side and 300000000 in all that are read")
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
	require.Empty(t, r.Cmds())
	require.NoError(t, c.Workspace.WriteFile("fine.png", checks(100, 50)))
	d, err := modules.Probe(t.Context(), imagemagick.Module, c, map[string]any{"src": "fine.png", "dest": "a.png"})
	require.NoError(t, err)
	require.Equal(t, int64(100*50*8), d.Memory)
	require.Positive(t, d.Input)
}

func TestThePolicyBoundsWhatArgumentsMake(t *testing.T) {
	c, _ := real(t)
	require.NoError(t, c.Workspace.WriteFile("in.png", checks(16, 16)))
	require.NoError(t, c.Workspace.WriteFile("many.gif", film(1100)))
	for args, want := range map[string]string{
		"-size 40000x9 xc:red": "width or height exceeds limit",
		"-resize 9x40000!":     "width or height exceeds limit",
		"many.gif -append":     "memory allocation failed", // its word for a list that is too long
	} {
		_, err := imagemagick.Module.Run(t.Context(), c, map[string]any{"src": "in.png", "dest": "a.png", "args": args})
		require.ErrorContains(t, err, "ImageMagick exited with code 1: "+want, args)
	}
}

func TestPropsThatCanNotWorkAreRefusedAtOnce(t *testing.T) {
	c, r := moduletest.Call(t)
	for want, props := range map[string]map[string]any{
		`prop "dest": "a.mvg" does not end in the name of a format that is written here`: {"dest": "a.mvg"},
		`prop "dest": "a" does not end`:            {"dest": "a"},
		`prop "args": args[0]: a map is no argume`: {"dest": "a.png", "args": map[string]any{"resize": 1}},
		`the ' at character 1 is not closed`:       {"dest": "a.png", "args": "'x"},
	} {
		_, err := imagemagick.Module.Run(t.Context(), c, props)
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
	require.Empty(t, r.Cmds())
}

func TestWhatWasWrittenIsLookedAt(t *testing.T) {
	for _, tt := range []struct{ name, wrote, want string }{
		{"another format", "GIF89a and so on", "it is no PNG"},
		{"half a header", "\x89PNG\r\n\x1a\n\x00", "it can't be read again"},
		{"nothing", "", "it is no PNG"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := moduletest.Call(t)
			r.OnRun = func(_ context.Context, cmd proc.Cmd) (proc.Exit, error) {
				_, path, _ := strings.Cut(cmd.Args[len(cmd.Args)-1], ":")
				return proc.Exit{}, os.WriteFile(path, []byte(tt.wrote), 0o600)
			}
			_, err := imagemagick.Module.Run(t.Context(), c, map[string]any{"dest": "a.png", "args": "xc:red"})
			require.ErrorContains(t, err, tt.want)
			_, err = c.Workspace.Stat("a.png")
			require.Error(t, err)
		})
	}
}

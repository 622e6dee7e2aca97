package standard_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/assetconverter"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/fbx2gltf"
	"github.com/millrace/millrace/modules/ffmpeg"
	"github.com/millrace/millrace/modules/glbhtmlembed"
	"github.com/millrace/millrace/modules/gltfvalidator"
	"github.com/millrace/millrace/modules/imageinfer"
	"github.com/millrace/millrace/modules/imagemagick"
	"github.com/millrace/millrace/modules/meshoptimizer"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/renderer"
	"github.com/millrace/millrace/modules/screenshot"
	"github.com/millrace/millrace/modules/stl2obj"
	"github.com/millrace/millrace/modules/unzip"
	"github.com/millrace/millrace/modules/usdchecker"
)

// models is where Debian's assimp-testmodels lie.
const models = "/usr/share/assimp/models"

// A reader is a module that reads a file, and a task of it.
type reader struct {
	modules.Module
	dest       string         // the file, or the folder, that it writes
	props      map[string]any // besides src and dest; SRC stands for src in them
	extensions string         // of what it reads, and of what comes under such a name
}

// readers are the modules that look into files of strangers.
func readers() map[string]reader {
	all := []reader{
		{Module: assetconverter.Module, dest: "out.glb", extensions: "fbx obj dae abc usd usda usdc usdz stl ply 3ds 3mf glb gltf zip off ac x lwo blend md2 md3 dxf ms3d iqm b3d wrl x3d amf ase ifc step iges jt"},
		{Module: screenshot.Module, dest: "out.png", props: map[string]any{"renderer": "raster", "config": map[string]any{"width": 16, "height": 16}}, extensions: "glb gltf obj stl ply fbx usdz"},
		{
			Module: renderer.Module, dest: "out.mp4", extensions: "glb gltf obj stl ply fbx usdz",
			props: map[string]any{"renderer": "raster", "width": 16, "height": 16, "fps": 1, "duration": 1},
		},
		{Module: meshoptimizer.Module, dest: "out.glb", extensions: "glb gltf obj fbx"},
		{Module: fbx2gltf.Module, dest: "out.glb", extensions: "fbx"},
		{Module: stl2obj.Module, dest: "out.obj", extensions: "stl ply"},
		{Module: usdchecker.Module, dest: "out.json", extensions: "usd usda usdc usdz"},
		{Module: gltfvalidator.Module, dest: "out.json", extensions: "glb gltf"},
		{Module: glbhtmlembed.Module, dest: "out.html", extensions: "glb gltf"},
		{Module: ffmpeg.Module, dest: "out.mkv", extensions: "mp4 mov mkv webm avi gif png jpg webp bmp tiff wav mp3 aac flac ogg m4a srt ass m3u8 mpd txt ts flv mxf dv h264 yuv svg"},
		{Module: imagemagick.Module, dest: "out.png", extensions: "png jpg gif webp tiff bmp tga psd exr hdr pdf svg mvg msl ps eps ico pcx ppm"},
		{
			Module: imageinfer.Module, dest: "out.json", extensions: "png jpg gif webp bmp tiff svg",
			props: map[string]any{"model": "squeezenet", "input": map[string]any{"type": "image", "path": "SRC"}, "output": map[string]any{"path": "out.json"}},
		},
		{Module: unzip.Module, dest: "out", extensions: "zip"},
	}
	named := map[string]reader{}
	for _, r := range all {
		named[r.Spec().Name] = r
	}
	return named
}

// task is its props for a file.
func (r reader) task(src string) map[string]any {
	props := map[string]any{"src": src, "dest": r.dest}
	if r.Module == imageinfer.Module {
		props = map[string]any{}
	}
	for key, v := range r.props {
		if m, ok := v.(map[string]any); ok {
			m = maps.Clone(m)
			for k, s := range m {
				if s == "SRC" {
					m[k] = src
				}
			}
			v = m
		}
		props[key] = v
	}
	return props
}

// work looks at a file and does the task, as an engine would, within a time that only a hang exceeds.
func (r reader) work(t *testing.T, c *modules.Call, src string) (map[string]any, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	w, err := modules.Probe(ctx, r.Module, c, r.task(src))
	var out map[string]any
	if err == nil {
		out, err = w.Run(ctx)
	}
	require.NoError(t, ctx.Err(), "it hangs: %v after %v", err, time.Since(began))
	return out, err
}

// refused sees that what came of a file of no use is one sentence, for good, and nothing else.
func (r reader) refused(t *testing.T, c *modules.Call, src string, before []string) {
	t.Helper()
	out, err := r.work(t, c, src)
	checks := r.Module == usdchecker.Module || r.Module == gltfvalidator.Module // their work is to say so
	if checks && err == nil {
		require.Equal(t, false, out["valid"], "%v", out)
		require.NoError(t, c.Workspace.Remove(r.dest))
	} else {
		require.Error(t, err, "%s: %v", src, out)
		require.NotContains(t, strings.TrimSpace(err.Error()), "\n", "one sentence")
		require.Less(t, len(err.Error()), 2000)
		require.Equal(t, fault.Permanent, fault.Of(err), "%s: %v", src, err)
	}
	require.Equal(t, before, files(t, c), "%s: %v", src, err)
}

// files are all that the workspace has, hidden ones too.
func files(t *testing.T, c *modules.Call) []string {
	t.Helper()
	var all []string
	require.NoError(t, c.Workspace.Walk(".", func(name string, _ fs.DirEntry, err error) error {
		all = append(all, name)
		return err
	}))
	slices.Sort(all)
	return all
}

// warm is the Blender of all tests but those that kill it.
var warm = sync.OnceValue(blender.NewWarm)

// compiled is the folder of what TestMain compiled.
var compiled string

func TestMain(m *testing.M) {
	var remove func()
	compiled, remove = moduletest.Compiled()
	code := m.Run()
	remove()
	warm().Close()
	os.Exit(code)
}

// real is a call that runs the tools of this machine.
func real(t *testing.T) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	c.Exec, c.Tools, c.Blender = &proc.Local{}, moduletest.Tools(t), warm()
	c.Tools.Compiled = compiled
	c.Env = append(c.Env, "TMPDIR="+t.TempDir(), "HOME="+t.TempDir())
	c.Models = func(_ context.Context, file string) (io.ReadCloser, error) {
		return os.Open(filepath.Join("../imageinfer/testdata", path.Base(file)))
	}
	return c
}

// model is a file of the test models.
func model(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(models, name))
	require.NoError(t, err)
	return b
}

// sparse writes a file that begins so and has so many bytes.
func sparse(t *testing.T, c *modules.Call, name, head string, size int64) {
	t.Helper()
	f, err := c.Workspace.Create(name)
	require.NoError(t, err)
	_, err = f.WriteString(head)
	require.NoError(t, errors.Join(err, f.Truncate(size), f.Close()))
}

// counting runs nothing, and says so.
type counting struct{}

func (counting) Run(context.Context, proc.Cmd) (proc.Exit, error) {
	return proc.Exit{}, errors.New("it ran a program")
}

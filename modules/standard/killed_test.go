//go:build linux

package standard_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/assetconverter"
	"github.com/millrace/millrace/modules/fbx2gltf"
	"github.com/millrace/millrace/modules/ffmpeg"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/imagemagick"
	"github.com/millrace/millrace/modules/screenshot"
)

// A long task is one whose program runs for a while.
type longTask struct {
	name   string
	module modules.Module
	src    string
	props  map[string]any
	whole  func(t *testing.T, c *modules.Call, dest string) // sees that what was published is all there
}

func longTasks() []longTask {
	return []longTask{
		{
			"FFmpeg", ffmpeg.Module, "", map[string]any{"src": "film.mkv", "dest": "out/a.mp4", "config": map[string]any{
				"srcConfig": map[string]any{"stream_loop": int64(1)}, "destConfig": map[string]any{"c:v": "libx264", "preset": "slower", "movflags": "frag_keyframe+empty_moov"},
			}}, func(t *testing.T, c *modules.Call, dest string) {
				frames, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", filepath.Join(c.Workspace.Real(), dest)).Output()
				require.NoError(t, err)
				require.Equal(t, "60", strings.Trim(string(frames), ",\n"))
			},
		},
		{
			"Blender", assetconverter.Module, "Collada/duck.dae Collada/duckCM.tga",
			map[string]any{"src": "duck.dae", "dest": "out/a.glb"},
			func(t *testing.T, c *modules.Call, dest string) { require.EqualValues(t, 4212, drawn(t, c, dest)) },
		},
		{
			"Blender, to OBJ and more files", assetconverter.Module, "Collada/duck.dae Collada/duckCM.tga",
			map[string]any{"src": "duck.dae", "dest": "out/a.obj"},
			func(t *testing.T, c *modules.Call, dest string) {
				text, err := c.Workspace.ReadFile(dest)
				require.NoError(t, err)
				require.Equal(t, 2144, bytes.Count(text, []byte("\nf "))) // most have four corners
			},
		},
		{
			"FBX2glTF", fbx2gltf.Module, "FBX/huesitos.fbx",
			map[string]any{"src": "huesitos.fbx", "dest": "out/a.glb"},
			func(t *testing.T, c *modules.Call, dest string) { require.EqualValues(t, 120, drawn(t, c, dest)) },
		},
		{
			"Chromium", screenshot.Module, "glTF2/BoxTextured-glTF-Binary/BoxTextured.glb",
			map[string]any{"src": "BoxTextured.glb", "dest": "out/a.png", "renderer": "three", "config": map[string]any{"width": 256, "height": 256}},
			func(t *testing.T, c *modules.Call, dest string) { require.NotEmpty(t, look(t, c, dest)) },
		},
		{
			"ImageMagick", imagemagick.Module, "",
			map[string]any{"dest": "out/a.png", "args": "-size 400x400 plasma:red-blue -blur 0x9 -quality 95"},
			func(t *testing.T, c *modules.Call, dest string) { require.NotEmpty(t, look(t, c, dest)) },
		},
	}
}

// drawn is how many triangles a GLB draws.
func drawn(t *testing.T, c *modules.Call, name string) int64 {
	t.Helper()
	doc, err := glb.Open(c.Workspace, name, glb.Limits{})
	require.NoError(t, err)
	m, err := doc.Measure(t.Context())
	require.NoError(t, err)
	return m.Triangles
}

// look decodes a picture.
func look(t *testing.T, c *modules.Call, name string) image.Rectangle {
	t.Helper()
	f, err := c.Workspace.Open(name)
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err)
	return m.Bounds()
}

// stage is a call with what the task reads, and with a word in the environment of all that it starts.
func (l longTask) stage(t *testing.T) (c *modules.Call, mark string) {
	t.Helper()
	c = real(t)
	mark = "MILLRACE_TEST_MARK=" + rand.Text()
	c.Env, c.Blender = append(c.Env, mark, "PATH="+os.Getenv("PATH")), nil // each runs its own
	for file := range strings.FieldsSeq(l.src) {
		require.NoError(t, c.Workspace.WriteFile(filepath.Base(file), model(t, file)))
	}
	if l.module == ffmpeg.Module {
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=320x240:r=15:d=2", "-c:v", "mjpeg", filepath.Join(c.Workspace.Real(), "film.mkv")).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return c, mark
}

// marked are the processes with a word in their environment.
func marked(mark string) (pids []int) {
	envs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range envs {
		env, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+mark+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// At whatever moment a tool, or one process of its tree, is killed, or its job is stopped: what is published is whole, and what is
// not whole is not there, under no name.
func TestWhatDiesWithItsToolIsNeverPublished(t *testing.T) {
	const moments = 3
	for _, l := range longTasks() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			c, mark := l.stage(t)
			began := time.Now()
			_, err := l.module.Run(t.Context(), c, l.props)
			require.NoError(t, err)
			length := time.Since(began)
			dest := l.props["dest"].(string)
			l.whole(t, c, dest)
			require.NoError(t, c.Workspace.RemoveAll("out"))
			before := files(t, c)
			failed := 0
			for i := range 2 * moments {
				after := length * time.Duration(i/2*2+1) / (2 * moments)
				ctx, stop := context.WithCancelCause(t.Context())
				over := make(chan struct{})
				died := make(chan struct{})
				go func() {
					defer close(died)
					select {
					case <-over:
						return
					case <-time.After(after):
					}
					if i%2 == 1 {
						stop(errors.New("canceled"))
						return
					}
					for { // those that are there, or the first that comes: the look itself takes a while
						pids := marked(mark)
						for _, pid := range pids {
							if p, err := os.FindProcess(pid); err == nil {
								_ = p.Kill() // it may be gone
							}
						}
						select {
						case <-over:
							return
						case <-time.After(time.Millisecond):
						}
						if pids != nil {
							return
						}
					}
				}()
				_, err := l.module.Run(ctx, c, l.props)
				close(over)
				<-died
				stop(nil)
				require.Empty(t, marked(mark), "nothing survives")
				if err == nil {
					l.whole(t, c, dest)
					require.NoError(t, c.Workspace.RemoveAll("out"))
					continue
				}
				failed++
				require.NotContains(t, err.Error(), "\n")
				_ = c.Workspace.Remove("out") // an empty folder
				require.Equal(t, before, files(t, c), "after %v of %v: %v", after, length, err)
			}
			require.Positive(t, failed, "no moment was the wrong one")
			t.Logf("%d of %d runs of %v failed", failed, 2*moments, length)
		})
	}
}

package chromium_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/chromium"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/raster/mesh"
	"github.com/millrace/millrace/modules/threejs"
	"github.com/millrace/millrace/modules/tool"
)

const box = "/usr/share/assimp/models/glTF2/BoxTextured-glTF-Binary/BoxTextured.glb"

func here(t *testing.T) chromium.Chromium {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	return chromium.Chromium{Tools: moduletest.Tools(t), Exec: &proc.Local{}, Env: []string{"PATH=" + os.Getenv("PATH")}}
}

// nothing sees to it that no run left a file behind.
func nothing(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAPictureIsPutTogetherFromTiles(t *testing.T) {
	c := here(t)
	var pictures []chromium.Picture
	keep := func(i int, p chromium.Picture) error {
		require.Equal(t, len(pictures)%2, i)
		pictures = append(pictures, p)
		return nil
	}
	job := chromium.Job{Model: box, Width: 2100, Height: 60, Views: []threejs.View{{Azimuth: 32, Elevation: 22}, threejs.View(raster.View{Azimuth: 180})}}
	r, err := c.Draw(t.Context(), job, keep)
	require.NoError(t, err)
	require.Equal(t, int64(12), r.Triangles)
	require.NotEmpty(t, r.Renderer)
	require.Positive(t, r.Stats.MaxMem)
	require.Len(t, pictures, 2)
	for _, p := range pictures {
		require.Equal(t, 2100, p.Image.Rect.Dx())
		require.Equal(t, uint8(255), p.Image.RGBAAt(1049, 30).A, "on this side of the seam")
		require.Equal(t, uint8(255), p.Image.RGBAAt(1051, 30).A, "and on that")
		require.Zero(t, p.Image.RGBAAt(0, 0).A)
	}
	nothing(t)
}

func TestTheCameraStandsWhereTheRasterisersDoes(t *testing.T) {
	cube := &mesh.Mesh{} // BoxTextured's
	for i := range 8 {
		cube.Positions = append(cube.Positions, mesh.Vec{float32(i&1) - 0.5, float32(i>>1&1) - 0.5, float32(i>>2&1) - 0.5})
	}
	cube.Triangles = [][3]uint32{{0, 1, 2}, {3, 4, 5}, {6, 7, 0}}
	scene, err := raster.NewScene(t.Context(), cube)
	require.NoError(t, err)
	views := append(raster.Turntable(3), raster.ThreeQuarter(), raster.View{Elevation: 90}, raster.View{Elevation: -90})
	job := chromium.Job{Model: box, Width: 40, Height: 30}
	for _, v := range views {
		job.Views = append(job.Views, threejs.View(v))
	}
	_, err = here(t).Draw(t.Context(), job, func(i int, p chromium.Picture) error {
		want, err := scene.Camera(t.Context(), raster.Options{Width: job.Width, Height: job.Height, View: views[i]})
		require.InDeltaSlice(t, want[:], p.Matrix[:], 1e-5)
		return err
	})
	require.NoError(t, err)
}

func TestWhatThePageCannotDrawIsRefusedForGood(t *testing.T) {
	c := here(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	for name, tt := range map[string]struct {
		text string
		job  chromium.Job
		want string
	}{
		"no model":                       {text: "hello", want: "Unexpected token"},
		"a buffer at an address":         {text: `{"asset": {"version": "2.0"}, "buffers": [{"uri": "` + server.URL + `/a.bin", "byteLength": 4}], "bufferViews": [{"buffer": 0, "byteLength": 4}], "accessors": [{"bufferView": 0, "componentType": 5121, "count": 1, "type": "SCALAR"}], "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}], "scene": 0}`, want: "Failed to load buffer"},
		"a GPU where there is none":      {job: chromium.Job{Model: box, GPU: true}, want: "no GPU drew, but ANGLE"},
		"a scene in which nothing is":    {text: `{"asset": {"version": "2.0"}, "scenes": [{}], "scene": 0}`, want: "it draws nothing"},
		"a picture that its maker drops": {job: chromium.Job{Model: box}, want: "dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			job := tt.job
			job.Width, job.Height, job.Views = 16, 16, make([]threejs.View, 1)
			if tt.text != "" {
				job.Model = filepath.Join(t.TempDir(), "a.glb")
				require.NoError(t, os.WriteFile(job.Model, []byte(tt.text), 0o600))
			}
			_, err := c.Draw(t.Context(), job, func(int, chromium.Picture) error { return fault.As(fault.Permanent, errors.New("dropped")) })
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
	require.Zero(t, asked, "the page knows no network")
}

func TestABrowserEndsWithItsContext(t *testing.T) {
	c := here(t)
	_, err := c.Tools.Find(t.Context(), tool.Chromium()) // which takes its time, once
	require.NoError(t, err)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("enough"))
	defer cancel()
	_, err = c.Draw(ctx, chromium.Job{Model: box, Width: 16, Height: 16, Views: make([]threejs.View, 1000)}, func(int, chromium.Picture) error { return nil })
	require.EqualError(t, err, "enough")
	nothing(t)
}

func TestABrowserThatIsNoneSaysSo(t *testing.T) {
	c := here(t)
	c.Tools = &tool.Set{Known: []tool.Found{{Name: "Chromium", Path: "/bin/false"}}}
	_, err := c.Draw(t.Context(), chromium.Job{Model: box, Width: 16, Height: 16}, nil)
	require.EqualError(t, err, "Chromium exited with code 1")
	c.Tools = &tool.Set{Override: func(string) string { return "/nowhere" }}
	_, err = c.Draw(t.Context(), chromium.Job{Model: box, Width: 16, Height: 16}, nil)
	require.ErrorContains(t, err, "Chromium is missing: ")
	require.Equal(t, fault.Permanent, fault.Of(err))
	nothing(t)
}

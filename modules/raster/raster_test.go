package raster_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// A die is a cube with a colour on each side.
var die = map[string]string{"front": "1 0 0", "back": "0 1 0", "left": "0 0 1", "right": "1 1 0", "top": "1 0 1", "bottom": "0 1 1"}

func dieOBJ() string {
	var b strings.Builder
	corners := map[string][4][3]int{
		"front":  {{-1, -1, 1}, {1, -1, 1}, {1, 1, 1}, {-1, 1, 1}},
		"back":   {{1, -1, -1}, {-1, -1, -1}, {-1, 1, -1}, {1, 1, -1}},
		"left":   {{-1, -1, -1}, {-1, -1, 1}, {-1, 1, 1}, {-1, 1, -1}},
		"right":  {{1, -1, 1}, {1, -1, -1}, {1, 1, -1}, {1, 1, 1}},
		"top":    {{-1, 1, 1}, {1, 1, 1}, {1, 1, -1}, {-1, 1, -1}},
		"bottom": {{-1, -1, -1}, {1, -1, -1}, {1, -1, 1}, {-1, -1, 1}},
	}
	for side, quad := range corners {
		for _, v := range quad {
			fmt.Fprintln(&b, "v", v[0], v[1], v[2], die[side])
		}
		fmt.Fprintln(&b, "f -4 -3 -2 -1")
	}
	return b.String()
}

func scene(t testing.TB, obj string) *raster.Scene {
	t.Helper()
	m, err := mesh.ReadOBJ(t.Context(), strings.NewReader(obj))
	require.NoError(t, err)
	s, err := raster.NewScene(t.Context(), m)
	require.NoError(t, err)
	return s
}

func render(t testing.TB, s *raster.Scene, o raster.Options) *image.RGBA {
	t.Helper()
	img, err := s.Render(t.Context(), o)
	require.NoError(t, err)
	return img
}

func TestEveryNamedViewShowsItsSide(t *testing.T) {
	s := scene(t, dieOBJ())
	for _, name := range raster.ViewNames() {
		view, ok := raster.NamedView(name)
		require.True(t, ok)
		c := render(t, s, raster.Options{Width: 64, Height: 64, View: view}).RGBAAt(32, 32)
		var want [3]int
		_, err := fmt.Sscan(die[name], &want[0], &want[1], &want[2])
		require.NoError(t, err)
		for k, got := range []uint8{c.R, c.G, c.B} {
			require.Equal(t, want[k] == 1, got > 128, "%s shows %v", name, c)
		}
	}
	_, ok := raster.NamedView("sideways")
	require.False(t, ok)
}

func TestATurntableGoesAround(t *testing.T) {
	views := raster.Turntable(4)
	require.Len(t, views, 4)
	require.Equal(t, []float64{0, 90, 180, 270}, []float64{views[0].Azimuth, views[1].Azimuth, views[2].Azimuth, views[3].Azimuth})
}

func TestTheSceneFillsThePictureAndStaysInIt(t *testing.T) {
	s := scene(t, dieOBJ()+"v 1000 1000 1000 0 0 0\n") // of no face: it must not matter
	for _, size := range [][2]int{{200, 200}, {300, 100}, {100, 300}} {
		for _, view := range []raster.View{{Elevation: 18}, {Azimuth: 120, Elevation: 18}, raster.ThreeQuarter(), {Elevation: 90}, {Elevation: -90}} {
			img := render(t, s, raster.Options{Width: size[0], Height: size[1], View: view})
			require.InDelta(t, 0.82, fills(t, img), 0.06)
		}
	}
}

// solid is the box around what lets nothing through.
func solid(img *image.RGBA) (box image.Rectangle) {
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			if img.RGBAAt(x, y).A == 255 {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

// fills is how much of a side a picture's model takes, all of which must be seen.
func fills(t *testing.T, img *image.RGBA) float64 {
	t.Helper()
	box := solid(img)
	require.True(t, box.Inset(-1).In(img.Rect.Inset(1)), "%v in %v", box, img.Rect)
	return max(float64(box.Dx())/float64(img.Rect.Dx()), float64(box.Dy())/float64(img.Rect.Dy()))
}

func TestAThingThatTurnsStaysAsLargeAndWhereItIs(t *testing.T) {
	// A pole in the middle of a long bar that lies on the ground.
	s := scene(t, slab(-4, 4, 0, 0.2, -0.5, 0.5)+slab(-0.15, 0.15, 0, 3, -0.15, 0.15))
	for _, size := range [][2]int{{240, 240}, {320, 120}, {120, 320}} {
		var first [16]float64
		var pole image.Rectangle
		most := 0.0
		for i, view := range raster.Turntable(8) {
			o := raster.Options{Width: size[0], Height: size[1], View: view}
			camera, err := s.Camera(t.Context(), o)
			require.NoError(t, err)
			img := render(t, s, o)
			top := solid(img)
			if i == 0 {
				first, pole = camera, top
			}
			require.InDelta(t, math.Hypot(first[12], first[14]), math.Hypot(camera[12], camera[14]), 1e-5, "as far from the axis")
			require.InDelta(t, first[13], camera[13], 1e-5, "as high")
			require.InDelta(t, pole.Min.Y, top.Min.Y, 1, "the top of the pole stays")
			most = max(most, fills(t, img))
		}
		require.InDelta(t, 0.82, most, 0.06, "as large as the widest picture lets it be, in %v", size)
	}
}

// slab is a box as an OBJ, whose corners are counted from the last.
func slab(left, right, bottom, top, back, front float64) string {
	var b strings.Builder
	for i := range 8 {
		fmt.Fprintln(&b, "v", []float64{left, right}[i&1], []float64{bottom, top}[i>>1&1], []float64{back, front}[i>>2&1])
	}
	return b.String() + "f -8 -6 -5 -7\nf -4 -3 -1 -2\nf -8 -4 -2 -6\nf -7 -5 -1 -3\nf -8 -7 -3 -4\nf -6 -2 -1 -5\n"
}

func TestTheBackgroundIsAsAskedFor(t *testing.T) {
	s := scene(t, dieOBJ())
	img := render(t, s, raster.Options{Width: 50, Height: 40})
	require.Equal(t, color.RGBA{}, img.RGBAAt(0, 0))
	require.False(t, img.Opaque())
	img = render(t, s, raster.Options{Width: 50, Height: 40, Background: color.NRGBA{10, 20, 30, 255}})
	require.Equal(t, color.RGBA{10, 20, 30, 255}, img.RGBAAt(0, 0))
	require.True(t, img.Opaque())
	img = render(t, s, raster.Options{Width: 50, Height: 40, Background: color.NRGBA{255, 0, 0, 128}})
	require.Equal(t, color.NRGBA{255, 0, 0, 128}, color.NRGBAModel.Convert(img.RGBAAt(0, 0)))
}

// waves makes a closed-looking sheet of 2·n² triangles, every other one turned the other way round.
func waves(n int) string {
	var b strings.Builder
	for y := range n + 1 {
		for x := range n + 1 {
			fmt.Fprintln(&b, "v", x, y, float64(n)/30*math.Sin(float64(x*x+y)/float64(n)))
		}
	}
	for y := range n {
		for x := range n {
			i := y*(n+1) + x + 1
			fmt.Fprintln(&b, "f", i, i+1, i+n+2)
			fmt.Fprintln(&b, "f", i, i+n+1, i+n+2)
		}
	}
	return b.String()
}

func TestNeighbouringTrianglesLeaveNoGapAndNoSideIsBlack(t *testing.T) {
	img := render(t, scene(t, waves(100)), raster.Options{Width: 300, Height: 300})
	for y := 60; y < 240; y++ {
		for x := 60; x < 240; x++ {
			c := img.RGBAAt(x, y)
			require.Equal(t, uint8(255), c.A, "at %d,%d", x, y)
			require.Greater(t, c.G, uint8(40), "at %d,%d", x, y)
		}
	}
}

func TestAPictureIsTheSameEveryTime(t *testing.T) {
	s := scene(t, waves(40))
	o := raster.Options{Width: 200, Height: 150, View: raster.ThreeQuarter()}
	require.Equal(t, render(t, s, o).Pix, render(t, s, o).Pix)
}

func TestAPictureOfAnImpossibleSizeIsRefused(t *testing.T) {
	for _, size := range [][2]int{{0, 10}, {10, -1}, {raster.MaxSide + 1, 1}, {8000, 8000}} {
		_, err := scene(t, dieOBJ()).Render(t.Context(), raster.Options{Width: size[0], Height: size[1]})
		require.ErrorContains(t, err, "can't be drawn")
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
}

func TestAMeshWithoutSurfaceIsRefused(t *testing.T) {
	_, err := raster.NewScene(t.Context(), &mesh.Mesh{})
	require.EqualError(t, err, "the mesh has no triangles")
	_, err = raster.NewScene(t.Context(), &mesh.Mesh{Positions: make([]mesh.Vec, 3), Triangles: [][3]uint32{{0, 1, 2}}})
	require.EqualError(t, err, "the mesh has no extent")
}

func TestExtremeCoordinatesAreDrawn(t *testing.T) {
	for _, obj := range []string{
		"v 0 0 0\nv 3e38 0 0\nv 0 -3e38 0\nf 1 2 3\n",
		"v 0 0 0\nv 1e-45 0 0\nv 0 1e-45 0\nf 1 2 3\n",
		"v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n",
	} {
		for _, view := range raster.Turntable(3) {
			render(t, scene(t, obj), raster.Options{Width: 40, Height: 40, View: view})
		}
	}
}

func TestDrawingEndsWithItsContext(t *testing.T) {
	s := scene(t, dieOBJ())
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lease is lost")
	cancel(why)
	_, err := s.Render(ctx, raster.Options{Width: 100, Height: 100})
	require.ErrorIs(t, err, why)
}

func BenchmarkRender(b *testing.B) {
	s := scene(b, waves(224)) // 100,352 triangles
	for b.Loop() {
		render(b, s, raster.Options{Width: 1024, Height: 1024, View: raster.ThreeQuarter()})
	}
}

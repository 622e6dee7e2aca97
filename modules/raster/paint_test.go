package raster_test

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/raster/mesh"
	"github.com/millrace/millrace/modules/threejs"
)

// screens are squares one behind the other, the first in front, each in one paint whose picture it shows once.
func screens(t *testing.T, paints ...mesh.Paint) *raster.Scene {
	t.Helper()
	m := &mesh.Mesh{Paints: paints}
	for i := range paints {
		z, first := -0.1*float32(i), uint32(4*i)
		m.Positions = append(m.Positions, mesh.Vec{-1, -1, z}, mesh.Vec{1, -1, z}, mesh.Vec{1, 1, z}, mesh.Vec{-1, 1, z})
		m.Triangles = append(m.Triangles, [3]uint32{first, first + 1, first + 2}, [3]uint32{first, first + 2, first + 3})
		m.Looks = append(m.Looks, uint32(i), uint32(i))
		m.Places = append(m.Places, [3][2]float32{{0, 1}, {1, 1}, {1, 0}}, [3][2]float32{{0, 1}, {1, 0}, {0, 0}})
	}
	s, err := raster.NewScene(t.Context(), m)
	require.NoError(t, err)
	return s
}

// flat is a paint that looks the same in any light.
func flat(r, g, b float32) mesh.Paint {
	return mesh.Paint{Color: mesh.Vec{r, g, b}, Solid: 1, Flat: true}
}

// plain shows colours as they are.
func plain() threejs.Look { return threejs.Look{ToneMapping: "none"} }

func TestAMaskIsCutOutByItsPicture(t *testing.T) {
	half := image.NewNRGBA(image.Rect(0, 0, 2, 1)) // its right half is a hole
	half.SetNRGBA(0, 0, color.NRGBA{255, 255, 255, 255})
	half.SetNRGBA(1, 0, color.NRGBA{255, 255, 255, 60})
	front := flat(1, 0, 0)
	front.Picture, front.Alpha, front.Cutoff = half, mesh.Mask, 0.5
	img := render(t, screens(t, front, flat(0, 0, 1)), raster.Options{Width: 64, Height: 64, Look: plain()})
	require.Equal(t, color.RGBA{255, 0, 0, 255}, img.RGBAAt(24, 32))
	require.Equal(t, color.RGBA{0, 0, 255, 255}, img.RGBAAt(40, 32), "what is behind shows")
	img = render(t, screens(t, front), raster.Options{Width: 64, Height: 64, Look: plain()})
	require.Zero(t, img.RGBAAt(40, 32).A, "and where nothing is the picture lets through")
	front.Alpha = mesh.Opaque
	img = render(t, screens(t, front), raster.Options{Width: 64, Height: 64, Look: plain()})
	require.Equal(t, uint8(255), img.RGBAAt(40, 32).A)
}

func TestWhatIsBlendedLetsThroughByItsAlpha(t *testing.T) {
	for _, solid := range []float32{0, 0.25, 0.5, 0.75, 1} {
		front := flat(1, 1, 1)
		front.Alpha, front.Solid = mesh.Blend, solid
		img := render(t, screens(t, front), raster.Options{Width: 64, Height: 64, Look: plain()})
		require.InDelta(t, 255*solid, img.RGBAAt(32, 32).A, 20)
		img = render(t, screens(t, front, flat(0, 0, 1)), raster.Options{Width: 64, Height: 64, Look: plain()})
		require.Equal(t, uint8(255), img.RGBAAt(32, 32).B)
		require.Equal(t, uint8(255), img.RGBAAt(32, 32).A)
		require.Equal(t, solid > 0, img.RGBAAt(32, 32).R > 40)
	}
}

func TestMetalShinesByItsColourAndRoughnessSpreadsIt(t *testing.T) {
	look := func(p mesh.Paint) color.RGBA {
		p.Solid = 1
		return render(t, screens(t, p), raster.Options{Width: 64, Height: 64, View: raster.View{Elevation: 20}}).RGBAAt(32, 32)
	}
	red := mesh.Vec{0.9, 0.05, 0.05}
	matt, metal := look(mesh.Paint{Color: red, Rough: 1}), look(mesh.Paint{Color: red, Metal: 1, Rough: 0.3})
	require.NotEqual(t, matt, metal)
	black := look(mesh.Paint{Color: mesh.Vec{}, Metal: 1, Rough: 0.3})
	require.Less(t, black.R, uint8(60), "a mirror of nothing")
	require.Greater(t, metal.R, metal.G+40, "metal has the colour of what it shows")
	surface := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	surface.SetNRGBA(0, 0, color.NRGBA{G: 77, B: 255, A: 255})
	require.Equal(t, metal, look(mesh.Paint{Color: red, Metal: 1, Rough: 1, Surface: surface}), "as a picture says it")
	glow := look(mesh.Paint{Glow: mesh.Vec{0, 0.5, 0}, Rough: 1})
	require.Greater(t, glow.G, uint8(150))
}

func TestTheViewersLightIsUsed(t *testing.T) {
	paint := mesh.Paint{Color: mesh.Vec{0.5, 0.5, 0.5}, Solid: 1, Rough: 1}
	bright := func(l threejs.Look) uint8 {
		return render(t, screens(t, paint), raster.Options{Width: 32, Height: 32, Look: l}).RGBAAt(16, 16).G
	}
	dark := threejs.Look{Environment: "none", Lights: []threejs.Light{}}
	require.Zero(t, bright(dark))
	lamp := dark
	lamp.Lights = []threejs.Light{{Type: "directional", Color: "#ffffff", Intensity: 2}}
	require.Greater(t, bright(lamp), uint8(100))
	lamp.Lights[0].Position = &[3]float64{0, 0, -1}
	require.Zero(t, bright(lamp), "from behind")
	lamp.Lights = []threejs.Light{{Type: "ambient", Color: "#ffffff", Intensity: 2}}
	require.Greater(t, bright(lamp), uint8(100))
	require.Less(t, bright(threejs.Look{Exposure: new(0.2)}), bright(threejs.Look{}))
}

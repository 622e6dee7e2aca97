package threejs_test

import (
	"fmt"
	"image/color"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/threejs"
)

func TestTheLampsAreThoseOfTheScript(t *testing.T) {
	script, err := os.ReadFile("scene.js")
	require.NoError(t, err)
	var rig strings.Builder
	for _, l := range (&threejs.Look{}).Lamps() {
		fmt.Fprintf(&rig, "  { color: '%s', intensity: %v, position: [%v, %v, %v] },\n", l.Color, l.Intensity, l.Position[0], l.Position[1], l.Position[2])
	}
	require.Contains(t, string(script), "const studio = [\n"+rig.String()+"];")
	require.Contains(t, string(script), fmt.Sprintf("look.environmentIntensity ?? %v;", (&threejs.Look{}).Room()))
}

func TestAFilmIsThatOfThreeJS(t *testing.T) {
	light := [][3]float64{{0.2, 0.2, 0.2}, {0.8, 0.3, 0.05}, {40, 40, 40}}
	for tone, want := range map[string][3]color.RGBA{ // which the page of modules/chromium made of a surface that shines so
		"":         {{111, 111, 111, 255}, {227, 141, 34, 255}, {255, 255, 255, 255}},
		"neutral":  {{111, 111, 111, 255}, {227, 141, 34, 255}, {255, 255, 255, 255}},
		"aces":     {{135, 135, 135, 255}, {225, 169, 78, 255}, {255, 255, 255, 255}},
		"agx":      {{133, 133, 133, 255}, {199, 152, 103, 255}, {255, 255, 255, 255}},
		"reinhard": {{113, 113, 113, 255}, {178, 132, 62, 255}, {252, 252, 252, 255}},
		"linear":   {{124, 124, 124, 255}, {231, 149, 63, 255}, {255, 255, 255, 255}},
		"none":     {{124, 124, 124, 255}, {231, 149, 63, 255}, {255, 255, 255, 255}},
	} {
		film := (&threejs.Look{ToneMapping: tone}).Film()
		for i, l := range light {
			require.Equal(t, want[i], film.Develop(l[0], l[1], l[2], 1), "%s of %v", tone, l)
		}
		require.Equal(t, color.RGBA{}, film.Develop(1, 1, 1, 0))
		clear := film.Develop(0.1, 0.1, 0.1, 0.5)
		require.Equal(t, uint8(128), clear.A)
		require.InDelta(t, float64(want[0].R)/2, clear.R, 1, "colours are multiplied by alpha")
	}
	bright := (&threejs.Look{ToneMapping: "linear", Exposure: new(2.0)}).Film()
	require.Equal(t, (&threejs.Look{ToneMapping: "linear"}).Film().Develop(0.4, 0.4, 0.4, 1), bright.Develop(0.2, 0.2, 0.2, 1))
}

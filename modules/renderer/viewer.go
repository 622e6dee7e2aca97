package renderer

import (
	"image/color"

	"github.com/millrace/millrace/modules/portrait"
	"github.com/millrace/millrace/modules/threejs"
)

// viewer reads the settings of a web viewer.
func (pl *plan) viewer() {
	s, unused, err := threejs.ReadSettings(pl.ViewerConfig)
	if err != nil {
		pl.refuse("viewerConfig", "%v", err)
		return
	}
	pl.light, pl.warnings = s.Look, append(pl.warnings, unused...)
	switch {
	case s.Background == nil || pl.Background != "":
	case s.Background.A == 255:
		pl.background = *s.Background
	default:
		pl.warn(`the viewer's setting "background" was not used; it lets something through, which a video can't`)
	}
	for _, o := range []struct {
		name  string
		given bool
		why   string
	}{
		{"cameraOrbit", s.Orbit != nil, "angles say how a model is seen"},
		{"autoRotate", s.AutoRotate && !pl.turns, "a model turns where angles have a turntable"},
		{"autoRotateSpeed", s.AutoRotateSpeed != nil, "duration says how long a turn takes"},
	} {
		if o.given {
			pl.warn("the viewer's setting %q was not used; %s", o.name, o.why)
		}
	}
	if pl.Src == "" && s.Look.Given() {
		pl.warn("the viewer's light was not used; slides are shown as they are")
	}
}

// unused says which props change nothing.
func (pl *plan) unused() {
	if pl.Samples != 0 && (pl.Src == "" || pl.Renderer != portrait.Cycles) {
		pl.warn("samples was not used; it counts those of cycles, and what draws here has a number of its own")
	}
	if pl.Src == "" && pl.Renderer != portrait.Auto {
		pl.warn("renderer was not used; slides are shown as they are")
	}
	if pl.Each != 0 && (pl.turns || pl.Duration != 0) {
		pl.warn("seconds was not used; duration says how long the video is")
	}
}

func (pl *plan) colour() {
	pl.background = color.NRGBA{A: 255}
	if pl.Src != "" {
		pl.background = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
	}
	if pl.Background == "" {
		return
	}
	c, ok := threejs.ParseColor(pl.Background)
	if !ok || c.A != 255 {
		pl.refuse("background", `prop "background" is %q; write white, black, gray, #rgb or #rrggbb: a video lets nothing through`, pl.Background)
	}
	pl.background = c
}

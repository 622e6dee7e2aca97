package screenshot

import (
	"fmt"
	"image/color"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/argv"
	"github.com/millrace/millrace/modules/portrait"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/threejs"
)

const (
	defaultSide = 1024 // pixels
	maxViews    = 360
)

// A plan is what the props ask for.
type plan struct {
	portrait.Job
	backgroundSet bool
	plain         bool          // it was set by --background, which wins over all
	pattern       string        // of the names; %d stands for the number
	orbit         *threejs.View // of the viewer's settings
	warnings      []string
	problems      []modules.Problem
}

// newPlan reads the props; the plan is good when there are no problems.
func newPlan(p *Props) (*plan, []modules.Problem) {
	pl := &plan{Job: portrait.Job{Width: p.Config.Width, Height: p.Config.Height, GPU: p.Config.UseGPU, Renderer: p.Renderer}}
	if p.Timeout < 0 {
		pl.refuse("timeout", `prop "timeout" is %s, and must be more than nothing`, p.Timeout)
	}
	if p.ViewerConfig != nil {
		pl.viewer("viewerConfig", p.ViewerConfig)
	}
	pl.args(p.Args)
	pl.renders(p.Config.Renderer)
	pl.sampled(p.Config.Samples)
	pl.size()
	if len(pl.Views) == 0 {
		pl.Views = []raster.View{raster.ThreeQuarter()}
		if pl.orbit != nil {
			pl.Views[0] = raster.View(*pl.orbit)
		}
	}
	if len(pl.Views) > maxViews {
		pl.refuse("args", "--camera-angles ask for %d pictures; one task draws at most %d", len(pl.Views), maxViews)
	}
	pl.dest(p.Dest)
	return pl, pl.problems
}

// renders settles what draws; config names a renderer as config does, or none.
func (pl *plan) renders(config string) {
	if config != "" && pl.Renderer == portrait.Auto {
		pl.Renderer = config
	}
	switch pl.Renderer {
	case portrait.Auto, portrait.Three, portrait.Cycles, portrait.Raster:
	default:
		pl.refuse("renderer", `the renderer is %q; write auto, three, cycles or raster`, pl.Renderer)
	}
	if pl.GPU && pl.Renderer == portrait.Raster {
		pl.refuse("config.use_gpu", `prop "config.use_gpu" is true, and raster draws in software; take renderer three or cycles`)
		pl.depends("renderer")
	}
}

// sampled settles how many samples a pixel has.
func (pl *plan) sampled(n int) {
	switch {
	case n < 0:
		pl.refuse("config.samples", `prop "config.samples" is %d, and must be more than nothing`, n)
	case pl.Renderer == portrait.Cycles:
		pl.Samples = n
	case n > 0:
		pl.warn("config.samples was not used; it counts a path tracer's samples (renderer: cycles), and three and raster have a number of their own")
	}
}

func (pl *plan) refuse(at, format string, args ...any) {
	pl.problems = append(pl.problems, modules.Problem{Path: at, Msg: fmt.Sprintf(format, args...)})
}

// depends says which other prop the last problem comes from.
func (pl *plan) depends(on string) {
	last := &pl.problems[len(pl.problems)-1]
	last.Also = append(last.Also, on)
}

func (pl *plan) warn(format string, args ...any) {
	pl.warnings = append(pl.warnings, fmt.Sprintf(format, args...))
}

// args reads the options of the command-line form.
func (pl *plan) args(list []any) {
	words, err := argv.Args(list)
	if err != nil {
		pl.refuse("args", `prop "args" can't be split into words: %v`, err)
		return
	}
	for len(words) > 0 {
		flag, value, attached := strings.Cut(words[0], "=")
		words = words[1:]
		switch flag {
		case "--poster", "--verbose": // the poster is the picture we draw anyway; there is nothing more to tell
			if attached {
				pl.refuse("args", "option %s takes no value", flag)
			}
			continue
		case "-w", "--width", "-h", "--height", "--background", "--camera-angles", "--viewer-config", "--renderer":
		case "-r", "-c": // older pipelines have them, and nothing says what they mean
			pl.warn("option %s was not used; nothing is known of what it means", flag)
			if !attached && len(words) > 0 && !strings.HasPrefix(words[0], "-") {
				words = words[1:]
			}
			continue
		default:
			pl.refuse("args", "option %q is not known; there are -w, -h, --width, --height, --background, --camera-angles, --viewer-config, --renderer, --poster and --verbose", flag)
			continue
		}
		if !attached {
			if len(words) == 0 {
				pl.refuse("args", "option %s needs a value", flag)
				return
			}
			value, words = words[0], words[1:]
		}
		pl.option(flag, value)
	}
}

func (pl *plan) option(flag, value string) {
	switch flag {
	case "-w", "--width":
		pl.Width = pl.pixels(flag, value)
	case "-h", "--height":
		pl.Height = pl.pixels(flag, value)
	case "--background":
		if value == "" || value == "null" { // how a producer's gateway says that it has none to give
			return
		}
		c, ok := threejs.ParseColor(value)
		if !ok {
			pl.refuse("args", "option --background is %q; write transparent, white, black, gray, #rgb, #rrggbb or #rrggbbaa", value)
		}
		pl.Background, pl.backgroundSet, pl.plain = c, true, true
	case "--camera-angles":
		for name := range strings.SplitSeq(value, ",") {
			pl.angle(strings.TrimSpace(name))
		}
	case "--viewer-config":
		pl.viewer("args", value)
	case "--renderer":
		pl.Renderer = value
	}
}

func (pl *plan) pixels(flag, value string) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		pl.refuse("args", "option %s is %q, and must be a number of pixels", flag, value)
		return defaultSide
	}
	return n
}

func (pl *plan) angle(name string) {
	if count, ok := strings.CutPrefix(name, "turntable:"); ok {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || n > maxViews {
			pl.refuse("args", "option --camera-angles is %q, and turntable takes 1 to %d pictures", name, maxViews)
			return
		}
		pl.Views = append(pl.Views, raster.Turntable(n)...)
		return
	}
	view, ok := raster.NamedView(name)
	if !ok {
		pl.refuse("args", "option --camera-angles is %q; write %s or turntable:N", name, strings.Join(raster.ViewNames(), ", "))
		return
	}
	pl.Views = append(pl.Views, view)
}

// viewer reads the settings of a web viewer; those of args are read last, and win.
func (pl *plan) viewer(at string, settings any) {
	s, unused, err := threejs.ReadSettings(settings)
	if err != nil {
		pl.refuse(at, "%v", err)
		return
	}
	pl.warnings = append(pl.warnings, unused...)
	pl.Look, pl.orbit = s.Look, s.Orbit
	if s.Background != nil && !pl.plain {
		pl.Background, pl.backgroundSet = *s.Background, true
	}
	if s.AutoRotate {
		pl.warn(`the viewer's setting "autoRotate" was not used; a picture stands still (--camera-angles turntable:N)`)
	}
	if s.AutoRotateSpeed != nil {
		pl.warn(`the viewer's setting "autoRotateSpeed" was not used; a picture stands still`)
	}
}

func (pl *plan) size() {
	for _, side := range []*int{&pl.Width, &pl.Height} {
		if *side == 0 {
			*side = defaultSide
		}
	}
	if pl.Width < 1 || pl.Height < 1 || pl.Width > raster.MaxSide || pl.Height > raster.MaxSide || pl.Width*pl.Height > raster.MaxPixels {
		pl.refuse("config", "a picture of %d x %d pixels can't be drawn; choose 1 to %d a side and at most %d megapixels",
			pl.Width, pl.Height, raster.MaxSide, raster.MaxPixels>>20)
		pl.depends("args")
	}
}

// dest works out the names of the pictures.
func (pl *plan) dest(dest string) {
	if strings.HasSuffix(dest, "/") {
		pl.intoFolder(dest)
		return
	}
	extension := strings.ToLower(path.Ext(dest))
	switch {
	case extension == ".png", isJPEG(dest):
	case extension == "":
		pl.intoFolder(dest)
		return
	default:
		pl.refuse("dest", `prop "dest" is %q, and pictures are .png or .jpg`, dest)
	}
	if isJPEG(dest) {
		pl.opaque()
	}
	pl.pattern = dest
	if len(pl.Views) > 1 && !strings.Contains(dest, "%d") {
		pl.pattern = strings.TrimSuffix(dest, path.Ext(dest)) + "_%d" + path.Ext(dest)
	}
}

// opaque fills in a background where the format needs one.
func (pl *plan) opaque() {
	if !pl.backgroundSet {
		pl.Background = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
	}
	if pl.Background.A != 255 {
		pl.refuse("args", "option --background lets something through, which a JPEG can't; write a PNG or choose a solid colour")
		pl.depends("dest")
	}
}

func (pl *plan) intoFolder(folder string) { pl.pattern = path.Join(folder, "render_%d.png") }

// name of the i-th picture: its number stands for the last %d.
func (pl *plan) name(i int) string {
	at := strings.LastIndex(pl.pattern, "%d")
	if at < 0 {
		return pl.pattern
	}
	return pl.pattern[:at] + strconv.Itoa(i) + pl.pattern[at+len("%d"):]
}

// dump is the name of the file that says what the model has: that of the pictures without their number.
func (pl *plan) dump() string {
	stem := strings.TrimSuffix(pl.pattern, path.Ext(pl.pattern))
	if at := strings.LastIndex(stem, "%d"); at >= 0 {
		stem = strings.TrimRight(stem[:at], "_-.") + stem[at+len("%d"):]
	}
	if stem == "" || strings.HasSuffix(stem, "/") {
		stem += "render"
	}
	return stem + ".model.json"
}

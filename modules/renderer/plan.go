package renderer

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/film"
	"github.com/millrace/millrace/modules/portrait"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/threejs"
)

// Limits of a video.
const (
	maxSide     = 4096 // pixels: what encoders of H.264 take
	maxFPS      = 60
	maxDuration = time.Hour
	maxPictures = 3600    // that are drawn of a model, or slides
	maxPixels   = 1 << 38 // of all pictures of the video: 35 minutes of 1920 x 1080 at 60 a second
	maxDrawn    = 1 << 33 // of all that are drawn of a model: 2 minutes and a half of 1920 x 1080 at 25

	aTurn  = 6 * time.Second
	aSlide = 5 * time.Second
)

// A plan is what the props, and the files that they name, come to.
type plan struct {
	*Props
	background color.NRGBA
	views      []raster.View // without a number: one for each picture of the video
	turns      bool          // views are all around
	light      threejs.Look
	cues       []cue
	warnings   []string
	problems   []modules.Problem

	model    *portrait.Model
	slides   []string
	pictures int // different ones, in order, that share the time evenly
	frames   int // of the video
}

// newPlan reads the props; the plan is good when there are no problems.
func newPlan(p *Props) (*plan, []modules.Problem) {
	pl := &plan{Props: p}
	pl.sources()
	pl.size()
	pl.angles()
	pl.colour()
	if p.ViewerConfig != nil {
		pl.viewer()
	}
	pl.unused()
	cues, err := readCaptions(p.Captions, p.WordsPerMinute)
	if err != nil {
		pl.refuse("captions", `prop "captions": %v`, err)
	}
	pl.cues = cues
	return pl, pl.problems
}

func (pl *plan) refuse(at, format string, args ...any) {
	pl.problems = append(pl.problems, modules.Problem{Path: at, Msg: fmt.Sprintf(format, args...)})
}

func (pl *plan) sources() {
	_, err := names(pl.Slides)
	switch {
	case err != nil:
		pl.refuse("slides", `prop "slides": %v`, err)
	case pl.Src == "" && pl.Slides == nil:
		pl.refuse("src", `there is nothing to show; name a model (src) or pictures (slides)`)
	case pl.Src != "" && pl.Slides != nil:
		pl.refuse("slides", `there are src and slides; a video shows a model or pictures`)
	}
	if strings.ToLower(path.Ext(pl.Dest)) != ".mp4" {
		pl.refuse("dest", `prop "dest" is %q, and videos are .mp4`, pl.Dest)
	}
}

func (pl *plan) size() {
	for name, side := range map[string]int{"width": pl.Width, "height": pl.Height} {
		if side < 16 || side > maxSide || side%2 != 0 {
			pl.refuse(name, "prop %q is %d, and must be an even number of pixels, 16 to %d", name, side, maxSide)
		}
	}
	between := func(name string, n, least, most int) {
		if n < least || n > most {
			pl.refuse(name, "prop %q is %d, and must be %d to %d", name, n, least, most)
		}
	}
	between("samples", pl.Samples, 0, 1<<20)
	between("fps", pl.FPS, 1, maxFPS)
	between("quality", pl.Quality, 1, 51)
	between("wordsPerMinute", pl.WordsPerMinute, 30, 600)
	for name, d := range map[string]time.Duration{"duration": pl.Duration, "seconds": pl.Each} {
		if d < 0 || d > maxDuration {
			pl.refuse(name, "prop %q is %s, and must be at most %s", name, d, maxDuration)
		}
	}
}

// angles reads from where the model is seen.
func (pl *plan) angles() {
	all := pl.Angles
	switch {
	case pl.Src == "" && len(all) > 0:
		pl.refuse("angles", `prop "angles" is for a model; slides have none`)
		return
	case pl.Src == "":
		return
	case len(all) == 0:
		all = []string{"turntable"}
	}
	for _, name := range all {
		count, turns := strings.CutPrefix(name, "turntable")
		if !turns {
			view, ok := raster.NamedView(name)
			if !ok {
				pl.refuse("angles", `prop "angles" has %q; write turntable, turntable:N, or %s`, name, strings.Join(raster.ViewNames(), ", "))
			}
			pl.views = append(pl.views, view)
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(count, ":"))
		switch {
		case len(all) > 1:
			pl.refuse("angles", `prop "angles" has a turntable and others; a turntable is alone`)
		case count == "":
		case err != nil || n < 2 || n > maxPictures || count[0] != ':':
			pl.refuse("angles", `prop "angles" has %q, and turntable takes 2 to %d pictures`, name, maxPictures)
		default:
			pl.views = raster.Turntable(n)
		}
		pl.turns = true
	}
}

// look finds what the video is made of, and how long it is.
func (pl *plan) look(ctx context.Context, c *modules.Call) (d modules.Demand, err error) {
	if pl.Src != "" {
		if pl.model, d, err = portrait.Read(ctx, c, pl.Src); err != nil {
			return d, err
		}
		pl.pictures = len(pl.views)
	} else {
		if d, err = pl.findSlides(ctx, c); err != nil {
			return d, err
		}
		pl.pictures = len(pl.slides)
	}
	sound, bytes, err := pl.listen(ctx, c)
	if err != nil {
		return d, fmt.Errorf("read %s: %w", pl.Audio, err)
	}
	d.Input += bytes
	if len(pl.cues) > 0 {
		if err := checkFont(font); err != nil {
			return d, fault.As(fault.Permanent, err)
		}
	}
	if err := pl.time(sound); err != nil {
		return d, fault.As(fault.Permanent, err)
	}
	pixels := int64(pl.Width) * int64(pl.Height)
	d.Disk += pixels*int64(pl.frames)/32 + bytes + 4*pixels
	d.Memory += 128<<20 + pixels*4*framesHeld
	return d, nil
}

const framesHeld = 64 // that filters and encoders keep

// listen looks at the sound, and says how long it is.
func (pl *plan) listen(ctx context.Context, c *modules.Call) (long time.Duration, bytes int64, err error) {
	if pl.Audio == "" {
		return 0, 0, nil
	}
	if bytes, err = film.Look(c, pl.Audio); err != nil {
		return 0, 0, err
	}
	real, err := c.Workspace.Path(pl.Audio)
	if err != nil {
		return 0, 0, err
	}
	p, err := film.Ask(ctx, c, nil, real)
	if err != nil {
		return 0, 0, err
	}
	if _, ok := p.Of("audio"); !ok {
		return 0, 0, fault.As(fault.Permanent, errors.New("there is no sound in it"))
	}
	_, _, seconds := p.Size()
	if seconds <= 0 && pl.Duration == 0 {
		return 0, 0, fault.As(fault.Permanent, errors.New("it does not say how long it is; say how long the video is (duration)"))
	}
	return time.Duration(seconds * float64(time.Second)), bytes, nil
}

// time settles how long the video is, and how many pictures it has.
func (pl *plan) time(sound time.Duration) error {
	read := time.Duration(0)
	for _, q := range pl.cues {
		read = max(read, q.end)
	}
	long := pl.Duration
	switch {
	case long > 0:
		if read > long {
			pl.warn("the captions take %.1f s, and the video ends after %.1f", read.Seconds(), long.Seconds())
		}
		if sound > long+time.Second/10 {
			pl.warn("the sound takes %.1f s, and is cut where the video ends after %.1f", sound.Seconds(), long.Seconds())
		}
	case pl.turns:
		long = max(aTurn, sound, read)
	default:
		each := pl.Each
		if each == 0 {
			each = aSlide
			if max(sound, read) > 0 {
				each = 0 // they share what is said
			}
		}
		long = max(each*time.Duration(pl.pictures), sound, read)
	}
	if long > maxDuration {
		return fmt.Errorf("the video would be %s long, and may be %s; say less, or give a duration", long.Round(time.Second), maxDuration)
	}
	pl.frames = max(1, int(long.Seconds()*float64(pl.FPS)+0.5))
	if pl.turns && pl.views == nil {
		pl.pictures = pl.frames
	}
	if pl.pictures > pl.frames {
		return fmt.Errorf("%d pictures do not fit into %d frames; give the video more time (duration) or more frames a second (fps)", pl.pictures, pl.frames)
	}
	pixels := int64(pl.Width) * int64(pl.Height)
	switch {
	case pixels*int64(pl.frames) > maxPixels:
		return fmt.Errorf("%d frames of %d x %d pixels are %d billion pixels, and a video may have %d; make it smaller or shorter",
			pl.frames, pl.Width, pl.Height, pixels*int64(pl.frames)/1e9, int64(maxPixels)/1e9)
	case pl.model != nil && (pl.pictures > maxPictures || pixels*int64(pl.pictures) > maxDrawn):
		return fmt.Errorf("%d pictures of %d x %d pixels are more than are drawn of a model (%d, and %d billion pixels); make it smaller or shorter, or draw fewer (angles: [turntable:90])",
			pl.pictures, pl.Width, pl.Height, maxPictures, int64(maxDrawn)/1e9)
	}
	if pl.turns && pl.views == nil {
		pl.views = raster.Turntable(pl.pictures)
	}
	pl.captioned()
	return nil
}

func (pl *plan) warn(format string, args ...any) {
	pl.warnings = append(pl.warnings, fmt.Sprintf(format, args...))
}

// long is the time of all frames.
func (pl *plan) long() float64 { return float64(pl.frames) / float64(pl.FPS) }

// Package renderer is the Renderer task: a video of a model that turns, or of pictures with sound and captions.
package renderer

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/portrait"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the Renderer task. It names no Chromium: without one it draws by itself.
var Module = modules.Define(modules.Spec{
	Name:    "Renderer",
	Summary: "Makes an MP4 of a model that turns, or of pictures one after the other, with sound and captions, by the GPU's encoder where there is one.",
	Example: "- module: Renderer\n  props: {src: chair.glb, dest: chair.mp4, duration: 8s}\n  register: video",
	Tools:   []tool.Tool{tool.FFmpeg(), tool.FFprobe()},
	Extras:  []tool.Tool{tool.Chromium()},
	GPU:     gpu.Need{Use: gpu.Preferred, Encoder: true},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src            string        `json:"src,omitzero" doc:"Model to turn, its y axis up: GLB, glTF, OBJ, STL or PLY, told by what it holds."`
	Slides         any           `json:"slides,omitzero" doc:"Pictures to show in place of a model: a file, a pattern such as slides/*.png in the order of names, or a list of those."`
	Dest           string        `json:"dest" aliases:"dst" default:"render.mp4" doc:"Video to write, .mp4: H.264 in yuv420p, and AAC; it appears when it is complete and checked."`
	Width          int           `json:"width" default:"1280" doc:"Width in pixels, even."`
	Height         int           `json:"height" default:"720" doc:"Height in pixels, even."`
	FPS            int           `json:"fps" aliases:"framerate" default:"25" doc:"Pictures a second, 1 to 60."`
	Duration       time.Duration `json:"duration,omitzero" unit:"s" doc:"How long the video is; a bare number is seconds. Without it 6 s for a turn; seconds for each slide, and at least as long as the sound and the captions."`
	Each           time.Duration `json:"seconds,omitzero" unit:"s" doc:"How long each slide, or named angle, is shown, without duration; 5 s."`
	Angles         []string      `json:"angles,omitzero" doc:"How the model is seen: turntable is all around, with a picture of its own for each of the video's; turntable:36 has that many in all; names (front, back, left, right, top, bottom) are shown one after the other. Without it turntable."`
	Background     string        `json:"background,omitzero" doc:"Colour behind the model or around slides: white, black, gray, #rgb or #rrggbb. Without it white behind a model and black around slides."`
	Audio          string        `json:"audio,omitzero" doc:"File with sound; it is cut, or silence follows, where the video's length differs. Empty is a video without sound."`
	Captions       any           `json:"captions,omitzero" doc:"Text to show below: one text, which is timed by wordsPerMinute, or a list of {text, start, end} in seconds. It is shown as it is: no sign in it means anything."`
	WordsPerMinute int           `json:"wordsPerMinute" default:"150" doc:"How fast captions are read, 30 to 600; a word of more than 15 letters counts as several."`
	Renderer       string        `json:"renderer" default:"auto" enum:"auto,three,cycles,raster" doc:"What draws a model: three is three.js in Chromium, on a GPU where its driver finds one; cycles is Blender's path tracer, which takes seconds for each picture; raster is software of our own, which needs nothing; auto is three where there is a Chromium, else raster."`
	Samples        int           `json:"samples,omitzero" doc:"Samples per pixel, of cycles, as of ScreenshotGenerator."`
	Encoder        string        `json:"encoder" default:"auto" enum:"auto,libx264,h264_nvenc" doc:"What encodes: h264_nvenc is the GPU's encoder, libx264 software; auto is h264_nvenc where the task has a GPU and a session opens on it."`
	Quality        int           `json:"quality" default:"20" doc:"1 to 51, less is better: libx264's CRF, h264_nvenc's CQ."`
	ViewerConfig   any           `json:"viewerConfig,omitzero" doc:"Settings of a web viewer, as of ScreenshotGenerator: the light a model is seen in."`

	plan *plan // what Probe found
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Duration float64  `json:"duration" doc:"Of the video, in seconds."`
	Frames   int64    `json:"frames" doc:"Pictures in the video, counted in what was written."`
	Width    int      `json:"width" fact:"made.width" doc:"Of the video, in pixels."`
	Height   int      `json:"height" fact:"made.height" doc:"Of the video, in pixels."`
	FPS      int      `json:"fps" doc:"Pictures a second."`
	Captions int      `json:"captions" doc:"Captions that are shown, one after the other."`
	Audio    string   `json:"audio" doc:"Codec of the sound: aac; empty where there is none."`
	Encoder  string   `json:"encoder" doc:"What encoded: h264_nvenc or libx264."`
	GPU      string   `json:"gpu" doc:"Name of the GPU that encoded; empty of libx264."`
	Renderer string   `json:"renderer" doc:"What drew the model: three, cycles or raster; empty of slides."`
	Device   string   `json:"device" doc:"What drew, as its driver calls it; empty of raster and of slides."`
	Samples  int      `json:"samples,omitzero" doc:"Samples that a pixel had at most, of cycles."`
	Warnings []string `json:"warnings" doc:"What was asked for and not done, a sentence each."`
}

// Validate says everything that is wrong with the props at once.
func (p *Props) Validate() error {
	_, problems := newPlan(p)
	if len(problems) == 0 {
		return nil
	}
	return &modules.PropError{Problems: problems}
}

// Probe looks at all that the video is made of, and refuses what is too large.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (modules.Demand, error) {
	pl, _ := newPlan(p)
	d, err := pl.look(ctx, c)
	if err == nil {
		p.plan = pl
	}
	return d, err
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	if p.plan == nil {
		if _, err := p.Probe(ctx, c); err != nil {
			return Output{}, err
		}
	}
	pl := p.plan
	by, err := chooseEncoder(ctx, c, p.Encoder)
	if err != nil {
		return Output{}, fmt.Errorf("make %s: %w", p.Dest, err)
	}
	w, err := newWork(c, pl, by)
	if err != nil {
		return Output{}, fmt.Errorf("prepare %s: %w", p.Dest, err)
	}
	defer w.remove()
	measured := modules.Measure()
	drawn, stats, err := w.make(ctx)
	if err != nil {
		return Output{}, fmt.Errorf("make %s: %w", p.Dest, err)
	}
	made, err := w.verify(ctx)
	if err != nil {
		return Output{}, fmt.Errorf("check what was written for %s: %w", p.Dest, err)
	}
	if err := c.Workspace.Rename(w.in(movie), p.Dest); err != nil {
		return Output{}, fmt.Errorf("write %s: %w", p.Dest, err)
	}
	stats.Elapsed = measured().Elapsed // of drawing and encoding
	stats.MaxMem, stats.MaxCPU = max(stats.MaxMem, drawn.Stats.MaxMem), max(stats.MaxCPU, drawn.Stats.MaxCPU)
	return Output{
		ToolOutput: modules.ToolOutput{
			Src: cmp.Or(p.Src, pl.slidesAs()), Dest: p.Dest,
			Config: map[string]any{"width": p.Width, "height": p.Height, "fps": p.FPS},
			Size:   strconv.FormatInt(made.bytes, 10), Stats: stats,
		},
		Duration: made.duration, Frames: made.frames, Width: p.Width, Height: p.Height, FPS: p.FPS, Captions: len(pl.cues), Audio: made.audio,
		Encoder: by.name, GPU: by.gpu, Renderer: drawn.Renderer, Device: drawn.Device, Samples: drawn.Samples,
		Warnings: w.warnings(by, drawn),
	}, nil
}

// warnings are everything that was asked for and not done.
func (w *work) warnings(by encoder, drawn portrait.Result) []string {
	all := append(w.plan.warnings, by.warnings...)
	return append(append(all, drawn.Warnings...), w.heard.warnings()...)
}

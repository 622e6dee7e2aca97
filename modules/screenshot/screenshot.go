// Package screenshot is the ScreenshotGenerator task: pictures of a model.
package screenshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/portrait"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/workspace"
)

// Module is the ScreenshotGenerator task. It names no tool: without Chromium it draws by itself.
var Module = modules.Define(modules.Spec{
	Name:    "ScreenshotGenerator",
	Summary: "Draws pictures of a model, from one side or several: by three.js in a headless Chromium, by Blender's path tracer Cycles, or in software of our own.",
	Example: "- module: ScreenshotGenerator\n" +
		"  props:\n    src: chair.glb\n    dest: chair.png\n    args: [--width 1024, --height 768, --camera-angles front]\n",
	Extras: []tool.Tool{tool.Chromium()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src          string        `json:"src" doc:"Model to draw, its y axis up: GLB, glTF, OBJ, STL or PLY, told by what it holds."`
	Dest         string        `json:"dest,omitzero" aliases:"dst" default:"render.png" doc:"Picture to write, .png or .jpg, or a folder for render_0.png and so on; with several angles pictures are numbered, where %d stands or before the extension."`
	Config       Config        `json:"config,omitzero" doc:"Size of the picture, and how it is drawn; args win over it."`
	Args         []any         `json:"args,omitzero" doc:"Options as on a command line: -w or --width, -h or --height, --background, --camera-angles (repeatable), --viewer-config, --renderer, --poster, --verbose."`
	Renderer     string        `json:"renderer" default:"auto" doc:"What draws: three is three.js in Chromium, on a GPU where its driver finds one; cycles is Blender's path tracer, on a GPU where the task has one (gpu: preferred); raster is software of our own, which needs nothing; auto is three where there is a Chromium, else raster."`
	Timeout      time.Duration `json:"timeout,omitzero" doc:"How long all pictures together may take; a bare number is milliseconds."`
	ViewerConfig any           `json:"viewerConfig,omitzero" doc:"Settings of a web viewer, a map or its JSON: background, cameraOrbit, environment (room, none), environmentIntensity, exposure, lights (studio, none, or a list of {type, color, intensity, position}), toneMapping (neutral, aces, agx, reinhard, linear, none)."`

	model *portrait.Model // what Probe read
}

// Config is the older form of the options.
type Config struct {
	Width    int    `json:"width,omitzero" doc:"Width in pixels; 1024 when it is not given."`
	Height   int    `json:"height,omitzero" doc:"Height in pixels; 1024 when it is not given."`
	UseGPU   bool   `json:"use_gpu,omitzero" doc:"Draw on a GPU, as gpu: required: it is an error where none draws, unless who runs the pipeline says gpu: preferred."`
	Samples  int    `json:"samples,omitzero" doc:"Samples per pixel, of cycles: 32 when it is not given, at most 4096 on a GPU, and on a CPU 128 or what it draws in about a minute. The other renderers have a number of their own, and say so in warnings."`
	Renderer string `json:"renderer,omitzero" doc:"The same as the prop renderer."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Images   []string     `json:"images" fact:"made" doc:"The pictures, in the order of the angles."`
	Renderer string       `json:"renderer" doc:"What drew them: three, cycles or raster."`
	Device   string       `json:"device" doc:"What drew, as its driver calls it; empty for raster."`
	Samples  int          `json:"samples,omitzero" doc:"Samples that a pixel had at most, of cycles."`
	Width    int          `json:"width" fact:"made.width" doc:"Width of each, in pixels."`
	Height   int          `json:"height" fact:"made.height" doc:"Height of each, in pixels."`
	JSON     modules.Path `json:"json" doc:"The file beside the pictures that says what the model has, as .model.json, in parts."`
	Warnings []string     `json:"warnings" doc:"What was asked for and not done, a sentence each."`
}

// Validate says everything that is wrong with the options at once.
func (p *Props) Validate() error {
	_, problems := newPlan(p)
	if len(problems) == 0 {
		return nil
	}
	return &modules.PropError{Problems: problems}
}

// Probe reads the model, and refuses one that is too large.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (d modules.Demand, err error) {
	p.model, d, err = portrait.Read(ctx, c, p.Src)
	return d, err
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	plan, _ := newPlan(&p)
	if p.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("it was not done within its timeout of %s", p.Timeout))
		defer cancel()
	}
	if info, err := c.Workspace.Stat(p.Dest); err == nil && info.IsDir() {
		plan.intoFolder(p.Dest)
	}
	if p.model == nil {
		if _, err := p.Probe(ctx, c); err != nil {
			return Output{}, err
		}
	}
	dump, err := p.model.Dump(ctx) // first: once the last picture is written, nothing looks at ctx
	if err != nil {
		return Output{}, fmt.Errorf("measure %s: %w", p.Src, err)
	}
	var images []string
	size := int64(0)
	drawn, err := p.model.Draw(ctx, c, plan.Job, func(i int, picture portrait.Picture) error {
		if picture.Empty {
			return fault.As(fault.Permanent, errors.New("nothing of it is seen"))
		}
		name := plan.name(i)
		n, err := write(c.Workspace, name, picture.Image)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		images, size = append(images, name), size+n
		return nil
	})
	if err != nil {
		return Output{}, fmt.Errorf("draw %s: %w", p.Src, err)
	}
	parts := plan.dump()
	if err := writeDump(c.Workspace, parts, dump); err != nil {
		return Output{}, fmt.Errorf("write %s: %w", parts, err)
	}
	return Output{
		ToolOutput: modules.ToolOutput{
			Src:    p.Src,
			Dest:   p.Dest,
			Config: map[string]any{"width": plan.Width, "height": plan.Height},
			Size:   strconv.FormatInt(size, 10),
			Stats:  drawn.Stats,
		},
		Images:   images,
		Renderer: drawn.Renderer,
		Device:   drawn.Device,
		Samples:  drawn.Samples,
		Width:    plan.Width,
		Height:   plan.Height,
		JSON:     modules.PathOf(parts),
		Warnings: append(plan.warnings, drawn.Warnings...),
	}, nil
}

// writeDump writes what a model has.
func writeDump(dir *workspace.Dir, name string, dump portrait.Dump) error {
	text, err := json.MarshalIndent(dump, "", "  ")
	if err != nil {
		return err
	}
	return dir.Replace(name, func(f *os.File) error {
		_, err := f.Write(append(text, '\n'))
		return err
	})
}

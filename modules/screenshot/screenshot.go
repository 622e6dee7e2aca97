// Package screenshot is the ScreenshotGenerator task: pictures of a model, drawn in software.
package screenshot

import (
	"context"
	"errors"
	"fmt"
	"image"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// Module is the ScreenshotGenerator task.
var Module = modules.Define(modules.Spec{
	Name:    "ScreenshotGenerator",
	Summary: "Draws pictures of an OBJ or STL model, from one side or several, in software.",
	Example: "- module: ScreenshotGenerator\n" +
		"  props:\n    src: part.obj\n    dest: part.png\n    args: [--width 1024, --height 768, --camera-angles front]\n",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src          string        `json:"src" doc:"Model to draw: .obj or .stl, its y axis up."`
	Dest         string        `json:"dest,omitzero" aliases:"dst" default:"render.png" doc:"Picture to write, .png or .jpg, or a folder for render_0.png and so on; with several angles pictures are numbered, where %d stands or before the extension."`
	Config       Config        `json:"config,omitzero" doc:"Size of the picture; args win over it."`
	Args         []any         `json:"args,omitzero" doc:"Options as on a command line: -w or --width, -h or --height, --background, --camera-angles (repeatable), --poster, --verbose."`
	Timeout      time.Duration `json:"timeout,omitzero" doc:"How long all pictures together may take; a bare number is milliseconds."`
	ViewerConfig string        `json:"viewerConfig,omitzero" doc:"Settings of a web viewer; this renderer has none of them and says so in warnings."`
}

// Config is the older form of the options.
type Config struct {
	Width   int  `json:"width,omitzero" doc:"Width in pixels; 1024 when it is not given."`
	Height  int  `json:"height,omitzero" doc:"Height in pixels; 1024 when it is not given."`
	UseGPU  bool `json:"use_gpu,omitzero" doc:"Draw on a GPU, which this renderer can't: true is refused."`
	Samples int  `json:"samples,omitzero" doc:"Samples per pixel of a path tracer; this renderer always takes 16 and says so in warnings."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Images   []string `json:"images" doc:"The pictures, in the order of the angles."`
	Renderer string   `json:"renderer" doc:"What drew them: raster, in software."`
	Width    int      `json:"width" doc:"Width of each, in pixels."`
	Height   int      `json:"height" doc:"Height of each, in pixels."`
	Warnings []string `json:"warnings" doc:"What was asked for and not done, a sentence each."`
}

// Validate says everything that is wrong with the options at once.
func (p *Props) Validate() error {
	_, problems := newPlan(p)
	if len(problems) == 0 {
		return nil
	}
	return &modules.PropError{Problems: problems}
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	plan, _ := newPlan(&p)
	if p.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("it was not done within its timeout of %s", p.Timeout))
		defer cancel()
	}
	if info, err := c.Workspace.Stat(p.Dest); err == nil && info.IsDir() {
		plan.intoFolder(p.Dest)
	}
	m, err := load(ctx, c, p.Src)
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	if m.Materials {
		plan.warn("the materials that %s names are not drawn; colours at its vertices would be", p.Src)
	}
	images, size, err := draw(ctx, c, m, plan)
	if err != nil {
		return Output{}, fmt.Errorf("draw %s: %w", p.Src, err)
	}
	return Output{
		ToolOutput: modules.ToolOutput{
			Src:    p.Src,
			Dest:   p.Dest,
			Config: map[string]any{"width": plan.width, "height": plan.height},
			Size:   strconv.FormatInt(size, 10),
			Stats:  measured(),
		},
		Images:   images,
		Renderer: "raster",
		Width:    plan.width,
		Height:   plan.height,
		Warnings: plan.warnings,
	}, nil
}

func load(ctx context.Context, c *modules.Call, src string) (*mesh.Mesh, error) {
	info, err := c.Workspace.Stat(src)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	}
	f, err := c.Workspace.Open(src)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if strings.EqualFold(path.Ext(src), ".stl") {
		return mesh.ReadSTL(ctx, f)
	}
	return mesh.ReadOBJ(ctx, f)
}

// draw writes one picture for each view, and returns their names and the bytes of all.
func draw(ctx context.Context, c *modules.Call, m *mesh.Mesh, p *plan) (images []string, size int64, err error) {
	scene, err := raster.NewScene(ctx, m)
	if err != nil {
		return nil, 0, err
	}
	for i, view := range p.views {
		var img *image.RGBA
		img, err = scene.Render(ctx, raster.Options{Width: p.width, Height: p.height, View: view, Background: p.background})
		if err != nil {
			return nil, 0, err
		}
		name := p.name(i)
		n, err := write(c.Workspace, name, img)
		if err != nil {
			return nil, 0, err
		}
		images, size = append(images, name), size+n
	}
	return images, size, nil
}

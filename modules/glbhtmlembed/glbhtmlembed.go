// Package glbhtmlembed is the GlbHtmlEmbed task: a page that shows a model and holds all it needs.
package glbhtmlembed

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/threejs"
)

// Module is the GlbHtmlEmbed task.
var Module = modules.Define(modules.Spec{
	Name:    "GlbHtmlEmbed",
	Summary: "Writes an HTML page that shows a GLB, to be turned by hand; it holds all it needs and asks no server.",
	Example: "- module: GlbHtmlEmbed\n  props: {src: chair.glb, dest: chair.html, config: {autoRotate: true}}\n",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src     string `json:"src" doc:"Model to show: GLB, or glTF with its buffers and pictures."`
	Dest    string `json:"dest" aliases:"dst" doc:"Page to write, .html; it appears when it is complete and was read again."`
	Config  any    `json:"config,omitzero" doc:"Settings of the viewer, a map or its JSON: autoRotate, autoRotateSpeed, background, cameraOrbit, environment, environmentIntensity, exposure, lights, toneMapping, as ScreenshotGenerator's viewerConfig has them."`
	Title   string `json:"title,omitzero" doc:"Title of the page; the model's name when it is not given."`
	Inline  bool   `json:"inline" default:"true" doc:"No choice: the page holds the model and the viewer."`
	Version string `json:"version,omitzero" doc:"No choice: the viewer is the one that this program holds."`
	CDN     string `json:"cdn,omitzero" doc:"No choice: nothing is fetched from anywhere."`

	doc *glb.Document // what Probe read
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Triangles int64    `json:"triangles" fact:"read.triangles,made.triangles" doc:"Triangles that the model draws."`
	Warnings  []string `json:"warnings" doc:"What was asked for and not done, a sentence each."`
}

// What a model may have: the page holds it as text, and browsers end at half a gigabyte of that.
const (
	maxBytes     = 128 << 20
	maxTriangles = 10e6
	maxTitle     = 200 // bytes
)

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	if e := strings.ToLower(path.Ext(p.Dest)); e != ".html" && e != ".htm" {
		problems = append(problems, modules.Problem{Path: "dest", Msg: fmt.Sprintf(`prop "dest" is %q, and a page ends in .html`, p.Dest)})
	}
	if _, _, err := threejs.ReadSettings(p.Config); err != nil {
		problems = append(problems, modules.Problem{Path: "config", Msg: err.Error()})
	}
	if len(p.Title) > maxTitle {
		problems = append(problems, modules.Problem{Path: "title", Msg: fmt.Sprintf(`prop "title" is longer than %d bytes`, maxTitle)})
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// Probe reads the model, and refuses one that is too large for a page.
func (p *Props) Probe(_ context.Context, c *modules.Call) (d modules.Demand, err error) {
	if p.doc, err = glb.Open(c.Workspace, p.Src, glb.Limits{}); err != nil {
		return d, fmt.Errorf("read %s: %w", p.Src, err)
	}
	m, size := p.doc.Count(), p.doc.Size()
	switch {
	case m.Triangles == 0:
		return d, permanent("%s draws no triangle", p.Src)
	case m.Triangles > maxTriangles:
		return d, permanent("%s draws %d triangles, more than the %d that a page shows", p.Src, m.Triangles, int64(maxTriangles))
	case size > maxBytes:
		return d, permanent("%s is %d MiB, more than the %d that a page holds; make it smaller first (MeshOptimizer)", p.Src, size>>20, maxBytes>>20)
	}
	return modules.Demand{Input: size, Disk: 2*size + 4<<20, Memory: 6*size + 32<<20}, nil
}

func permanent(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	if p.doc == nil {
		if _, err := p.Probe(ctx, c); err != nil {
			return Output{}, err
		}
	}
	s, warnings, err := threejs.ReadSettings(p.Config)
	if err != nil {
		return Output{}, err
	}
	warnings = append(warnings, p.unused()...)
	pg, err := newPage(p, s)
	if err != nil {
		return Output{}, fmt.Errorf("prepare %s: %w", p.Dest, err)
	}
	var size int64
	err = c.Workspace.Replace(p.Dest, func(f *os.File) (err error) {
		if size, err = pg.write(f); err != nil {
			return err
		}
		return errors.Join(context.Cause(ctx), pg.check(f))
	})
	if err != nil {
		return Output{}, fmt.Errorf("write %s: %w", p.Dest, err)
	}
	return Output{
		ToolOutput: modules.ToolOutput{Src: p.Src, Dest: p.Dest, Config: p.config(), Size: strconv.FormatInt(size, 10), Stats: measured()},
		Triangles:  pg.triangles, Warnings: warnings,
	}, nil
}

// unused says which choices were none.
func (p *Props) unused() []string {
	var all []string
	if !p.Inline {
		all = append(all, "inline: false was not used; the page always holds the model and the viewer")
	}
	if p.CDN != "" {
		all = append(all, fmt.Sprintf("cdn: %s was not used; the page fetches nothing from anywhere", p.CDN))
	}
	if p.Version != "" {
		all = append(all, fmt.Sprintf("version: %s was not used; the viewer is the one that Millrace holds", p.Version))
	}
	return all
}

func (p *Props) config() map[string]any {
	m, _ := p.Config.(map[string]any)
	return m
}

// css writes a colour.
func css(c color.NRGBA) string {
	return fmt.Sprintf("rgb(%d %d %d / %.3f)", c.R, c.G, c.B, float64(c.A)/255)
}

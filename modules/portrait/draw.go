package portrait

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"slices"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/chromium"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/threejs"
	"github.com/millrace/millrace/modules/tool"
)

// The renderers.
const (
	Auto   = "auto"   // Three where there is a Chromium, else Raster
	Three  = "three"  // three.js in Chromium
	Cycles = "cycles" // Blender's path tracer
	Raster = "raster" // software of ours
)

// A Job is the pictures to make of a model.
type Job struct {
	Width, Height int // pixels
	Views         []raster.View
	Background    color.NRGBA // the zero value is transparent
	Renderer      string
	GPU           bool // it is an error where what draws is software, unless who runs the pipeline only prefers a GPU
	Samples       int  // of a pixel, of Cycles; 0 are blender.DefaultSamples
	Look          threejs.Look
}

// A Picture is one of a job's.
type Picture struct {
	Image *image.RGBA
	Empty bool // nothing of the model is seen
}

// A Result is what came of a job.
type Result struct {
	Renderer string   // Three, Cycles or Raster
	Device   string   // what drew, as its driver calls it; empty for Raster
	Samples  int      // that a pixel had at most, of Cycles
	Warnings []string // what was asked for and not done, a sentence each
	Stats    modules.Stats
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// Draw hands over one picture for each view, in their order. When each returns an error, that is Draw's.
func (m *Model) Draw(ctx context.Context, c *modules.Call, j Job, each func(i int, p Picture) error) (Result, error) {
	r := Result{Warnings: slices.Clone(m.notes)}
	j.GPU = j.GPU && c.GPU.Use != gpu.Preferred
	switch j.Renderer {
	case Raster:
		err := m.drawHere(ctx, j, &r, each)
		return r, err
	case Cycles:
		err := m.trace(ctx, c, j, &r, each)
		return r, err
	}
	_, err := c.Tools.Find(ctx, tool.Chromium())
	lacks, missing := errors.AsType[*tool.MissingError](err)
	if missing && j.Renderer == Auto && !j.GPU {
		r.warn("raster drew, in software and at lower quality, since %v", lacks)
		err := m.drawHere(ctx, j, &r, each)
		return r, err
	}
	err = m.drawThere(ctx, c, j, &r, each)
	return r, err
}

// drawHere draws in this process.
func (m *Model) drawHere(ctx context.Context, j Job, r *Result, each func(i int, p Picture) error) error {
	measured := modules.Measure()
	triangles, notes, err := m.triangles(ctx)
	if err != nil {
		return err
	}
	r.Renderer, r.Warnings = Raster, append(r.Warnings, notes...)
	scene, err := raster.NewScene(ctx, triangles)
	if err != nil {
		return err
	}
	for i, view := range j.Views {
		img, err := scene.Render(ctx, raster.Options{Width: j.Width, Height: j.Height, View: view, Look: j.Look})
		if err != nil {
			return err
		}
		if err := each(i, j.picture(img)); err != nil {
			return err
		}
	}
	r.Stats = measured()
	return nil
}

// drawThere draws in Chromium.
func (m *Model) drawThere(ctx context.Context, c *modules.Call, j Job, r *Result, each func(i int, p Picture) error) error {
	doc, err := m.forPage(ctx)
	if err != nil {
		return err
	}
	file, err := save(doc)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	job := chromium.Job{Model: file, Extensions: doc.Used, Look: j.Look, Width: j.Width, Height: j.Height, GPU: j.GPU}
	for _, v := range j.Views {
		job.Views = append(job.Views, threejs.View(v))
	}
	browser := chromium.Chromium{Tools: c.Tools, Exec: c.Exec, Env: c.Env, Warm: c.Chromium}
	drawn, err := browser.Draw(ctx, job, func(i int, p chromium.Picture) error { return each(i, j.picture(p.Image)) })
	r.Renderer, r.Device, r.Stats = Three, drawn.Renderer, modules.StatsOf(drawn.Stats)
	return err
}

// picture lays what was drawn before the background.
func (j *Job) picture(img *image.RGBA) Picture {
	p := Picture{img, empty(img)}
	lay(img, j.Background)
	return p
}

// forPage is the model as a document. A mesh gets the normals that raster draws.
func (m *Model) forPage(ctx context.Context) (*glb.Document, error) {
	if m.doc != nil {
		return m.doc, nil
	}
	scene, err := raster.NewScene(ctx, m.mesh)
	if err != nil {
		return nil, err
	}
	return m.document(scene.Normals()), nil
}

// save writes a document to a file of its own, outside of the workspace.
func save(doc *glb.Document) (name string, err error) {
	f, err := os.CreateTemp("", "portrait-*.glb")
	if err != nil {
		return "", err
	}
	if err := errors.Join(doc.Write(f), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// empty says that a picture shows nothing.
func empty(img *image.RGBA) bool {
	for i := 3; i < len(img.Pix); i += 4 {
		if img.Pix[i] != 0 {
			return false
		}
	}
	return true
}

// lay puts a colour behind a picture.
func lay(img *image.RGBA, back color.NRGBA) {
	if back.A == 0 {
		return
	}
	out := image.NewRGBA(img.Rect)
	draw.Draw(out, out.Rect, image.NewUniform(back), image.Point{}, draw.Src)
	draw.Draw(out, out.Rect, img, image.Point{}, draw.Over)
	*img = *out
}

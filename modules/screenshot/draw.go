package screenshot

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/chromium"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/raster"
	"github.com/millrace/millrace/modules/threejs"
	"github.com/millrace/millrace/modules/tool"
)

// A drawn is what came of a plan.
type drawn struct {
	images   []string
	size     int64  // bytes of all
	renderer string // three, cycles or raster
	device   string // what drew, as its driver calls it; empty for raster
	samples  int    // of a pixel, of cycles
	stats    modules.Stats
}

// draw draws a model by what the plan, or this machine, says.
func (pl *plan) draw(ctx context.Context, c *modules.Call, m *model) (*drawn, error) {
	switch pl.renderer {
	case raw:
		return pl.drawHere(ctx, c, m)
	case cycles:
		return pl.trace(ctx, c, m)
	}
	_, err := c.Tools.Find(ctx, tool.Chromium())
	lacks, missing := errors.AsType[*tool.MissingError](err)
	if missing && pl.renderer == auto && !pl.must(c) {
		pl.warn("raster drew, in software and at lower quality, since %v", lacks)
		return pl.drawHere(ctx, c, m)
	}
	return pl.drawThere(ctx, c, m)
}

// drawHere draws in this process.
func (pl *plan) drawHere(ctx context.Context, c *modules.Call, m *model) (*drawn, error) {
	measured := modules.Measure()
	triangles, notes, err := m.triangles(ctx)
	if err != nil {
		return nil, err
	}
	pl.warnings = append(pl.warnings, notes...)
	if pl.look.Given() {
		pl.warn("the viewer's light was not used; raster has its own")
	}
	scene, err := raster.NewScene(ctx, triangles)
	if err != nil {
		return nil, err
	}
	d := &drawn{renderer: raw}
	for i, view := range pl.views {
		img, err := scene.Render(ctx, raster.Options{Width: pl.width, Height: pl.height, View: view, Background: pl.background})
		if err != nil {
			return nil, err
		}
		if err := d.add(c, pl.name(i), img); err != nil {
			return nil, err
		}
	}
	d.stats = measured()
	return d, nil
}

// drawThere draws in Chromium.
func (pl *plan) drawThere(ctx context.Context, c *modules.Call, m *model) (*drawn, error) {
	doc, err := m.forPage(ctx)
	if err != nil {
		return nil, err
	}
	file, err := save(doc)
	if err != nil {
		return nil, err
	}
	defer os.Remove(file)
	job := chromium.Job{Model: file, Extensions: doc.Used, Look: pl.look, Width: pl.width, Height: pl.height, GPU: pl.must(c)}
	for _, v := range pl.views {
		job.Views = append(job.Views, threejs.View(v))
	}
	d := &drawn{renderer: three}
	browser := chromium.Chromium{Tools: c.Tools, Exec: c.Exec, Env: c.Env}
	r, err := browser.Draw(ctx, job, func(i int, p chromium.Picture) error {
		if empty(p.Image) {
			return permanent("nothing of it is seen")
		}
		lay(p.Image, pl.background)
		return d.add(c, pl.name(i), p.Image)
	})
	d.device, d.stats = r.Renderer, modules.StatsOf(r.Stats)
	return d, err
}

// forPage is the model as a document. A mesh gets the normals that raster draws.
func (m *model) forPage(ctx context.Context) (*glb.Document, error) {
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
	f, err := os.CreateTemp("", "screenshot-*.glb")
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

func (d *drawn) add(c *modules.Call, name string, img *image.RGBA) error {
	n, err := write(c.Workspace, name, img)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	d.images, d.size = append(d.images, name), d.size+n
	return nil
}

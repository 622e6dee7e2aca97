// Package chromium draws GLB models in a headless Chromium, which knows no network: each in a page of its own.
//
// The page is three.js with our scene (package threejs); the model is a file that the page is handed, and the pictures come back
// over the pipe by which the browser is led. The GLB must hold all it needs: glb.Document.Write makes such a file.
package chromium

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/threejs"
	"github.com/millrace/millrace/modules/tool"
)

const (
	maxTime = 30 * time.Minute
	// maxTile is the longest side of what is drawn at once, in pixels: larger pictures are put together.
	maxTile = 2048
)

// A Chromium is what runs need of a machine; a module's call has all of it.
type Chromium struct {
	Tools *tool.Set
	Exec  proc.Runner
	Env   []string
	Warm  *Warm // keeps one running for the next model; nil: each has its own
}

// A Job is one model and the pictures to make of it.
type Job struct {
	Model         string   // real path of a GLB that holds all it needs
	Extensions    []string // that it uses
	Look          threejs.Look
	Width, Height int // pixels
	Views         []threejs.View
	GPU           bool // it is an error where the driver draws in software
}

// A Picture is one of a job's.
type Picture struct {
	Image  *image.RGBA
	Matrix Matrix // the camera's in the world
}

// A Result is what came of a job.
type Result struct {
	Renderer  string // what drew, as the driver calls itself
	Triangles int64  // that the first picture drew
	Stats     proc.Stats
}

// Draw hands over one picture for each view, with a transparent background, in their order. What the page can't draw is a
// permanent error; when each returns an error, that is Draw's.
func (c Chromium) Draw(ctx context.Context, j Job, each func(i int, p Picture) error) (Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fault.As(fault.Permanent, fmt.Errorf("Chromium takes longer than %v", maxTime)))
	defer cancel()
	var r Result
	draw := func(p *process) error {
		return p.lead(ctx, func() error { return p.draw(j, &r, each) })
	}
	if c.Warm != nil {
		stats, err := c.Warm.use(ctx, c, draw)
		r.Stats = stats
		return r, err
	}
	p, err := c.start(ctx)
	if err != nil {
		return r, err
	}
	err = draw(p)
	p.End()
	r.Stats = p.exit.Stats
	return r, err
}

// draw draws a model on the page that was opened in advance, or on a new one, and closes that.
func (p *process) draw(j Job, r *Result, each func(i int, p Picture) error) error {
	if p.page == nil {
		if err := p.open(); err != nil {
			return err
		}
	}
	page := p.page
	p.page = nil
	decoders, err := unpack(p.own, j.Extensions)
	if err != nil {
		return err
	}
	if err := page.load(j, decoders); err != nil {
		return err
	}
	r.Renderer = page.Renderer
	if j.GPU && software(r.Renderer) {
		return permanent("no GPU drew, but " + r.Renderer + "; the container needs a GPU and its graphics driver (NVIDIA_DRIVER_CAPABILITIES=all)")
	}
	for i, view := range j.Views {
		img, painted, err := page.picture(j, view)
		if err != nil {
			return err
		}
		if i == 0 {
			r.Triangles = painted.Triangles
		}
		if err := each(i, Picture{img, painted.Matrix}); err != nil {
			return err
		}
	}
	if page.close() != nil { // it has done its work, and does no other
		p.cancel(errDone)
		<-p.done
	}
	return nil
}

// unpack writes the decoders that a page needs into a folder, and returns where they are by the name that the page knows.
func unpack(own string, extensions []string) (map[string]string, error) {
	paths := map[string]string{}
	for _, f := range threejs.Decoders(extensions) {
		path := filepath.Join(own, filepath.Base(f.Name))
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			return nil, err
		}
		paths[f.Name] = path
	}
	return paths, nil
}

// A Matrix is where a camera stands in the world: its axes to the right, up and back, and its place, columns first.
type Matrix [16]float64

// software says whether a driver of this name draws on the CPU.
func software(renderer string) bool {
	return slices.ContainsFunc([]string{"llvmpipe", "softpipe", "SwiftShader", "Software"}, func(name string) bool {
		return strings.Contains(renderer, name)
	})
}

// permanent is an error of the page about what it was handed.
func permanent(text string) error { return fault.As(fault.Permanent, errors.New(text)) }

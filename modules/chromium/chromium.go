// Package chromium draws GLB models in a headless Chromium: one process tree for one model, which knows no network.
//
// The page is three.js with our scene (package threejs); the model is a file that the page is handed, and the pictures come back
// over the pipe by which the browser is led. The GLB must hold all it needs: glb.Document.Write makes such a file.
package chromium

import (
	"context"
	"encoding/base64"
	"encoding/json"
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
	own, err := os.MkdirTemp("", "chromium-") // its profile, and what the page is handed
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(own)
	decoders, err := unpack(own, j.Extensions)
	if err != nil {
		return Result{}, err
	}
	var r Result
	r.Stats, err = c.led(ctx, own, func(b *browser) error {
		p, err := b.open(j, decoders)
		if err != nil {
			return err
		}
		r.Renderer = p.Renderer
		if j.GPU && software(r.Renderer) {
			return permanent("no GPU drew, but " + r.Renderer + "; the container needs a GPU and its graphics driver (NVIDIA_DRIVER_CAPABILITIES=all)")
		}
		for i, view := range j.Views {
			img, painted, err := p.picture(j, view)
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
		return nil
	})
	return r, err
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

// A page has a model open.
type page struct {
	browser  *browser
	Renderer string `json:"renderer"`
	Width    int    `json:"width"` // of a tile
	Height   int    `json:"height"`
}

// policy keeps the page from everything but what it was handed, whatever a model names.
const policy = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; connect-src blob: data:; worker-src blob:; img-src blob: data:"

// open makes a page, hands it the files and has it read the model.
func (b *browser) open(j Job, decoders map[string]string) (*page, error) {
	var target struct{ TargetID, SessionID string }
	if err := b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	if err := b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target); err != nil {
		return nil, err
	}
	b.session = target.SessionID
	csp, _ := json.Marshal(policy)
	prepare := `{ const m = document.createElement('meta'); m.httpEquiv = 'Content-Security-Policy'; m.content = ` + string(csp) + `;
		document.head.append(m); const i = document.createElement('input'); i.type = 'file'; i.multiple = true; document.body.append(i); }`
	if err := b.evaluate(prepare, nil); err != nil {
		return nil, err
	}
	if err := b.evaluate(string(threejs.Script()), nil); err != nil {
		return nil, err
	}
	names := []string{""}
	paths := []string{j.Model}
	for name, path := range decoders {
		names, paths = append(names, name), append(paths, path)
	}
	if err := b.handOver(paths); err != nil {
		return nil, err
	}
	w, h := tile(j.Width), tile(j.Height)
	arguments, err := json.Marshal([]any{w, h, names, j.Look})
	if err != nil {
		return nil, err
	}
	p := &page{browser: b}
	err = b.evaluate(`(async ([width, height, names, look]) => {
		const bytes = await Promise.all([...document.querySelector('input').files].map((f) => f.arrayBuffer()));
		globalThis.painter = new Millrace.Painter(width, height);
		return painter.open(bytes[0], Object.fromEntries(names.map((n, i) => [n, bytes[i]]).slice(1)), look);
	})(`+string(arguments)+`)`, p)
	if err != nil {
		return nil, err
	}
	if p.Width != w || p.Height != h {
		return nil, fmt.Errorf("the graphics driver (%s) draws %d x %d pixels and no more", p.Renderer, p.Width, p.Height)
	}
	return p, nil
}

// handOver puts files into the page's file input; the browser reads them when the page does.
func (b *browser) handOver(paths []string) error {
	var input struct{ Result struct{ ObjectID string } }
	err := b.call("Runtime.evaluate", map[string]any{"expression": "document.querySelector('input')"}, &input)
	if err != nil {
		return err
	}
	return b.call("DOM.setFileInputFiles", map[string]any{"files": paths, "objectId": input.Result.ObjectID}, nil)
}

// tile is the side of the tiles that a side of a picture is put together from.
func tile(side int) int {
	n := (side + maxTile - 1) / maxTile
	return (side + n - 1) / n
}

// A painted is a tile.
type painted struct {
	Triangles int64  `json:"triangles"`
	Matrix    Matrix `json:"matrix"`
	Pixels    string `json:"pixels"` // base64 of RGBA, rows from below
}

// picture draws a model from one side.
func (p *page) picture(j Job, v threejs.View) (*image.RGBA, painted, error) {
	img := image.NewRGBA(image.Rect(0, 0, j.Width, j.Height))
	var out painted
	for y := 0; y < j.Height; y += p.Height {
		for x := 0; x < j.Width; x += p.Width {
			arguments, err := json.Marshal(struct {
				Width  int `json:"width"`
				Height int `json:"height"`
				threejs.View
				X int `json:"x"`
				Y int `json:"y"`
			}{j.Width, j.Height, v, x, y})
			if err != nil {
				return nil, out, err
			}
			if err := p.browser.evaluate("painter.paint("+string(arguments)+")", &out); err != nil {
				return nil, out, err
			}
			if err := p.lay(img, x, y, out.Pixels); err != nil {
				return nil, out, err
			}
		}
	}
	return img, out, nil
}

// lay puts a tile into its picture.
func (p *page) lay(img *image.RGBA, x, y int, text string) error {
	pixels, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(pixels) != 4*p.Width*p.Height {
		return errors.New("Chromium sent pixels that are none")
	}
	wide := 4 * min(p.Width, img.Rect.Dx()-x)
	for row := range min(p.Height, img.Rect.Dy()-y) {
		from := 4 * p.Width * (p.Height - 1 - row)
		copy(img.Pix[img.PixOffset(x, y+row):], pixels[from:from+wide])
	}
	return nil
}

// software says whether a driver of this name draws on the CPU.
func software(renderer string) bool {
	return slices.ContainsFunc([]string{"llvmpipe", "softpipe", "SwiftShader", "Software"}, func(name string) bool {
		return strings.Contains(renderer, name)
	})
}

// permanent is an error of the page about what it was handed.
func permanent(text string) error { return fault.As(fault.Permanent, errors.New(text)) }

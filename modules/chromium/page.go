package chromium

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/modules/threejs"
)

// A page draws one model.
type page struct {
	browser  *browser
	context  string // of the browser's, which no other page is in
	Renderer string `json:"renderer"`
	Width    int    `json:"width"` // of a tile
	Height   int    `json:"height"`
}

// policy keeps the page from everything but what it was handed, whatever a model names.
const policy = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; connect-src blob: data:; worker-src blob:; img-src blob: data:"

// open opens a page that is ready for a model. It has nothing in common with those before it: no storage, no process.
func (p *process) open() error {
	var context struct{ BrowserContextID string }
	var target struct{ TargetID, SessionID string }
	b := p.browser
	b.session = ""
	if err := b.call("Target.createBrowserContext", map[string]any{}, &context); err != nil {
		return err
	}
	if err := b.call("Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.BrowserContextID}, &target); err != nil {
		return err
	}
	if err := b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target); err != nil {
		return err
	}
	b.session = target.SessionID
	csp, _ := json.Marshal(policy)
	prepare := `{ const m = document.createElement('meta'); m.httpEquiv = 'Content-Security-Policy'; m.content = ` + string(csp) + `;
		document.head.append(m); const i = document.createElement('input'); i.type = 'file'; i.multiple = true; document.body.append(i); }`
	if err := b.evaluate(prepare, nil); err != nil {
		return err
	}
	if err := b.evaluate(string(threejs.Script()), nil); err != nil {
		return err
	}
	room := filepath.Join(p.own, "room")
	if err := os.WriteFile(room, threejs.Room(), 0o600); err != nil {
		return err
	}
	if err := b.handOver([]string{room}); err != nil {
		return err
	}
	paint := "document.querySelector('input').files[0].arrayBuffer().then((bytes) => { globalThis.painter = new Millrace.Painter(bytes); })"
	if err := b.evaluate(paint, nil); err != nil {
		return err
	}
	p.page = &page{browser: b, context: context.BrowserContextID}
	return nil
}

// close closes the page, of which nothing is left.
func (p *page) close() error {
	p.browser.session = ""
	return p.browser.call("Target.disposeBrowserContext", map[string]any{"browserContextId": p.context}, nil)
}

// load hands the page a model and its decoders, and has it read them.
func (p *page) load(j Job, decoders map[string]string) error {
	names := []string{""}
	paths := []string{j.Model}
	for name, path := range decoders {
		names, paths = append(names, name), append(paths, path)
	}
	if err := p.browser.handOver(paths); err != nil {
		return err
	}
	w, h := tile(j.Width), tile(j.Height)
	arguments, err := json.Marshal([]any{w, h, names, j.Look})
	if err != nil {
		return err
	}
	err = p.browser.evaluate(`(async ([width, height, names, look]) => {
		const bytes = await Promise.all([...document.querySelector('input').files].map((f) => f.arrayBuffer()));
		return painter.open(width, height, bytes[0], Object.fromEntries(names.map((n, i) => [n, bytes[i]]).slice(1)), look);
	})(`+string(arguments)+`)`, p)
	if err != nil {
		return err
	}
	if p.Width != w || p.Height != h {
		return fmt.Errorf("the graphics driver (%s) draws %d x %d pixels and no more", p.Renderer, p.Width, p.Height)
	}
	return nil
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

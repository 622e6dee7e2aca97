package glbhtmlembed

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path"

	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/threejs"
)

// The page's parts stand one after the other: head, viewer, decoders, model, script. What is not ours in them is escaped (the
// title), JSON without a "<" (settings), or base64.
const (
	// It may ask nobody for anything, so neither can a model.
	head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; connect-src blob: data:; worker-src blob:; img-src blob: data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
html, body { margin: 0; height: 100%%; background: %s; }
#view { height: 100%%; touch-action: none; }
#view canvas { display: block; }
#said { position: fixed; inset: auto 1em 1em; font: 1em system-ui, sans-serif; color: #b00; }
</style>
</head>
<body>
<div id="view" role="img" aria-label="%s"></div>
<p id="said" role="alert"></p>
`
	script = `<script>
(async (look) => {
  const bytes = (e) => Uint8Array.from(atob(e.textContent), (c) => c.charCodeAt(0)).buffer;
  try {
    const decoders = {};
    for (const e of document.querySelectorAll('script[data-decoder]')) decoders[e.dataset.decoder] = bytes(e);
    const shown = await Millrace.view(document.getElementById('view'), bytes(document.getElementById('model')), decoders, look);
    requestAnimationFrame(() => requestAnimationFrame(() => { document.documentElement.dataset.triangles = shown.triangles(); }));
  } catch (e) {
    document.getElementById('said').textContent = 'The model cannot be shown: ' + e.message;
  }
})(%s);
</script>
</body>
</html>
`
	modelStart = `<script type="text/plain" id="model">`
	end        = "</script>\n"
)

// A page is what is written.
type page struct {
	title      string
	background string
	settings   []byte // JSON
	doc        *glb.Document
	triangles  int64
}

func newPage(p Props, s threejs.Settings) (*page, error) {
	look := struct {
		threejs.Look
		*threejs.View
		AutoRotate      bool     `json:"autoRotate,omitzero"`
		AutoRotateSpeed *float64 `json:"autoRotateSpeed,omitzero"`
	}{s.Look, s.Orbit, s.AutoRotate, s.AutoRotateSpeed}
	settings, err := json.Marshal(look) // writes "<" as \u003c
	if err != nil {
		return nil, err
	}
	pg := &page{title: cmp.Or(p.Title, path.Base(p.Src)), background: "#fff", settings: settings, doc: p.doc, triangles: p.doc.Count().Triangles}
	if s.Background != nil {
		pg.background = css(*s.Background)
	}
	return pg, nil
}

// write returns the size of the page, in bytes.
func (pg *page) write(f *os.File) (size int64, err error) {
	w := bufio.NewWriterSize(f, 1<<16)
	title := html.EscapeString(pg.title)
	fmt.Fprintf(w, head, title, pg.background, title)
	w.WriteString("<script>")
	w.Write(threejs.Script())
	w.WriteString(end)
	for _, d := range threejs.Decoders(pg.doc.Used) {
		fmt.Fprintf(w, `<script type="text/plain" data-decoder="%s">`, d.Name)
		w.WriteString(base64.StdEncoding.EncodeToString(d.Data))
		w.WriteString(end)
	}
	w.WriteString(modelStart)
	text := base64.NewEncoder(base64.StdEncoding, w)
	if err := errors.Join(pg.doc.Write(text), text.Close()); err != nil {
		return 0, err
	}
	w.WriteString(end)
	fmt.Fprintf(w, script, pg.settings)
	if err := w.Flush(); err != nil { // it keeps the first error of the writes above
		return 0, err
	}
	return f.Seek(0, io.SeekCurrent)
}

// check reads the model out of the page again.
func (pg *page) check(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	_, rest, found := bytes.Cut(text, []byte(modelStart))
	model, rest, ended := bytes.Cut(rest, []byte(end))
	if !found || !ended || !bytes.HasSuffix(rest, []byte("</html>\n")) {
		return errors.New("read the page back: it is not whole")
	}
	doc, err := glb.Read(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(model)), glb.Source{})
	if err != nil {
		return fmt.Errorf("read the page back: %w", err)
	}
	if n := doc.Count().Triangles; n != pg.triangles {
		return fmt.Errorf("read the page back: its model draws %d triangles, and not %d", n, pg.triangles)
	}
	return nil
}

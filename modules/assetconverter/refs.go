package assetconverter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/millrace/millrace/modules/blender"
)

// references sees that the documents that the asset refers to lie in the workspace and are there, where its reader would not
// tell. Of pictures the reader does.
func (w *work) references(ctx context.Context) error {
	switch w.kind {
	case kind(blender.OBJ):
		return w.scanOBJ(ctx)
	case kind(blender.DAE):
		return w.scanDAE(ctx)
	}
	return nil
}

// besideSrc is the name in the workspace of what a file beside src is called.
func (w *work) besideSrc(name string) string {
	return path.Join(path.Dir(w.src), strings.ReplaceAll(name, `\`, "/"))
}

// scanOBJ looks for the libraries of materials.
func (w *work) scanOBJ(ctx context.Context) error {
	f, err := w.call.Workspace.Open(w.src)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 64<<10)
	for n := 0; ; n++ {
		if n%8192 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line, err := lines.ReadSlice('\n')
		if rest, ok := bytes.CutPrefix(bytes.TrimLeftFunc(line, isBlank), []byte("mtllib")); ok {
			if err := w.library(strings.TrimSpace(string(rest))); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) { // a line may be long: only its beginning can name a library
			return err
		}
	}
}

// isBlank says whether Blender passes over a letter before a word: all that is no more than a blank in a signed byte, and a
// backslash.
func isBlank(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf || r == '\\' }

// library looks for a library of materials. Blender takes quotes around its name away.
func (w *work) library(name string) error {
	name = strings.TrimFunc(name, func(r rune) bool { return r <= ' ' || r == '"' })
	if name == "" {
		return nil
	}
	if path.IsAbs(strings.ReplaceAll(name, `\`, "/")) {
		return permanent("its materials are in %q, which must be a path that begins beside it", name)
	}
	if _, err := w.call.Workspace.Stat(w.besideSrc(name)); err == nil {
		return nil
	}
	if _, err := w.call.Workspace.Path(w.besideSrc(name)); err != nil {
		return err
	}
	if words := strings.Fields(name); len(words) > 1 { // several, or one with spaces in its name
		for _, word := range words {
			if err := w.library(word); err != nil {
				return err
			}
		}
		return nil
	}
	if !w.allow() {
		return permanent("its materials are in %q, which is not there; put it beside it, or set config.%s", name, allowMissing)
	}
	w.warn("materials \"" + name + "\" are not there: it goes without")
	return nil
}

// scanDAE refuses what an XML reader may be led out by, and references to other documents.
func (w *work) scanDAE(ctx context.Context) error {
	f, err := w.call.Workspace.Open(w.src)
	if err != nil {
		return err
	}
	defer f.Close()
	d := xml.NewDecoder(utf8Of(f))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // names of other documents are ASCII enough
	for n := 0; ; n++ {
		if n%8192 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return permanent("its XML is broken: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return permanent("its XML has a declaration (<!%.20s), which is not read", t)
		case xml.StartElement:
			for _, a := range t.Attr {
				if name := a.Name.Local; slices.Contains([]string{"url", "source", "target"}, name) && strings.Contains(a.Value, "#") && !strings.HasPrefix(a.Value, "#") {
					return permanent("it refers to %q, and what is in other documents is not read", a.Value)
				}
			}
			if slices.Contains([]string{"init_from", "ref"}, t.Name.Local) {
				if err := w.picture(d); err != nil {
					return err
				}
			}
		}
	}
}

// picture refuses a picture that is not named by a path beside the document.
func (w *work) picture(d *xml.Decoder) error {
	token, err := d.RawToken()
	text, ok := token.(xml.CharData)
	if err != nil || !ok {
		return nil // the loop meets the error again
	}
	name := strings.TrimPrefix(strings.TrimSpace(string(text)), "file://")
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	if before, _, ok := strings.Cut(name, ":"); ok && len(before) > 1 && !strings.ContainsAny(before, "/\\") {
		return permanent("its picture is at %q, and nothing is fetched", name)
	}
	return nil
}

// utf8Of reads UTF-16 as UTF-8, and all else as it is.
func utf8Of(in io.Reader) io.Reader {
	br := bufio.NewReader(in)
	head, _ := br.Peek(2)
	little, big := bytes.Equal(head, []byte{0xff, 0xfe}), bytes.Equal(head, []byte{0xfe, 0xff})
	if !little && !big {
		return br
	}
	return &wideReader{in: br, little: little}
}

// A wideReader reads UTF-16.
type wideReader struct {
	in     *bufio.Reader
	little bool
	held   []byte
}

func (r *wideReader) unit() (uint16, error) {
	var b [2]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		return 0, io.EOF
	}
	if r.little {
		return uint16(b[1])<<8 | uint16(b[0]), nil
	}
	return uint16(b[0])<<8 | uint16(b[1]), nil
}

func (r *wideReader) Read(p []byte) (int, error) {
	for len(r.held) < 4096 {
		u, err := r.unit()
		if err != nil {
			break
		}
		c := rune(u)
		if utf16.IsSurrogate(c) {
			next, _ := r.unit()
			c = utf16.DecodeRune(c, rune(next))
		}
		if c != 0xfeff {
			r.held = append(r.held, string(c)...)
		}
	}
	n := copy(p, r.held)
	r.held = r.held[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

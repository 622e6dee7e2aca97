package glb

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
)

// buffers finds the bytes of every buffer, and takes away the URI.
func (in *intake) buffers(d *Document, bin []byte) error {
	for i := range d.Buffers {
		b := &d.Buffers[i]
		uri, there, err := takeURI(b.Rest)
		switch {
		case err != nil:
		case there:
			b.Data, _, err = in.fetch(uri)
		case i == 0:
			b.Data = bin
		}
		if err != nil {
			return fmt.Errorf("buffer %d: %w", i, err)
		}
		if b.Length < 0 {
			return malformed("buffer %d has %d bytes, it says", i, b.Length)
		}
		if int64(len(b.Data)) >= b.Length {
			b.Data = b.Data[:b.Length]
		} else if !b.fallback() {
			return malformed("buffer %d promises %d bytes, and there are %d", i, b.Length, len(b.Data))
		}
	}
	return nil
}

// fallback says whether a file need not hold the buffer, since those who read it have its views from elsewhere.
func (b *Buffer) fallback() bool {
	for _, name := range []string{"EXT_meshopt_compression", "KHR_meshopt_compression"} {
		var e struct {
			Fallback bool `json:"fallback"`
		}
		if raw, there := b.Extensions[name]; there && Decode(raw, &e) == nil && e.Fallback {
			return true
		}
	}
	return false
}

// pictures makes every picture the bytes of a view.
func (in *intake) pictures(d *Document) error {
	views := map[string]int{} // by URI
	for i := range d.Images {
		m := &d.Images[i]
		uri, there, err := takeURI(m.Rest)
		if err != nil {
			return fmt.Errorf("picture %d: %w", i, err)
		}
		if !there {
			if m.View == nil {
				return malformed("picture %d has neither a view nor a file", i)
			}
			continue
		}
		view, known := views[uri]
		if !known {
			data, name, err := in.fetch(uri)
			if err != nil {
				return fmt.Errorf("picture %d: %w", i, err)
			}
			if m.Name == "" {
				m.Name = name
			}
			view = d.AddView(data)
			views[uri] = view
		}
		m.View = &view
	}
	return nil
}

// AddView puts data into the document, and returns its view.
func (d *Document) AddView(data []byte) int {
	d.Buffers = append(d.Buffers, Buffer{Length: int64(len(data)), Data: data})
	d.BufferViews = append(d.BufferViews, BufferView{Buffer: len(d.Buffers) - 1, Length: int64(len(data))})
	return len(d.BufferViews) - 1
}

func takeURI(rest Rest) (uri string, there bool, err error) {
	raw, there := rest["uri"]
	if !there {
		return "", false, nil
	}
	delete(rest, "uri")
	if json.Unmarshal(raw, &uri) != nil {
		return "", true, malformed("its uri is no text")
	}
	return uri, true, nil
}

// fetch returns the bytes behind a URI, and the base of the file's name without its extension.
func (in *intake) fetch(uri string) (data []byte, name string, err error) {
	if rest, ok := strings.CutPrefix(uri, "data:"); ok {
		data, err = in.inline(rest)
		return data, "", err
	}
	file, err := local(uri)
	if err != nil {
		return nil, "", err
	}
	name = strings.TrimSuffix(path.Base(file), path.Ext(file))
	if data, known := in.seen[file]; known {
		return data, name, nil
	}
	if in.open == nil {
		return nil, "", malformed("it is in a file of its own (%s), and this document must hold all it needs", show(file))
	}
	f, err := in.open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", malformed("its file %s is not there; put it where the document says, or pack the document as GLB", show(file))
	}
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, "", errors.Join(err, malformed("its file %s is not a regular file", show(file)))
	}
	data, err = in.take(f)
	in.seen[file] = data
	return data, name, err
}

// local makes a relative path of a URI.
func local(uri string) (string, error) {
	if before, _, ok := strings.Cut(uri, ":"); ok && !strings.ContainsAny(before, "/?#") {
		return "", malformed("it is at %s, and nothing is fetched; put it beside the document", show(uri))
	}
	file, err := url.PathUnescape(uri)
	if err != nil {
		file = uri // a name with a lone % in it, as some exporters write
	}
	file = strings.ReplaceAll(file, `\`, "/") // as exporters on Windows write
	if file == "" || path.IsAbs(file) || strings.ContainsRune(file, 0) {
		return "", malformed("its file is %s, and must be a path that begins beside the document", show(file))
	}
	return path.Clean(file), nil
}

// inline decodes what follows "data:".
func (in *intake) inline(rest string) ([]byte, error) {
	kind, text, ok := strings.Cut(rest, ",")
	if !ok {
		return nil, malformed("its data URI has no comma")
	}
	if !strings.HasSuffix(kind, ";base64") {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return nil, malformed("its data URI is broken: %w", err)
		}
		return []byte(plain), in.count(int64(len(plain)))
	}
	if err := in.count(int64(base64.StdEncoding.DecodedLen(len(text)))); err != nil {
		return nil, err
	}
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, malformed("its data URI is broken: %w", err)
	}
	return data, nil
}

// show is a hostile text for a sentence.
func show(s string) string {
	const most = 120
	if len(s) > most {
		s = s[:most] + "…"
	}
	return fmt.Sprintf("%q", s)
}

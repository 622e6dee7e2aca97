// Package document renders what people read and operators shape: reports, callback bodies, manifests, files.
//
// Its templates are pongo2's, with {{ values }}, {% if %}, {% for %}, {% set %}, {% extends %} and {% block %}. A value
// can never break out of where it stands: it is written for the format of the document, by its place in the text (a
// quoted string, an attribute, a scalar), and where no form of it is safe the render fails with a sentence.
//
// Templates and values may be hostile. What a template may name is a closed list, nothing in it can call Go, and
// source, nesting, steps, output and time are bounded.
package document

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/flosch/pongo2/v6"
)

// MaxSource is how long a template may be, in bytes.
const MaxSource = 64 << 10

const (
	maxSource   = MaxSource
	maxExpanded = 256 << 10       // bytes of a template with all that it inherits
	maxPieces   = 20_000          // texts, values and tags of it
	maxOutput   = 4 << 20         // bytes of a document
	maxText     = 1 << 20         // bytes of one text that a template works with
	maxHandled  = 64 << 20        // bytes that its expressions read and make
	maxSteps    = 200_000         // turns of loops, values and conditions
	maxTime     = 5 * time.Second // of one render
)

// A Format is how values are written.
type Format string

const (
	Text Format = "text" // as they are
	HTML Format = "html" // with entities, in text and quoted attributes alone; SVG and XML too
	JSON Format = "json" // as JSON values, or as part of a string
	YAML Format = "yaml" // as scalars, quoted where they need it
)

// formats are those of files, by the end of their names.
var formats = map[Format][]string{
	HTML: {
		".html", ".htm", ".xhtml", ".svg", ".xml", ".dae", ".x3d", ".kml", ".gpx", ".rss", ".atom", ".xsd", ".xsl", ".xslt",
		".plist", ".collada", ".mtlx", ".urdf", ".sdf", ".xmp",
	},
	JSON: {".json", ".gltf", ".geojson", ".topojson", ".webmanifest", ".jsonld", ".map", ".ipynb", ".har"},
	YAML: {".yaml", ".yml"},
	Text: {
		".txt", ".text", ".md", ".markdown", ".csv", ".tsv", ".obj", ".mtl", ".off", ".ply", ".stl", ".log", ".rst", ".adoc",
	},
}

// FormatOf is the format of a file by the end of its name; ok is false where that tells nothing.
func FormatOf(name string) (f Format, ok bool) {
	end := strings.ToLower(path.Ext(name))
	for f, ends := range formats {
		if slices.Contains(ends, end) {
			return f, true
		}
	}
	return Text, false
}

// An Error is what is wrong with a template, or with what it makes of its values.
type Error struct {
	Name string // of the template
	Line int    // from 1; 0 is all of it
	Msg  string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Name + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Msg)
}

// A Template is one parsed document. It may be executed by several goroutines at once.
type Template struct {
	name     string
	format   Format
	pieces   []piece
	compiled *pongo2.Template
	Strict   bool // a value that nothing defines is an error; else it is empty
}

// Parse reads a template that stands alone: it can't inherit. Its errors are *Error.
func Parse(name string, format Format, source string) (*Template, error) {
	pieces, err := scan(name, source)
	if err != nil {
		return nil, err
	}
	for _, p := range pieces {
		if word := p.word(); word == "extends" || word == "block" || word == "endblock" {
			return nil, p.at.errorf("{%% %s %%} needs a folder of documents; a text that stands alone can't inherit", word)
		}
	}
	return newTemplate(name, format, pieces)
}

func newTemplate(name string, format Format, pieces []piece) (*Template, error) {
	t := &Template{name: name, format: format, pieces: pieces}
	if err := checkTags(pieces); err != nil {
		return nil, err
	}
	var err error
	if t.compiled, err = compile(pieces, nil); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Name == "" {
			e.Name = name
		}
		return nil, err
	}
	return t, nil
}

// Format is how t writes values.
func (t *Template) Format() Format { return t.format }

// Execute renders t. vars may hold text, numbers, booleans, nil, lists and maps of those; names that are no
// identifiers can't be named by a template, except those that have hyphens in them. Its errors are *Error, or ctx's.
func (t *Template) Execute(ctx context.Context, vars map[string]any) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fmt.Errorf("%s: took longer than %s", t.name, maxTime))
	defer cancel()
	text, err := t.execute(ctx, vars)
	if e, ok := errors.AsType[*Error](err); ok && e.Name == "" {
		e.Name = t.name
	}
	if err != nil {
		return "", err
	}
	return text, nil
}

func (t *Template) execute(ctx context.Context, vars map[string]any) (string, error) {
	public, hyphened, err := t.variables(vars)
	if e, ok := errors.AsType[*Error](err); ok {
		return "", e
	}
	if err != nil {
		return "", &Error{Msg: err.Error()}
	}
	if t.Strict {
		if err := checkNames(t.pieces, public, hyphened); err != nil {
			return "", err
		}
	}
	compiled := t.compiled
	if len(hyphened) > 0 {
		if compiled, err = compile(t.pieces, hyphened); err != nil {
			return "", err
		}
	}
	s := &sheet{ctx: ctx, strict: t.Strict, pieces: t.pieces}
	public[sheetKey] = s
	if err := s.fill(compiled, public); err != nil {
		return "", err
	}
	text, err := s.write(t.format)
	if err == nil && len(text) > maxOutput {
		err = s.tooLong()
	}
	return text, err
}

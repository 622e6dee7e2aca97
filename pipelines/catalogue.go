package pipelines

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

//go:embed *.yaml
var shipped embed.FS

// NoCAD is what to do instead of what needs a CAD kernel, which there is none of.
const NoCAD = "CAD conversion is not offered; export glTF, OBJ, STL or FBX from the CAD system, and convert that"

// A Catalogue finds pipelines by name: among the operator's first, in a folder or a store, then among those that are
// shipped. What the operator changes counts from the next job on, in a store within 10 s.
// It is safe for concurrent use. What it returns is shared: do not change it.
type Catalogue struct {
	own     shelf // nil: only what is shipped
	shipped library
}

// A shelf is where an operator's documents lie.
type shelf interface {
	// document returns what a file of this name holds, as it was seen at `seen` or later, or fs.ErrNotExist.
	document(file string, seen time.Time) (*document, error)
	// files are the names of all that lies there.
	files() ([]string, error)
	// from is FromFolder or FromStore, and path where a file is, for people.
	from() string
	path(file string) string
}

// A library keeps documents that were read.
type library struct {
	mu    sync.Mutex
	known map[string]*document // guarded by mu
}

func (l *library) kept(key string) *document {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[key]
}

func (l *library) keep(key string, d *document) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]*document{}
	}
	l.known[key] = d
}

// A document is one source as it was read, and what came of parsing it, once somebody asks.
type document struct {
	source string      // file name
	shelf  shelf       // nil where it is shipped
	info   fs.FileInfo // of the file that was read, in a folder
	read   time.Time   // in a folder
	text   []byte
	digest string
	parse  func() (*Pipeline, error)
}

func newDocument(source string, text []byte) *document {
	return &document{
		source: source,
		text:   text,
		digest: Digest(text),
		parse:  sync.OnceValues(func() (*Pipeline, error) { return Parse(source, text) }),
	}
}

// NewCatalogue looks into dir; empty is no folder, only what is shipped.
func NewCatalogue(dir string) *Catalogue {
	if dir == "" {
		return &Catalogue{}
	}
	return &Catalogue{own: &folder{dir: dir}}
}

// An UnknownError is a name that is in no catalogue.
type UnknownError struct {
	Name    string
	Closest string   // the name probably meant; may be empty
	Names   []string // all there are
}

func (e *UnknownError) Error() string {
	msg := fmt.Sprintf("pipeline %q is not in the catalogue", Shorten(e.Name))
	if e.Closest != "" {
		msg += fmt.Sprintf(", did you mean %q?", e.Closest)
	}
	if len(e.Names) == 0 {
		return msg
	}
	if e.Closest == "" {
		msg += "."
	}
	return msg + " There are " + strings.Join(e.Names, ", ")
}

// Lookup returns the pipeline called name, "hello_world" or "hello_world.yaml", as it is with nothing given. Errors are
// those of Document, and a *ParseError.
func (c *Catalogue) Lookup(name string) (*Pipeline, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	return d.parse()
}

// Document returns the text of the pipeline called name, not parsed, with the name and digest that Parse would give
// it. The error is permanent where the name is none or nobody's (*UnknownError); that a file can't be read may pass.
func (c *Catalogue) Document(name string) (doc []byte, source, digest string, err error) {
	d, err := c.find(name)
	if err != nil {
		return nil, "", "", err
	}
	return d.text, d.source, d.digest, nil
}

func (c *Catalogue) find(name string) (*document, error) {
	base := name
	if ext := filepath.Ext(name); slices.Contains(extensions[:], ext) {
		base = strings.TrimSuffix(name, ext)
	}
	if isTest(base) {
		return nil, fault.As(fault.Permanent, fmt.Errorf("%q is the name of a pipeline's tests, which are no pipeline; leave .test out", Shorten(name)))
	}
	if !validName(base) {
		return nil, notAName(name)
	}
	if d, err := c.owned(base, name, time.Time{}); !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	if d := c.builtIn(base + ".yaml"); d != nil {
		return d, nil
	}
	// Nobody's jobs fail for good because their pipeline came a moment ago.
	if d, err := c.owned(base, name, time.Now()); !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	names := c.Names()
	return nil, fault.As(fault.Permanent, &UnknownError{Name: name, Closest: modules.Closest(base, names), Names: names})
}

// owned returns the operator's document of the name, as it was seen at `seen` or later, or fs.ErrNotExist.
func (c *Catalogue) owned(base, name string, seen time.Time) (*document, error) {
	for _, ext := range extensions {
		if c.own == nil || base != name && base+ext != name {
			continue
		}
		d, err := c.own.document(base+ext, seen)
		if !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
	}
	return nil, fs.ErrNotExist
}

// builtIn returns a document that is part of the program; nil when there is none.
func (c *Catalogue) builtIn(file string) *document {
	if d := c.shipped.kept(file); d != nil {
		return d
	}
	text, err := shipped.ReadFile(file)
	if err != nil {
		return nil
	}
	d := newDocument(file, text)
	c.shipped.keep(file, d)
	return d
}

func notAName(name string) error {
	return fault.As(fault.Permanent, fmt.Errorf("%q can't be a pipeline's name; use letters, digits, dot, dash and _", Shorten(name)))
}

// validName keeps names to what can stand in a path, a key and a message without quoting.
func validName(s string) bool {
	const longest = 128
	if s == "" || len(s) > longest || strings.ContainsRune("._-", rune(s[0])) {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)) {
			return false
		}
	}
	return true
}

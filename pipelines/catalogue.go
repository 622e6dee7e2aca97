package pipelines

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

// A Catalogue finds pipelines by name: in the operator's folder first, then among those that are shipped.
// The folder is looked at on every call, so that a changed file counts from the next job on.
// It is safe for concurrent use. What it returns is shared: do not change it.
type Catalogue struct {
	dir   string
	mu    sync.Mutex
	known map[string]*document // guarded by mu; by path, shipped ones by file name
}

// A document is one source as it was read, and what came of parsing it, once somebody asks.
type document struct {
	source string      // file name
	path   string      // in the folder; empty where it is shipped
	info   fs.FileInfo // of the file that was read; nil where it is shipped
	read   time.Time
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
	return &Catalogue{dir: dir, known: map[string]*document{}}
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
	for _, ext := range extensions {
		if c.dir == "" || base != name && base+ext != name {
			continue
		}
		d, err := c.file(filepath.Join(c.dir, base+ext))
		if !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
	}
	if d := c.shipped(base + ".yaml"); d != nil {
		return d, nil
	}
	if err := refused(base); err != nil {
		return nil, err
	}
	names := c.Names()
	return nil, fault.As(fault.Permanent, &UnknownError{Name: name, Closest: modules.Closest(base, names), Names: names})
}

// coarse is how far apart two writes must be for every file system to give them different times.
const coarse = 2 * time.Second

// file returns a file's document, read again when it has changed. fs.ErrNotExist when there is none.
func (c *Catalogue) file(path string) (*document, error) {
	const tries = 3
	for range tries {
		d, err := c.fileOnce(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
		if _, lerr := os.Lstat(path); lerr != nil {
			return nil, err
		}
		// A link that leads nowhere: a ConfigMap's folder is being switched, and the one it led to is gone.
	}
	return nil, fmt.Errorf("look up pipeline: %s is a link that leads nowhere", path)
}

func (c *Catalogue) fileOnce(path string) (*document, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look up pipeline: %w", err)
	}
	if have := c.kept(path); have != nil && have.is(info) {
		return have, nil
	}
	read := time.Now()
	text, info, err := ReadDocument(path)
	if err != nil {
		return nil, err
	}
	d := newDocument(filepath.Base(path), text)
	d.path, d.info, d.read = path, info, read
	c.keep(path, d)
	return d, nil
}

// is says that the document is what the file holds now, as far as a file system can tell.
func (d *document) is(now fs.FileInfo) bool {
	return os.SameFile(d.info, now) && d.info.Size() == now.Size() && d.info.ModTime().Equal(now.ModTime()) &&
		d.read.Sub(now.ModTime()) > coarse
}

// shipped returns a document that is part of the program; nil when there is none.
func (c *Catalogue) shipped(file string) *document {
	if d := c.kept(file); d != nil {
		return d
	}
	text, err := shipped.ReadFile(file)
	if err != nil {
		return nil
	}
	d := newDocument(file, text)
	c.keep(file, d)
	return d
}

func (c *Catalogue) kept(key string) *document {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[key]
}

func (c *Catalogue) keep(key string, d *document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[key] = d
}

// refused says why a name that other systems' catalogues have is not in ours; nil for all other names.
func refused(name string) error {
	if name != "stl_cad_to_glb" && name != "zip_cad_to_glb" {
		return nil
	}
	return fault.As(fault.Permanent, fmt.Errorf("pipeline %q is not offered: %s", name, NoCAD))
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

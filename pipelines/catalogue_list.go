package pipelines

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where a listed pipeline comes from.
const (
	FromFolder = "folder"
	Shipped    = "shipped"
)

// A Listed is one pipeline of a catalogue, told apart from the others.
type Listed struct {
	Name        string // that Lookup takes
	Source      string // FromFolder or Shipped
	Path        string // of the file; its name alone where it is shipped
	Digest      string // empty where it can't be read
	Description string
	Params      []Param
	Entries     []Entry
	Err         error // why it can't be read or doesn't parse; what stands above is then as far as that goes
}

// All returns every pipeline that Lookup takes, sorted by name, also those that don't parse.
func (c *Catalogue) All() []Listed {
	names := c.Names()
	all := make([]Listed, 0, len(names))
	for _, name := range names {
		l := Listed{Name: name}
		d, err := c.find(name)
		if err != nil {
			l.Err = err
			all = append(all, l)
			continue
		}
		l.Source, l.Path, l.Digest = Shipped, d.source, d.digest
		if d.path != "" {
			l.Source, l.Path = FromFolder, d.path
		}
		p, err := d.parse()
		if l.Err = err; err == nil {
			l.Description, l.Params, l.Entries = p.Description, p.Params, p.Entries
		}
		all = append(all, l)
	}
	return all
}

// Names returns every name that Lookup takes, sorted, without extensions. A folder that can't be read adds none.
// Tests of pipelines ("hello.test.yaml"), which lie beside them, are none, nor are hidden files.
func (c *Catalogue) Names() []string {
	all := map[string]bool{}
	lists := [][]fs.DirEntry{}
	if files, err := shipped.ReadDir("."); err == nil {
		lists = append(lists, files)
	}
	if c.dir != "" {
		if files, err := os.ReadDir(c.dir); err == nil {
			lists = append(lists, files)
		}
	}
	for _, files := range lists {
		for _, f := range files {
			if IsDocument(f.Name()) && !f.IsDir() {
				all[strings.TrimSuffix(f.Name(), filepath.Ext(f.Name()))] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// IsDocument says that a file of this name, in a folder of pipelines, is one: tests, schemas and hidden files are none.
func IsDocument(file string) bool {
	ext := filepath.Ext(file)
	base := strings.TrimSuffix(file, ext)
	return slices.Contains(extensions[:], ext) && validName(base) && !isTest(base) && !strings.HasSuffix(base, ".schema")
}

// isTest says that a file without its extension holds tests of a pipeline.
func isTest(base string) bool { return strings.HasSuffix(base, ".test") }

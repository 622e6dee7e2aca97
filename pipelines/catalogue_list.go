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

// All returns every pipeline that Lookup takes, sorted by name, also those that don't parse; behind them the files of the
// folder that no job can ask for, because no pipeline can have such a name.
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
	return append(all, c.unnamed()...)
}

// unnamed lists what lies in the folder as if it were a pipeline, and can't be one by its name.
func (c *Catalogue) unnamed() []Listed {
	if c.dir == "" {
		return nil
	}
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return nil // as Names has it
	}
	var all []Listed
	for _, f := range files {
		if meantAsDocument(f.Name()) && !IsDocument(f.Name()) && !f.IsDir() {
			all = append(all, Listed{Name: f.Name(), Source: FromFolder, Path: filepath.Join(c.dir, f.Name()), Err: notAName(f.Name())})
		}
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

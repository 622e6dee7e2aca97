package pipelines

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Where a listed pipeline comes from.
const (
	FromFolder = "folder"
	FromStore  = "store"
	Shipped    = "shipped"
)

// A Listed is one pipeline of a catalogue, told apart from the others.
type Listed struct {
	Name        string // that Lookup takes
	Source      string // FromFolder, FromStore or Shipped
	Path        string // of the file or object; its name alone where it is shipped
	Digest      string // empty where it can't be read
	Description string
	Params      []Param
	Entries     []Entry
	Err         error // why it can't be read or doesn't parse; what stands above is then as far as that goes
}

// All returns every pipeline that Lookup takes, sorted by name, also those that don't parse; behind them the operator's
// files that no job can ask for, because no pipeline can have such a name, or the folder or store that can't be read.
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
		if d.shelf != nil {
			l.Source, l.Path = d.shelf.from(), d.shelf.path(d.source)
		}
		p, err := d.parse()
		if l.Err = err; err == nil {
			l.Description, l.Params, l.Entries = p.Description, p.Params, p.Entries
		}
		all = append(all, l)
	}
	return append(all, c.unnamed()...)
}

// unnamed lists what lies there as if it were a pipeline, and can't be one by its name.
func (c *Catalogue) unnamed() []Listed {
	files, err := c.files()
	if err != nil {
		return []Listed{{Name: "?", Source: c.own.from(), Path: c.own.path(""), Err: err}}
	}
	var all []Listed
	for _, f := range slices.Sorted(slices.Values(files)) {
		if meantAsDocument(f) && !IsDocument(f) {
			all = append(all, Listed{Name: f, Source: c.own.from(), Path: c.own.path(f), Err: notAName(f)})
		}
	}
	return all
}

// Names returns every name that Lookup takes, sorted, without extensions. A folder or store that can't be read adds none:
// a lookup says so. Tests of pipelines ("hello.test.yaml"), which lie beside them, are none, nor are hidden files.
func (c *Catalogue) Names() []string {
	all := map[string]bool{}
	files, _ := c.files()
	if builtIn, err := shipped.ReadDir("."); err == nil {
		for _, f := range builtIn {
			files = append(files, f.Name())
		}
	}
	for _, f := range files {
		if IsDocument(f) {
			all[strings.TrimSuffix(f, filepath.Ext(f))] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// files are the names of the operator's files.
func (c *Catalogue) files() ([]string, error) {
	if c.own == nil {
		return nil, nil
	}
	return c.own.files()
}

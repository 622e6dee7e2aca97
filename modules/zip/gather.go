package zip

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// An entry is one file to pack.
type entry struct {
	name string // in the archive
	file string // in the workspace
}

// A collection is what goes into one archive.
type collection struct {
	dir     *workspace.Dir
	dest    string // real path of the archive, which is not packed into itself
	entries []entry
	skipped []string
}

// gather finds the files that sources name, sorted by their name in the archive.
func (c *collection) gather(ctx context.Context, sources []string, dest string) error {
	var err error
	if c.dest, err = c.dir.Path(dest); err != nil {
		return err
	}
	for _, source := range sources {
		names, matched, err := c.expand(source)
		if err != nil {
			return err
		}
		for _, name := range names {
			lone := len(sources) == 1 && !matched
			if err := c.add(ctx, name, lone, matched); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(c.entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.file, b.file)) })
	c.entries = slices.Compact(c.entries)
	for i := 1; i < len(c.entries); i++ {
		if a, b := c.entries[i-1], c.entries[i]; a.name == b.name {
			return fault.As(fault.Permanent, fmt.Errorf("%q and %q would both be called %q in the archive; pack the folder above them", a.file, b.file, a.name))
		}
	}
	return nil
}

// expand returns what a pattern matches; matched is false for a plain name, which is returned as it is.
func (c *collection) expand(source string) (names []string, matched bool, err error) {
	if !workspace.IsPattern(source) {
		return []string{source}, false, nil
	}
	if _, err := c.dir.Lstat(source); err == nil {
		return []string{source}, false, nil
	}
	names, err = c.dir.Glob(source)
	if err == nil && len(names) == 0 {
		err = fault.As(fault.Permanent, fmt.Errorf("nothing matches %q; check the pattern and the task that should have written the files", source))
	}
	return names, true, err
}

// add takes a file, or all files below a folder: with the folder's name in front unless it is a lone one.
func (c *collection) add(ctx context.Context, name string, lone, matched bool) error {
	info, err := c.dir.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() && !matched {
		return fault.As(fault.Permanent, fmt.Errorf("%q is a symbolic link or a special file, which Zip does not follow; name the file itself", name))
	}
	base := "" // as Walk spells name
	prefix := path.Base(path.Clean(name))
	if lone && info.IsDir() || prefix == "." || prefix == ".." || prefix == "/" {
		prefix = ""
	}
	return c.dir.Walk(name, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("list %q: %w", name, err)
		}
		if base == "" {
			base = file
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case e.IsDir() || c.isDest(file):
			return nil
		case !e.Type().IsRegular():
			c.skipped = append(c.skipped, file)
			return nil
		}
		below := strings.TrimPrefix(strings.TrimPrefix(file, base), "/")
		if base == "." {
			below = file
		}
		c.entries = append(c.entries, entry{name: path.Join(prefix, below), file: file})
		return nil
	})
}

func (c *collection) isDest(file string) bool {
	if path.Base(file) != path.Base(c.dest) {
		return false
	}
	real, err := c.dir.Path(file)
	return err == nil && real == c.dest
}

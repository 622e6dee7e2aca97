// Package workspace is the folder one job may read and write, and the names it goes by.
package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/modules/fault"
)

// DefaultAlias is the absolute path under which pipelines know their workspace, wherever it really lies.
const DefaultAlias = "/home/workspace"

// Options say what a workspace answers to. The zero value is a worker's.
type Options struct {
	// Alias is the absolute path that stands for the folder in pipelines; empty is DefaultAlias.
	Alias string
	// Admit lists absolute paths outside the folder that the person at the keyboard gave; "/" admits all.
	// What lies under an admitted folder is admitted too. Symbolic links in them are followed. Leave it nil in a worker.
	Admit []string
}

// A Dir is an open workspace. Its methods take the names that pipelines use: relative ones, absolute ones under the
// alias, and absolute ones under the real folder. Every other path, `..` and symbolic links that lead out are refused
// with a permanent error, also when the link appears while we look. All methods may be called from any goroutine.
type Dir struct {
	root  *os.Root
	real  string   // absolute and free of symbolic links
	given string   // absolute, as Open was told: what tools may print
	alias string   // clean
	admit []string // clean
}

// Open opens an existing folder.
func Open(path string, o Options) (*Dir, error) {
	given, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open workspace: %w", err)
	}
	real, err := filepath.EvalSymlinks(given)
	if err != nil {
		return nil, fmt.Errorf("open workspace: %w", err)
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, fmt.Errorf("open workspace: %w", err)
	}
	d := &Dir{root: root, real: real, given: given, alias: DefaultAlias}
	if o.Alias != "" {
		d.alias = filepath.Clean(o.Alias)
	}
	for _, p := range o.Admit {
		d.admit = append(d.admit, filepath.Clean(p))
	}
	return d, nil
}

// Close lets go of the folder; files that are open stay usable.
func (d *Dir) Close() error { return d.root.Close() }

// Real returns the folder's absolute path, for the working directory of a tool.
func (d *Dir) Real() string { return d.real }

// FS returns the folder as a file system, which can't be left either.
func (d *Dir) FS() fs.FS { return d.root.FS() }

// Path returns the real absolute path of name, for a tool that needs one. What exists on the way was checked not to
// lead out; what does not exist yet may be created there. A tool that swaps a folder for a link afterwards is not
// noticed here: open its output through Dir.
func (d *Dir) Path(name string) (string, error) {
	p, err := d.resolve(name)
	if err != nil {
		return "", err
	}
	if p.foreign {
		return p.rel, nil
	}
	for at := range prefixes(p.rel) {
		info, err := d.root.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			_, err = d.root.Stat(at)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return "", fault.As(fault.Permanent, fmt.Errorf("path %q goes through a symbolic link to nowhere", name))
		}
		if err != nil {
			return "", d.explain("find", name, err)
		}
	}
	return filepath.Join(d.real, p.rel), nil
}

// A place is a resolved name: relative to the root, or absolute and foreign (admitted).
type place struct {
	rel     string
	foreign bool
}

func (d *Dir) resolve(name string) (place, error) {
	if name == "" {
		return place{}, fault.As(fault.Permanent, errors.New("path is empty; name a file in the workspace"))
	}
	if strings.ContainsRune(name, 0) {
		return place{}, fault.As(fault.Permanent, fmt.Errorf("path %q contains a NUL byte", name))
	}
	clean := filepath.Clean(name)
	if filepath.IsLocal(clean) {
		return place{rel: clean}, nil
	}
	if !filepath.IsAbs(clean) {
		clean = filepath.Join(d.real, clean)
	}
	for _, base := range d.bases() {
		if rel, ok := under(base, clean); ok {
			return place{rel: rel}, nil
		}
	}
	for _, base := range d.admit {
		if _, ok := under(base, clean); ok {
			return place{rel: clean, foreign: true}, nil
		}
	}
	return place{}, d.outside(name)
}

// bases lists the absolute names of the folder, longest first: one may lie under another.
func (d *Dir) bases() []string {
	bases := []string{d.real, d.given, d.alias}
	slices.SortFunc(bases, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(bases)
}

func (d *Dir) outside(name string) error {
	return fault.As(fault.Permanent,
		fmt.Errorf("path %q is outside the workspace; use a relative path or one under %s", name, d.alias))
}

// explain words what went wrong with name. A file that is missing or of the wrong kind stays so however often one
// tries: such errors are permanent. os.Root reports a path that leads out with the one cause that is no errno and no
// fs error (there is no exported value for it).
func (d *Dir) explain(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	cause := err
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		cause = pe.Err
	} else if le, ok := errors.AsType[*os.LinkError](err); ok {
		cause = le.Err
	}
	_, errno := errors.AsType[syscall.Errno](cause)
	switch {
	case errors.Is(cause, fs.ErrNotExist):
		return fault.As(fault.Permanent, &missingError{name: name, err: cause})
	case errors.Is(cause, fs.ErrPermission), errors.Is(cause, fs.ErrExist), errors.Is(cause, syscall.EISDIR),
		errors.Is(cause, syscall.ENOTDIR), errors.Is(cause, syscall.ENAMETOOLONG), errors.Is(cause, syscall.ENOTEMPTY), errors.Is(cause, errNoFile):
		return fault.As(fault.Permanent, fmt.Errorf("%s %q: %w", verb, name, cause))
	case errno, errors.Is(cause, fs.ErrClosed), errors.Is(cause, fs.ErrInvalid):
		return fmt.Errorf("%s %q: %w", verb, name, cause)
	}
	return d.outside(name)
}

// A missingError is a file that is not there.
type missingError struct {
	name string
	err  error
}

func (e *missingError) Error() string {
	return fmt.Sprintf("there is no file %q; check the path and the task that should have written it", e.name)
}

func (e *missingError) Unwrap() error { return e.err }

// under returns path relative to base.
func under(base, path string) (string, bool) {
	rel, err := filepath.Rel(base, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return rel, true
}

// prefixes yields a, a/b, a/b/c.
func prefixes(rel string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i, c := range rel {
			if c == filepath.Separator && !yield(rel[:i]) {
				return
			}
		}
		yield(rel)
	}
}

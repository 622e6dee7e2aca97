package workspace

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Open opens a file or a folder for reading. What else lies in the workspace, a named pipe that a program of the job left
// and nobody writes to, say, is refused at once with a permanent error; what a person gave may be one.
func (d *Dir) Open(name string) (*os.File, error) {
	return do(d, "open", name, func(p place) (*os.File, error) {
		if p.foreign {
			return os.Open(p.rel)
		}
		f, err := d.root.OpenFile(p.rel, os.O_RDONLY|syscall.O_NONBLOCK, 0) // which files and folders take no notice of
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			err = errNoFile
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	})
}

var errNoFile = errors.New("it is a pipe, a socket or a device, and no file")

// Create makes or truncates a file, and the folders above it.
func (d *Dir) Create(name string) (*os.File, error) {
	if err := d.makeParent(name); err != nil {
		return nil, err
	}
	return d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
}

// OpenFile is os.OpenFile.
func (d *Dir) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return do(d, "open", name, func(p place) (*os.File, error) {
		if p.foreign {
			return os.OpenFile(p.rel, flag, perm)
		}
		return d.root.OpenFile(p.rel, flag, perm)
	})
}

// OpenRoot opens a folder, out of which nothing that is done by the Root leads. Close it after use.
func (d *Dir) OpenRoot(name string) (*os.Root, error) {
	return do(d, "open", name, func(p place) (*os.Root, error) {
		if p.foreign {
			return os.OpenRoot(p.rel)
		}
		return d.root.OpenRoot(p.rel)
	})
}

// Replace writes name in one step: write fills a temporary file beside it, which then takes its place.
// Where write or anything after it goes wrong, the temporary file is removed and name is as it was.
func (d *Dir) Replace(name string, write func(*os.File) error) error {
	const most = 200 // of 255 bytes that a name may have
	base := filepath.Base(name)
	base = strings.ToValidUTF8(base[:min(len(base), most)], "")
	temp := filepath.Join(filepath.Dir(name), "."+base+"."+rand.Text()+".tmp")
	f, err := d.Create(temp)
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = d.explain("write", name, cerr)
	}
	if err == nil {
		err = d.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, d.Remove(temp))
	}
	return nil
}

// Stat follows symbolic links that stay inside.
func (d *Dir) Stat(name string) (fs.FileInfo, error) {
	return do(d, "find", name, func(p place) (fs.FileInfo, error) {
		if p.foreign {
			return os.Stat(p.rel)
		}
		return d.root.Stat(p.rel)
	})
}

// Lstat does not follow a symbolic link in the last part of name.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	return do(d, "find", name, func(p place) (fs.FileInfo, error) {
		if p.foreign {
			return os.Lstat(p.rel)
		}
		return d.root.Lstat(p.rel)
	})
}

// MkdirAll makes a folder and those above it.
func (d *Dir) MkdirAll(name string) error {
	return d.change("make folder", name, func(p place) error {
		if p.foreign {
			return os.MkdirAll(p.rel, 0o755)
		}
		return d.root.MkdirAll(p.rel, 0o755)
	})
}

// Remove removes a file or an empty folder.
func (d *Dir) Remove(name string) error {
	return d.change("remove", name, func(p place) error {
		if p.foreign {
			return os.Remove(p.rel)
		}
		return d.root.Remove(p.rel)
	})
}

// RemoveAll removes a file or a folder with all that is in it, but not the workspace itself.
func (d *Dir) RemoveAll(name string) error {
	return d.change("remove", name, func(p place) error {
		if p.foreign {
			return os.RemoveAll(p.rel)
		}
		return d.root.RemoveAll(p.rel)
	})
}

// Rename moves a file or folder, and makes the folders above its new name.
func (d *Dir) Rename(from, to string) error {
	if err := d.makeParent(to); err != nil {
		return err
	}
	src, err := d.resolve(from)
	if err != nil {
		return err
	}
	return d.change("rename to", to, func(dst place) error {
		if !src.foreign && !dst.foreign {
			return d.root.Rename(src.rel, dst.rel)
		}
		realFrom, err := d.Path(from)
		if err != nil {
			return err
		}
		realTo, err := d.Path(to)
		if err != nil {
			return err
		}
		return os.Rename(realFrom, realTo)
	})
}

// ReadFile returns the whole of a file.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return b, d.explain("read", name, err)
}

// WriteFile makes or replaces a file, and makes the folders above it.
func (d *Dir) WriteFile(name string, data []byte) error {
	if err := d.makeParent(name); err != nil {
		return err
	}
	return d.change("write", name, func(p place) error {
		if p.foreign {
			return os.WriteFile(p.rel, data, 0o644)
		}
		return d.root.WriteFile(p.rel, data, 0o644)
	})
}

// Walk calls fn for name and all below it in lexical order, as fs.WalkDir does, with names that Open takes.
// Symbolic links are reported, not followed.
func (d *Dir) Walk(name string, fn fs.WalkDirFunc) error {
	p, err := d.resolve(name)
	if err != nil {
		return err
	}
	if p.foreign {
		return filepath.WalkDir(p.rel, fn)
	}
	return fs.WalkDir(d.FS(), filepath.ToSlash(p.rel), fn)
}

// Glob returns the names that match a pattern of path.Match, in lexical order; `*` does not cross a slash.
func (d *Dir) Glob(pattern string) ([]string, error) {
	p, err := d.resolve(pattern)
	if err != nil {
		return nil, err
	}
	var names []string
	if p.foreign {
		names, err = filepath.Glob(p.rel)
	} else {
		names, err = fs.Glob(d.FS(), filepath.ToSlash(p.rel))
	}
	if errors.Is(err, path.ErrBadPattern) {
		return nil, fmt.Errorf("pattern %q is not well formed; close every [", pattern)
	}
	return names, d.explain("match", pattern, err)
}

// IsPattern says whether name holds a character that Glob gives a meaning.
func IsPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// Operand is name as a command line can hold it: one that begins with a dash, which a program would take for an option,
// has "./" in front.
func Operand(name string) string {
	if strings.HasPrefix(name, "-") {
		return "./" + name
	}
	return name
}

func (d *Dir) makeParent(name string) error {
	parent := filepath.Dir(name)
	if parent == "." || parent == string(filepath.Separator) {
		return nil
	}
	return d.MkdirAll(parent)
}

// do resolves name, calls f and words its error.
func do[T any](d *Dir, verb, name string, f func(place) (T, error)) (T, error) {
	p, err := d.resolve(name)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := f(p)
	return v, d.explain(verb, name, err)
}

func (d *Dir) change(verb, name string, f func(place) error) error {
	_, err := do(d, verb, name, func(p place) (struct{}, error) { return struct{}{}, f(p) })
	return err
}

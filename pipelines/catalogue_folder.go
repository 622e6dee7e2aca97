package pipelines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A folder holds an operator's documents as files. It is looked at on every call.
type folder struct {
	dir  string
	docs library // by file name
}

var _ shelf = (*folder)(nil)

func (f *folder) from() string            { return FromFolder }
func (f *folder) path(file string) string { return filepath.Join(f.dir, file) }

func (f *folder) files() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list pipelines: %w", err)
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() {
			files = append(files, e.Name())
		}
	}
	return files, nil
}

// coarse is how far apart two writes must be for every file system to give them different times.
const coarse = 2 * time.Second

// document returns a file's document, read again when it has changed.
func (f *folder) document(file string, _ time.Time) (*document, error) {
	const tries = 3
	for range tries {
		d, err := f.once(file)
		if !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
		if _, lerr := os.Lstat(f.path(file)); lerr != nil {
			return nil, err
		}
		// A link that leads nowhere: a ConfigMap's folder is being switched, and the one it led to is gone.
	}
	return nil, fmt.Errorf("look up pipeline: %s is a link that leads nowhere", f.path(file))
}

func (f *folder) once(file string) (*document, error) {
	info, err := os.Stat(f.path(file))
	if err != nil {
		return nil, fmt.Errorf("look up pipeline: %w", err)
	}
	if have := f.docs.kept(file); have != nil && have.is(info) {
		return have, nil
	}
	read := time.Now()
	text, info, err := ReadDocument(f.path(file))
	if err != nil {
		return nil, err
	}
	d := newDocument(file, text)
	d.shelf, d.info, d.read = f, info, read
	f.docs.keep(file, d)
	return d, nil
}

// is says that the document is what the file holds now, as far as a file system can tell.
func (d *document) is(now fs.FileInfo) bool {
	return os.SameFile(d.info, now) && d.info.Size() == now.Size() && d.info.ModTime().Equal(now.ModTime()) &&
		d.read.Sub(now.ModTime()) > coarse
}

package pipelines

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// extensions are those of documents, in the order they are looked for.
var extensions = [...]string{".yaml", ".yml", ".json"}

// Extensions are those of documents and of their tests, in the order they are looked for.
func Extensions() []string { return slices.Clone(extensions[:]) }

// TestsOf says whether a file's name is that of tests ("hello.test.yaml"), and returns the name of what they test, without
// its extension.
func TestsOf(file string) (base string, ok bool) {
	ext := filepath.Ext(file)
	if !slices.Contains(extensions[:], ext) {
		return "", false
	}
	return strings.CutSuffix(strings.TrimSuffix(file, ext), testSuffix)
}

const testSuffix = ".test"

// isTest says that a file without its extension holds tests of a pipeline.
func isTest(base string) bool { return strings.HasSuffix(base, testSuffix) }

// IsDocument says that a file of this name, in a folder of pipelines, is one: tests, schemas and hidden files are none.
func IsDocument(file string) bool {
	return meantAsDocument(file) && validName(strings.TrimSuffix(file, filepath.Ext(file)))
}

// meantAsDocument says the same of a file whose name may be none of a pipeline's: "a b.yaml".
func meantAsDocument(file string) bool {
	ext := filepath.Ext(file)
	base := strings.TrimSuffix(file, ext)
	return slices.Contains(extensions[:], ext) && !strings.HasPrefix(file, ".") && !isTest(base) && !strings.HasSuffix(base, ".schema")
}

// ReadDocument reads a document, or as much of it as shows that it is too large, and says which file that was. A pipe that
// nobody writes to is empty: it keeps nobody waiting.
func ReadDocument(path string) (text []byte, info fs.FileInfo, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	if text, err = ReadBounded(f); err != nil {
		return nil, nil, err
	}
	return text, info, nil
}

// ReadBounded reads a document, or as much of it as shows that it is too large.
func ReadBounded(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, maxSource+1)) }

package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipelines"
)

// A Suite is a test file with the pipeline that it tests.
type Suite struct {
	File   *File
	Source string // path of the pipeline
	Doc    []byte // its text
}

// Load reads a test file and its pipeline, whose path leads to the same folder or below it; links are followed wherever they
// lead. Its errors are sentences.
func Load(path string) (*Suite, error) {
	src, err := read(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(path, src)
	if err != nil {
		return nil, err
	}
	source, err := f.source()
	if err != nil {
		return nil, err
	}
	doc, err := read(source)
	if err != nil {
		return nil, fmt.Errorf("%s: its pipeline: %w", path, err)
	}
	return &Suite{File: f, Source: source, Doc: doc}, nil
}

// source is the path of the pipeline that f tests.
func (f *File) source() (string, error) {
	folder, name := filepath.Split(f.Name)
	if f.Pipeline != "" {
		if !filepath.IsLocal(filepath.FromSlash(f.Pipeline)) {
			return "", fmt.Errorf("%s: pipeline %q leads out of the test file's folder; put both into one", f.Name, clip(f.Pipeline, 64))
		}
		return filepath.Join(folder, filepath.FromSlash(f.Pipeline)), nil
	}
	base, ok := pipelines.TestsOf(name)
	if !ok {
		return "", fmt.Errorf("%s: the file does not say which pipeline it tests; add pipeline: NAME.yaml, or call the file NAME.test.yaml", f.Name)
	}
	for _, ext := range pipelines.Extensions() {
		if info, err := os.Stat(filepath.Join(folder, base+ext)); err == nil && info.Mode().IsRegular() {
			return filepath.Join(folder, base+ext), nil
		}
	}
	return "", fmt.Errorf("%s: there is no %s.yaml beside it; say which pipeline it tests with pipeline: NAME.yaml", f.Name, base)
}

func read(path string) ([]byte, error) {
	src, _, err := pipelines.ReadDocument(path)
	return src, sentence(path, err)
}

// sentence says of a path what keeps it from being read.
func sentence(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file or folder %s", path)
	}
	return err
}

// Found is what Find found.
type Found struct {
	Tests    []string // test files
	Untested []string // pipelines in the folders that were named, without a test file
}

// Find returns the test files that paths name: a test file, a pipeline, which stands for the test file beside it, or a
// folder, for all in it, not below. A path that leads to no tests is an error, and all are told at once.
func Find(paths []string) (Found, error) {
	var all Found
	var wrong []error
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			wrong = append(wrong, sentence(path, err))
		case info.IsDir():
			wrong = append(wrong, all.folder(path))
		default:
			wrong = append(wrong, all.file(path))
		}
	}
	slices.Sort(all.Tests)
	slices.Sort(all.Untested)
	all.Tests, all.Untested = slices.Compact(all.Tests), slices.Compact(all.Untested)
	return all, errors.Join(wrong...)
}

func (f *Found) file(path string) error {
	folder, name := filepath.Split(path)
	if _, ok := pipelines.TestsOf(name); ok {
		f.Tests = append(f.Tests, path)
		return nil
	}
	base := strings.TrimSuffix(name, filepath.Ext(name))
	for _, ext := range pipelines.Extensions() {
		tests := filepath.Join(folder, base+".test"+ext)
		if _, err := os.Stat(tests); err == nil {
			f.Tests = append(f.Tests, tests)
			return nil
		}
	}
	return fmt.Errorf("%s: there is no %s.test.yaml beside it; write its tests there", path, base)
}

func (f *Found) folder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	tested, others := map[string]bool{}, []string{}
	before := len(f.Tests)
	for _, e := range entries {
		name := e.Name()
		base, isTest := pipelines.TestsOf(name)
		switch {
		case e.IsDir() || strings.HasPrefix(name, "."):
		case isTest:
			tested[base] = true
			f.Tests = append(f.Tests, filepath.Join(path, name))
		case slices.Contains(pipelines.Extensions(), filepath.Ext(name)):
			others = append(others, name)
		}
	}
	if len(f.Tests) == before {
		return fmt.Errorf("%s: there are no tests here; those of NAME.yaml belong into NAME.test.yaml beside it", path)
	}
	for _, name := range others {
		if !tested[strings.TrimSuffix(name, filepath.Ext(name))] {
			f.Untested = append(f.Untested, filepath.Join(path, name))
		}
	}
	return nil
}

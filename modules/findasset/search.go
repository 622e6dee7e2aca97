package findasset

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

const (
	// maxEntries bounds how many files and folders are looked at: an archive may hold far more than anyone means.
	maxEntries = 1_000_000
	// maxOthers is how many of the files that were not taken are named.
	maxOthers = 20
	// maxKinds is how many extensions a sentence names.
	maxKinds = 8
)

// A search is the files of a folder that fit.
type search struct {
	name  string         // that the file has; empty is any
	rank  map[string]int // by extension: 0 is the best
	found []candidate
	seen  map[string]int // files of each extension, for the sentence when none fits
	files int
}

// A candidate is a file that fits. The fields are in the order in which they decide.
type candidate struct {
	named int // how well the name fits: 0 to the letter, 1 but for the case
	rank  int // of its extension
	depth int // folders above it
	file  string
	ext   string
}

// walk looks at all below src. What an operating system leaves in folders and archives is no asset: hidden files, and the
// shadows that macOS puts beside each file.
func (s *search) walk(ctx context.Context, dir *workspace.Dir, src string) error {
	entries := 0
	return dir.Walk(src, func(file string, e fs.DirEntry, err error) error {
		entries++
		switch {
		case err != nil && entries == 1:
			_, err = dir.Stat(src) // says what is wrong in a sentence
			return err
		case err != nil:
			return fmt.Errorf("list %q: %w", src, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case entries > maxEntries:
			return fault.As(fault.Permanent, fmt.Errorf("%q holds more than %d files; name a folder below it", src, maxEntries))
		case entries > 1 && (strings.HasPrefix(e.Name(), ".") || e.Name() == "__MACOSX"):
			if e.IsDir() {
				return fs.SkipDir
			}
		case e.Type().IsRegular():
			s.consider(file)
		}
		return nil
	})
}

// consider takes a file among those found if it fits.
func (s *search) consider(file string) {
	base := path.Base(file)
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(base), "."))
	s.files++
	s.seen[ext]++
	rank, ok := s.rank[ext]
	named, fits := s.fit(base)
	if ok && fits {
		s.found = append(s.found, candidate{named: named, rank: rank, depth: strings.Count(file, "/"), file: file, ext: ext})
	}
}

// fit says how well a file's name is the one that is looked for.
func (s *search) fit(base string) (named int, ok bool) {
	stem := strings.TrimSuffix(base, path.Ext(base))
	switch {
	case s.name == "" || base == s.name || stem == s.name:
		return 0, true
	case strings.EqualFold(base, s.name) || strings.EqualFold(stem, s.name):
		return 1, true
	}
	return 0, false
}

// best returns the file to take and the names of those that come next.
func (s *search) best() (candidate, []string) {
	slices.SortFunc(s.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.named, b.named), cmp.Compare(a.rank, b.rank), cmp.Compare(a.depth, b.depth),
			cmp.Compare(len(a.file), len(b.file)), cmp.Compare(a.file, b.file))
	})
	var others []string
	for _, c := range s.found[1:min(len(s.found), 1+maxOthers)] {
		others = append(others, workspace.Operand(c.file))
	}
	first := s.found[0]
	first.file = workspace.Operand(first.file) // whoever packed the archive chose the name
	return first, others
}

// why says what decided between the first two, which are sorted.
func (s *search) why() string {
	switch a, b := s.found[0], s.found[1]; {
	case a.named != b.named:
		return "its name fits to the letter"
	case a.rank != b.rank:
		return "." + a.ext + " comes before ." + b.ext
	case a.depth != b.depth || len(a.file) != len(b.file):
		return "its path is the shortest"
	}
	return "it is the first by the alphabet"
}

// nothing says what is there instead.
func (s *search) nothing(src string, wanted []string) error {
	what := "asset"
	if s.name != "" {
		what = fmt.Sprintf("asset called %q", s.name)
	}
	if len(wanted) <= maxKinds {
		what += " of type " + strings.Join(wanted, ", ")
	}
	if s.files == 0 {
		return fault.As(fault.Permanent, fmt.Errorf("there is no %s in %q: no file is there", what, src))
	}
	kinds := slices.SortedFunc(maps.Keys(s.seen), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.seen[b], s.seen[a]), cmp.Compare(a, b))
	})
	var there []string
	for _, ext := range kinds[:min(len(kinds), maxKinds)] {
		there = append(there, fmt.Sprintf("%d %s", s.seen[ext], cmp.Or(ext, "without extension")))
	}
	if len(kinds) > maxKinds {
		there = append(there, "…")
	}
	return fault.As(fault.Permanent, fmt.Errorf("there is no %s in %q; its files are: %s", what, src, strings.Join(there, ", ")))
}

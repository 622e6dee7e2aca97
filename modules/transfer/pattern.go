package transfer

import (
	"path"
	"strings"
)

// wellFormed says whether a pattern can be matched.
func wellFormed(pattern string) bool {
	for part := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return false
		}
	}
	return true
}

// matches says whether a pattern matches all of a name: part by part as path.Match does, and ** any number of parts.
// It takes time in proportion to the product of their lengths, whatever they are.
func matches(pattern, name string) bool {
	p, n := strings.Split(pattern, "/"), strings.Split(name, "/")
	i, j := 0, 0
	last, from := -1, 0 // the last ** and the part that it ends before
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == "**":
			last, from = i, j
			i++
		case i < len(p) && matchesPart(p[i], n[j]):
			i, j = i+1, j+1
		case last >= 0:
			from++
			i, j = last+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == "**" {
		i++
	}
	return i == len(p)
}

func matchesPart(pattern, part string) bool {
	ok, err := path.Match(pattern, part)
	return ok && err == nil
}

// split parts a pattern into the folder that all it matches lie in, with its slash, and what every match begins with.
func split(pattern string) (folder, begin string) {
	begin = pattern[:strings.IndexAny(pattern, `*?[\`)]
	return begin[:strings.LastIndexByte(begin, '/')+1], begin
}

// whole is a pattern that matches names of objects or files: one of folders means all that is in them.
func whole(pattern string) string {
	if strings.HasSuffix(pattern, "/") {
		return pattern + "**"
	}
	return pattern
}

// wants says whether a task wants a name, of those below its source.
func (w *What) wants(name string) bool {
	return (len(w.Include) == 0 || matchesAny(w.Include, name)) && !matchesAny(w.Exclude, name)
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) || !strings.Contains(p, "/") && matches(p, path.Base(name)) {
			return true
		}
	}
	return false
}

package mesh

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// maxSolidName is how many bytes of a solid's name are kept.
const maxSolidName = 255

// ascii reads the text form: solids of facets. Keywords are matched without regard to case; normals are not read.
func (s *scan) ascii(r io.Reader) error {
	w := newWords(r)
	for {
		word := w.next()
		if word == nil {
			return w.fail(nil)
		}
		word = bytes.TrimPrefix(word, []byte("\xef\xbb\xbf"))
		if !bytes.EqualFold(word, []byte("solid")) {
			return w.fail(malformed("line %d: found %s where a solid should begin", w.line, quote(word)))
		}
		s.solid, s.opened = solidName(w.rest()), false
		if err := s.facets(w); err != nil {
			return err
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// facets reads up to and with the endsolid of one solid.
func (s *scan) facets(w *words) error {
	for {
		if !w.took("facet") {
			word := w.next()
			switch {
			case word == nil:
				return w.fail(malformed("the file is truncated: it has %d triangles and no \"endsolid\" behind them", s.info.Triangles))
			case bytes.EqualFold(word, []byte("endsolid")):
				w.rest()
				return w.fail(nil)
			case !bytes.EqualFold(word, []byte("facet")):
				return w.fail(malformed("line %d: found %s where \"facet\" or \"endsolid\" should be", w.line, quote(word)))
			}
		}
		t, err := s.facet(w)
		if err != nil {
			return w.fail(err)
		}
		if err := s.add(t); err != nil {
			return err
		}
	}
}

// facet reads one triangle, from behind the word facet.
func (s *scan) facet(w *words) (t Triangle, err error) {
	if err := s.expect(w, "normal"); err != nil {
		return t, err
	}
	for range 3 {
		w.next()
	}
	if err := s.expect(w, "outer", "loop"); err != nil {
		return t, err
	}
	for i := range t {
		if err := s.expect(w, "vertex"); err != nil {
			return t, err
		}
		for k := range t[i] {
			if t[i][k], err = s.number(w); err != nil {
				return t, err
			}
		}
	}
	return t, s.expect(w, "endloop", "endfacet")
}

// expect reads the given words.
func (s *scan) expect(w *words, want ...string) error {
	for _, wanted := range want {
		if w.took(wanted) {
			continue
		}
		word := w.next()
		if word == nil {
			return s.cut()
		}
		if !equalFold(word, wanted) {
			return malformed("line %d: triangle %d has %s where %q should be", w.line, s.info.Triangles+1, quote(word), wanted)
		}
	}
	return nil
}

// equalFold compares ASCII words; want is lower case.
func equalFold(word []byte, want string) bool {
	if len(word) != len(want) {
		return false
	}
	for i, c := range word {
		if c|0x20 != want[i] {
			return false
		}
	}
	return true
}

// number reads one coordinate. A number too large for 32 bits becomes infinite, which add refuses.
func (s *scan) number(w *words) (float32, error) {
	word := w.next()
	if word == nil {
		return 0, s.cut()
	}
	x, err := parseFloat(word)
	if err != nil {
		return 0, malformed("line %d: triangle %d has the coordinate %s, which is not a number", w.line, s.info.Triangles+1, quote(word))
	}
	return x, nil
}

func (s *scan) cut() error {
	return malformed("the file is truncated: it ends inside triangle %d", s.info.Triangles+1)
}

// solidName makes a name that is safe on a line of its own.
func solidName(line []byte) string {
	line = line[:min(len(line), maxSolidName)]
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(line), ""))
	return strings.TrimSpace(name)
}

// quote shows a word of the file in an error, cut where it is long.
func quote(word []byte) string {
	const most = 32
	if len(word) > most {
		return fmt.Sprintf("%q…", word[:most])
	}
	return fmt.Sprintf("%q", word)
}

package blocks

import (
	"slices"
	"strconv"
	"strings"
)

// value reads a scalar that starts with the tag at i and ends with the line: "message: {% for a in b %}<{{ a }}>{% endfor %}".
// It returns false where the tag stands between values, or chooses one that is not plain text.
func (s *scanner) value() bool {
	if s.flow > 0 || s.opened > 0 || !s.open || s.asked || s.src[s.i+1] == '#' {
		return false
	}
	s.asked = true
	r := readRow(s.src, s.i)
	switch {
	case !r.begins || !r.text() || !s.keyed && r.structure():
		return false
	case r.chooses():
		return false
	case r.closed:
		s.tags = append(s.tags, &tag{start: s.i, end: r.end, from: s.i, to: r.end, value: true})
		s.i, s.open = r.end, false
		return true
	case s.keyed:
		s.err = wrong(s.i, "a value that starts with a tag ends with its line, and a block of this one does not; put quotes round the value, or write it as a | block")
		return true
	}
	return false
}

// A row is what is left of a line: tags, and pieces of text between them.
type row struct {
	end    int      // of the text, in the source
	begins bool     // with a tag that opens a block
	open   []string // blocks that have begun and not ended
	closed bool     // all have ended
	loops  bool     // one of them is a loop
	pieces []string // without blanks around them, none empty
}

func readRow(src string, i int) row {
	line, _, _ := strings.Cut(src[i:], "\n")
	begin, piece, stop := i, i, i+len(line)
	r := row{closed: true}
	for i < stop {
		switch {
		case strings.HasPrefix(src[i:stop], "{%") || strings.HasPrefix(src[i:stop], "{#"):
			r.piece(src, piece, i)
			t, err := readTag(src, i)
			if err != nil || t.end > stop {
				r.closed = false
				return r
			}
			r.tag(t)
			r.begins = r.begins || t.start == begin && len(r.open) > 0
			i, piece, r.end = t.end, t.end, t.end
		case strings.HasPrefix(src[i:stop], "{{"):
			_, behind, _ := strings.Cut(src[i:stop], "}}")
			i = stop - len(behind)
		case src[i] == '#' && strings.IndexByte(" \t", src[i-1]) >= 0:
			stop = i
		default:
			i++
		}
	}
	r.piece(src, piece, stop)
	r.closed = r.closed && len(r.open) == 0
	return r
}

func (r *row) piece(src string, from, to int) {
	text := strings.TrimRight(src[from:to], " \t\r")
	if piece := strings.TrimLeft(text, " \t"); piece != "" {
		r.pieces = append(r.pieces, piece)
		r.end = from + len(text)
	}
}

func (r *row) tag(t *tag) {
	opener, ends := strings.CutPrefix(t.name, "end")
	last := len(r.open) - 1
	switch {
	case ends && last >= 0 && r.open[last] == opener:
		r.open = r.open[:last]
	case ends:
		r.closed = false
	case slices.Contains([]string{"for", "if", "filter", "macro", "call", "raw", "verbatim"}, t.name):
		r.open = append(r.open, t.name)
		r.loops = r.loops || t.name == "for"
	}
}

// text says that there is some.
func (r row) text() bool { return len(r.pieces) > 0 }

// structure says that a piece of text begins an entry or is a key.
func (r row) structure() bool {
	return slices.ContainsFunc(r.pieces, func(piece string) bool {
		for begin := strings.Index(piece, "{{"); begin >= 0; begin = strings.Index(piece, "{{") {
			end := strings.Index(piece[begin:], "}}")
			if end < 0 {
				break
			}
			piece = piece[:begin] + piece[begin+end+2:]
		}
		return piece == "-" || strings.HasPrefix(piece, "- ") || strings.HasSuffix(piece, ":") || strings.Contains(piece, ": ")
	})
}

// chooses says that the row has no loop, and that its pieces are values of YAML: all of them numbers, true, false or
// null, or one of them in quotes, a list or a map.
func (r row) chooses() bool {
	if r.loops {
		return false
	}
	typed := true
	for _, piece := range r.pieces {
		template := strings.HasPrefix(piece, "{{")
		if strings.IndexByte("\"'[{&*!|>", piece[0]) >= 0 && !template {
			return true
		}
		_, err := strconv.ParseFloat(piece, 64)
		typed = typed && (err == nil || slices.Contains([]string{"true", "false", "null", "~"}, piece))
	}
	return typed
}

package blocks

import (
	"slices"
	"strconv"
	"strings"
)

// value reads a scalar that starts with the tag at i and ends with the line: "message: {% for a in b %}<{{ a }}>{% endfor %}".
// It returns false where the tag stands between values, or chooses one that is not plain text.
func (s *scanner) value() bool {
	if s.flow > 0 || s.opened > 0 || !s.open || s.src[s.i+1] == '#' {
		return false
	}
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
	closed bool     // all blocks end that begin in it
	loops  bool     // one of them is a loop
	pieces []string // without blanks around them, none empty
}

func readRow(src string, i int) row {
	line, _, _ := strings.Cut(src[i:], "\n")
	r := row{closed: true}
	begin, stop, piece := i, i+len(line), i
	var open []string
	cutPiece := func(to int) {
		if text := strings.Trim(src[piece:to], " \t\r"); text != "" {
			r.pieces = append(r.pieces, text)
			r.end = piece + len(strings.TrimRight(src[piece:to], " \t\r"))
		}
	}
	for i < stop {
		switch {
		case strings.HasPrefix(src[i:stop], "{{"):
			n := strings.Index(src[i:stop], "}}")
			if n < 0 {
				i = stop
				continue
			}
			i += n + 2
			continue
		case src[i] == '#' && strings.IndexByte(" \t", src[i-1]) >= 0:
			stop = i
			continue
		case !strings.HasPrefix(src[i:stop], "{%") && !strings.HasPrefix(src[i:stop], "{#"):
			i++
			continue
		}
		cutPiece(i)
		t, err := readTag(src, i)
		if err != nil || t.end > stop {
			r.closed = false
			return r
		}
		opener, ends := strings.CutPrefix(t.name, "end")
		last := len(open) - 1
		switch {
		case ends && last >= 0 && open[last] == opener:
			open = open[:last]
		case ends:
			r.closed = false
		case slices.Contains([]string{"for", "if", "filter", "macro", "call", "raw", "verbatim"}, t.name):
			open = append(open, t.name)
			r.begins = r.begins || t.start == begin
			r.loops = r.loops || t.name == "for"
		}
		i = t.end
		piece, r.end = i, i
	}
	cutPiece(stop)
	r.closed = r.closed && len(open) == 0
	return r
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

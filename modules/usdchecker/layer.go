package usdchecker

import (
	"bytes"
	"errors"
	"strings"
)

// A layer is what our rules ask of a text layer.
type layer struct {
	metadata  map[string]string // of the stage: what stands behind a key, as far as it is one word
	prims     map[string]bool   // at the top
	sublayers bool
	assets    []string // files that it refers to, in the order they stand there
}

// errSyntax is a text that our rules can't follow.
var errSyntax = errors.New("its text can't be followed")

// maxAssets is how many files a layer may refer to.
const maxAssets = 10_000

// readLayer reads a text layer: as much of what OpenUSD 26.11 reads as tells words, texts and files apart.
func readLayer(text []byte) (*layer, error) {
	r := reader{layer: &layer{metadata: map[string]string{}, prims: map[string]bool{}}}
	s := scanner{text: text}
	for {
		t, err := s.next()
		if err != nil || t.kind == end {
			return r.layer, err
		}
		r.take(t)
		if r.braces < 0 || r.parens < 0 || r.brackets < 0 || len(r.assets) > maxAssets {
			return nil, errSyntax
		}
	}
}

// A reader knows where in a layer it is.
type reader struct {
	*layer
	braces, parens, brackets int    // that are open
	skip                     int    // braces, at the end of which files count again; 0: they do
	last, key                string // word, and that before the last "="
}

func (r *reader) take(t token) {
	top := r.braces == 0 && r.brackets == 0 && r.parens == 1 && len(r.prims) == 0 // in the stage's own metadata
	switch {
	case t.kind == asset:
		if t.text != "" && r.skip == 0 {
			r.assets = append(r.assets, t.text)
		}
	case t.is("="):
		r.key = r.last
		r.sublayers = r.sublayers || top && r.key == "subLayers"
		return
	case t.kind == mark:
		r.sign(t.text)
	case top && r.key != "":
		r.metadata[r.key], r.key = t.text, ""
	case t.kind == quoted && r.braces == 0 && r.parens == 0 && r.brackets == 0:
		r.prims[t.text] = true
	}
	if t.kind == word {
		r.last = t.text
	}
	if !t.is("{") && (r.braces > 0 || r.parens != 1) {
		r.key = ""
	}
}

// sign counts what opens and closes.
func (r *reader) sign(text string) {
	switch text {
	case "{":
		if r.braces++; r.skip == 0 && r.key == "assetInfo" {
			r.skip = r.braces // what names the asset itself is not looked for
		}
	case "}":
		if r.skip == r.braces {
			r.skip = 0
		}
		r.braces--
	case "(":
		r.parens++
	case ")":
		r.parens--
	case "[":
		r.brackets++
	case "]":
		r.brackets--
	}
}

// A token is a word, a text in quotes, a file between @, or a sign.
type token struct {
	kind kind
	text string
}

func (t token) is(sign string) bool { return t.kind == mark && t.text == sign }

type kind int

const (
	end kind = iota
	word
	quoted
	asset
	mark
)

// A scanner cuts a text layer into tokens.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) next() (token, error) {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == ',':
			s.at++
		case c == '#':
			i := bytes.IndexByte(s.text[s.at:], '\n')
			if i < 0 {
				i = len(s.text) - s.at
			}
			s.at += i
		case c == '/' && bytes.HasPrefix(s.text[s.at:], []byte("/*")):
			i := bytes.Index(s.text[s.at:], []byte("*/"))
			if i < 0 {
				return token{}, errSyntax
			}
			s.at += i + 2
		case c == '"' || c == '\'':
			return s.quotation(c)
		case c == '@':
			return s.file()
		case isWord(c):
			from := s.at
			for s.at < len(s.text) && isWord(s.text[s.at]) {
				s.at++
			}
			return token{word, string(s.text[from:s.at])}, nil
		default:
			s.at++
			return token{mark, string(c)}, nil
		}
	}
	return token{}, nil
}

func isWord(c byte) bool {
	return c == '_' || c == ':' || c == '.' || c == '-' || c == '+' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// quotation reads a text between one quote or three.
func (s *scanner) quotation(quote byte) (token, error) {
	mark := strings.Repeat(string(quote), 3)
	if !bytes.HasPrefix(s.text[s.at:], []byte(mark)) {
		mark = mark[:1]
	}
	s.at += len(mark)
	from := s.at
	for s.at < len(s.text) {
		switch {
		case s.text[s.at] == '\\':
			s.at++
		case bytes.HasPrefix(s.text[s.at:], []byte(mark)):
			t := token{quoted, string(s.text[from:s.at])}
			s.at += len(mark)
			return t, nil
		case s.text[s.at] == '\n' && len(mark) == 1:
			return token{}, errSyntax
		}
		s.at++
	}
	return token{}, errSyntax
}

// file reads a path between @ or @@@.
func (s *scanner) file() (token, error) {
	mark := []byte("@@@")
	if !bytes.HasPrefix(s.text[s.at:], mark) {
		mark = mark[:1]
	}
	s.at += len(mark)
	i := bytes.Index(s.text[s.at:], mark)
	if i < 0 || len(mark) == 1 && bytes.IndexByte(s.text[s.at:s.at+i], '\n') >= 0 {
		return token{}, errSyntax
	}
	t := token{asset, string(s.text[s.at : s.at+i])}
	s.at += i + len(mark)
	return t, nil
}

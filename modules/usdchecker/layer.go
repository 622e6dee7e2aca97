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

// readLayer reads a text layer. https://openusd.org/release/spec_usdpreviewsurface.html has no grammar: this is of what
// OpenUSD 26.11 reads, as much as tells words, texts and files apart.
func readLayer(text []byte) (*layer, error) {
	l := &layer{metadata: map[string]string{}, prims: map[string]bool{}}
	s := scanner{text: text}
	braces, parens, brackets := 0, 0, 0
	skip := 0 // braces below which nothing is looked at, plus one
	var last, key string
	for {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		if t.kind == end {
			return l, nil
		}
		top := braces == 0 && brackets == 0 && parens == 1 && len(l.prims) == 0
		switch {
		case t.kind == asset:
			if t.text != "" && skip == 0 {
				l.assets = append(l.assets, t.text)
			}
			if len(l.assets) > maxAssets {
				return nil, errSyntax
			}
		case t.is("{"):
			if braces++; skip == 0 && key == "assetInfo" {
				skip = braces // what names the asset itself is not looked for
			}
		case t.is("}"):
			if skip == braces {
				skip = 0
			}
			braces--
		case t.is("("):
			parens++
		case t.is(")"):
			parens--
		case t.is("["):
			brackets++
		case t.is("]"):
			brackets--
		case t.is("="):
			if key = last; top && key == "subLayers" {
				l.sublayers = true
			}
		case top && key != "":
			l.metadata[key], key = t.text, ""
		case t.kind == quoted && braces == 0 && parens == 0 && brackets == 0:
			l.prims[t.text] = true
		}
		if braces < 0 || parens < 0 || brackets < 0 {
			return nil, errSyntax
		}
		if t.kind == word {
			last = t.text
		}
		if !t.is("=") && !t.is("{") {
			if braces > 0 || parens != 1 {
				key = ""
			}
		}
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

package document

import (
	"fmt"
	"strings"
)

// A piece is one part of a template.
type piece struct {
	kind kind
	text string // of a text all of it; of a value and a tag what stands between the braces, on one line
	at   place
}

type kind int

const (
	isText kind = iota
	isValue
	isTag
)

// A place is where something stands in a template.
type place struct {
	file string
	line int // from 1
}

func (p place) errorf(format string, args ...any) error {
	return &Error{Name: p.file, Line: p.line, Msg: fmt.Sprintf(format, args...)}
}

// word is a tag's first word; "" of other pieces.
func (p piece) word() string {
	if p.kind != isTag {
		return ""
	}
	return p.text[:nameLen(p.text)]
}

// scan cuts a template into pieces. Comments are left out, and what is verbatim is text.
func scan(file, source string) ([]piece, error) {
	s := scanner{rest: source, at: place{file, 1}}
	if len(source) > maxSource {
		return nil, &Error{Name: file, Msg: fmt.Sprintf("a template has at most %d KiB; this one has %d", maxSource>>10, len(source)>>10)}
	}
	for s.rest != "" {
		i, open := opening(s.rest)
		s.text(s.take(i))
		if open == "" {
			break
		}
		if err := s.code(open); err != nil {
			return nil, err
		}
	}
	return s.pieces, nil
}

type scanner struct {
	rest   string
	at     place
	pieces []piece
	trim   bool // the text that follows loses the white space at its start
}

// take moves n bytes on.
func (s *scanner) take(n int) string {
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}

// text adds a text that was taken.
func (s *scanner) text(t string) {
	kept := t
	if s.trim {
		kept = strings.TrimLeft(t, " \t\r\n")
	}
	if kept != "" {
		s.pieces = append(s.pieces, piece{isText, kept, s.at})
	}
	s.trim = s.trim && kept == ""
	s.at.line += strings.Count(t, "\n")
}

// code takes what begins with open.
func (s *scanner) code(open string) error {
	at := s.at
	s.take(len(open))
	if open == "{#" {
		return s.until("#}", "comment", at)
	}
	end := map[string]string{"{{": "}}", "{%": "%}"}[open]
	i, err := closing(s.rest, end, at)
	if err != nil {
		return err
	}
	inside := s.take(i)
	s.take(len(end))
	s.at.line += strings.Count(inside, "\n")
	if cut, ok := strings.CutPrefix(inside, "-"); ok {
		s.trimLast()
		inside = cut
	}
	inside, s.trim = strings.CutSuffix(inside, "-")
	inside = strings.TrimSpace(strings.NewReplacer("\n", " ", "\r", " ").Replace(inside))
	p := piece{isTag, inside, at}
	if open == "{{" {
		p.kind = isValue
	}
	switch word := p.word(); word {
	case "comment":
		return s.skip(word, at, false)
	case "verbatim", "raw":
		return s.skip(word, at, true)
	}
	if err := checkCode(inside, at); err != nil {
		return err
	}
	s.pieces = append(s.pieces, p)
	return nil
}

// trimLast takes the white space off the end of the text before a "{{-".
func (s *scanner) trimLast() {
	n := len(s.pieces)
	if n == 0 || s.pieces[n-1].kind != isText {
		return
	}
	s.pieces[n-1].text = strings.TrimRight(s.pieces[n-1].text, " \t\r\n")
}

func (s *scanner) until(end, what string, at place) error {
	i := strings.Index(s.rest, end)
	if i < 0 {
		return at.errorf("this %s has no end: %s is missing", what, end)
	}
	s.at.line += strings.Count(s.take(i+len(end)), "\n")
	return nil
}

// skip takes all up to the tag end+word, and keeps it as text or drops it.
func (s *scanner) skip(word string, at place, keep bool) error {
	for from := 0; ; {
		i := strings.Index(s.rest[from:], "{%")
		if i < 0 {
			return at.errorf("{%% %s %%} has no end: {%% end%s %%} is missing", word, word)
		}
		i += from
		tag, _, closed := strings.Cut(s.rest[i+2:], "%}")
		if !closed || strings.Trim(tag, " \t\r\n-") != "end"+word {
			from = i + 2
			continue
		}
		body := s.take(i)
		if keep {
			s.text(body)
		} else {
			s.at.line += strings.Count(body, "\n")
		}
		s.at.line += strings.Count(s.take(len(tag)+4), "\n")
		return nil
	}
}

// opening finds where the next code begins; without one, i is the length.
func opening(text string) (i int, open string) {
	for i := range len(text) - 1 {
		if text[i] == '{' && (text[i+1] == '{' || text[i+1] == '%' || text[i+1] == '#') {
			return i, text[i : i+2]
		}
	}
	return len(text), ""
}

// closing finds the end of code; what stands in quotes does not end it.
func closing(text, end string, at place) (int, error) {
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case strings.HasPrefix(text[i:], end):
			return i, nil
		}
	}
	if quote != 0 {
		return 0, at.errorf("a text in %c has no end here", quote)
	}
	return 0, at.errorf("this has no end: %s is missing", end)
}

func inName(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// nameLen is the length of the name at the start of s; 0 is none.
func nameLen(s string) int {
	n := 0
	for n < len(s) && inName(s[n]) && (n > 0 || s[0] > '9') {
		n++
	}
	return n
}

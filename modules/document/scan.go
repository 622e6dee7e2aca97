package document

import (
	"fmt"
	"slices"
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

const (
	maxCode    = 4 << 10 // bytes between two braces
	maxParens  = 50      // nested
	maxChained = 20      // "|" and "+" in one
)

// checkCode bounds what stands between two braces, before anything recursive reads it.
func checkCode(code string, at place) error {
	if len(code) > maxCode {
		return at.errorf("what stands between two braces has at most %d KiB", maxCode>>10)
	}
	var quote byte
	depth, chained := 0, 0
	for i := 0; i < len(code); i++ {
		c := code[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == '|' || c == '+' || c == '^':
			chained++
		case !inName(c) && !strings.ContainsRune(" \t-*<>/,.!:=%&", rune(c)):
			return at.errorf("%q means nothing here: %s", rune(c), clip(code))
		}
		if rest := strings.TrimLeft(code[i+1:], " "); c == '|' && quote == 0 {
			if err := checkFilter(rest[:nameLen(rest)], at); err != nil && code[i-min(i, 1)] != '|' {
				return err
			}
		}
		if depth > maxParens || chained > maxChained {
			return at.errorf("this is nested or chained too deep; split it with {%% set %%}: %s", clip(code))
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

const (
	maxNested = 20 // tags in tags
	maxLoops  = 3  // of these, loops
)

// checkTags refuses tags that documents don't have, and bounds how deep they stand in each other.
func checkTags(pieces []piece) error {
	var open []piece
	loops := 0
	for _, p := range pieces {
		word := p.word()
		switch word {
		case "if", "for":
			open = append(open, p)
			if word == "for" {
				loops++
			}
			if len(open) > maxNested || loops > maxLoops {
				return p.at.errorf("tags stand in each other at most %d deep, and loops %d", maxNested, maxLoops)
			}
		case "endif", "endfor":
			if len(open) == 0 || "end"+open[len(open)-1].word() != word {
				return p.at.errorf("{%% %s %%} has no beginning", word)
			}
			if word == "endfor" {
				loops--
			}
			open = open[:len(open)-1]
		case "":
			if p.kind == isTag {
				return p.at.errorf("this tag has no name: {%% %s %%}", clip(p.text))
			}
		default:
			if !slices.Contains([]string{"elif", "else", "empty", "set"}, word) {
				return p.at.errorf("there is no tag %q in documents; there are if, elif, else, for, empty, set, block, extends, comment and verbatim", word)
			}
		}
	}
	if n := len(open); n > 0 {
		return open[n-1].at.errorf("{%% %s %%} has no end: {%% end%s %%} is missing", open[n-1].text, open[n-1].word())
	}
	return nil
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

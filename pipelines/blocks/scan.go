package blocks

import "strings"

// A tag is one {% … %} or {# … #} that stands between YAML's values.
type tag struct {
	start, end int    // from "{" to behind "}"
	from, to   int    // what is taken out of the text with it
	name       string // "for", "endif", …; "#" for a comment
	args       string // what follows the name
	argsAt     int    // offset
	left       bool   // {%-
	right      bool   // -%}
}

// scan finds the tags of a source that stand where no scalar does: first on a line, behind one of YAML's indicators, or
// behind another such tag or a scalar that one began. It reads YAML only as far as that takes.
func scan(src string) ([]*tag, error) {
	s := scanner{src: src}
	for s.i < len(src) && s.err == nil {
		s.line()
	}
	return s.tags, s.err
}

type scanner struct {
	src  string
	i    int
	tags []*tag
	err  error

	start  int  // of the line
	tagged bool // a tag stands before i on this line
	owner  int  // column of the key or dash that a scalar here belongs to, from 0
	flow   int  // depth of [ and {
	folded bool // the line before ended in a plain scalar, which goes on where a line is further in than owner
}

// line reads one line, and as many more as a quoted scalar or a tag that starts on it goes on for.
func (s *scanner) line() {
	s.start, s.tagged = s.i, false
	s.skip(" \t")
	indent := s.i - s.start
	switch {
	case s.i == len(s.src):
		return
	case strings.IndexByte("\r\n", s.src[s.i]) >= 0:
		s.skip("\r\n")
		return
	case s.folded && s.flow == 0 && indent > s.owner && !s.atTag():
		s.skipLine()
		return
	}
	s.owner, s.folded = indent-1, false
	for s.err == nil && s.i < len(s.src) && s.src[s.i] != '\n' {
		s.token()
	}
	s.skipLine()
}

func (s *scanner) skip(set string) {
	for s.i < len(s.src) && strings.IndexByte(set, s.src[s.i]) >= 0 {
		s.i++
	}
}

// skipLine goes to the start of the next line.
func (s *scanner) skipLine() {
	if n := strings.IndexByte(s.src[s.i:], '\n'); n >= 0 {
		s.i += n + 1
		return
	}
	s.i = len(s.src)
}

func (s *scanner) atTag() bool {
	return strings.HasPrefix(s.src[s.i:], "{%") || strings.HasPrefix(s.src[s.i:], "{#")
}

// spaced says that the byte after i ends a token.
func (s *scanner) spaced() bool {
	return s.i+1 == len(s.src) || strings.IndexByte(" \t\r\n", s.src[s.i+1]) >= 0
}

// token reads what starts at i.
func (s *scanner) token() {
	c := s.src[s.i]
	switch {
	case s.atTag():
		s.tag()
	case c == '#' && (s.i == s.start || strings.IndexByte(" \t", s.src[s.i-1]) >= 0):
		s.toLineEnd()
	case c == '"' || c == '\'':
		s.quoted(c)
	case c == '[' || c == '{':
		s.flow++
		s.i++
	case c == ']' || c == '}':
		s.flow = max(0, s.flow-1)
		s.i++
	case c == '-' && s.spaced():
		s.owner = s.i - s.start
		s.i++
	case strings.IndexByte(" \t\r,:?", c) >= 0:
		s.i++
	case strings.IndexByte("&!*", c) >= 0:
		for s.i < len(s.src) && strings.IndexByte(" \t\r\n,[]{}", s.src[s.i]) < 0 {
			s.i++
		}
	case (c == '|' || c == '>') && s.flow == 0 && s.blockHeader():
		s.block()
	default:
		s.plain()
	}
}

func (s *scanner) toLineEnd() {
	if n := strings.IndexByte(s.src[s.i:], '\n'); n >= 0 {
		s.i += n
		return
	}
	s.i = len(s.src)
}

// quoted reads a scalar in quotes.
func (s *scanner) quoted(quote byte) {
	begin, column := s.i, s.i-s.start
	for s.i++; s.i < len(s.src); s.i++ {
		switch c := s.src[s.i]; {
		case c == '\\' && quote == '"':
			s.i++
		case c == quote && quote == '\'' && strings.HasPrefix(s.src[s.i+1:], "'"):
			s.i++
		case c == quote:
			s.i++
			s.key(column)
			return
		}
	}
	s.i = len(s.src)
	s.err = wrong(begin, "the text that starts with this quote never ends; close it with %c", quote)
}

// key notes that what ended here and started in column is a key, if it is one.
func (s *scanner) key(column int) {
	if strings.HasPrefix(s.src[s.i:], ":") {
		s.owner = column
	}
}

// plain reads a scalar without quotes, as far as it stands on this line.
func (s *scanner) plain() {
	column := s.i - s.start
	for ; s.i < len(s.src); s.i++ {
		c := s.src[s.i]
		switch {
		case c == '\n':
			s.folded = true
			return
		case c == ':' && s.spaced():
			s.key(column)
			return
		case c == '#' && strings.IndexByte(" \t", s.src[s.i-1]) >= 0:
			return
		case s.flow > 0 && strings.IndexByte(",[]{}", c) >= 0:
			return
		case s.tagged && s.atTag():
			return
		}
	}
}

// blockHeader says that | or > at i starts a block scalar: nothing but its modifiers and a comment follow on the line.
func (s *scanner) blockHeader() bool {
	rest, _, _ := strings.Cut(s.src[s.i+1:], "\n")
	rest = strings.TrimLeft(rest, "+-0123456789")
	text := strings.TrimLeft(rest, " \t\r")
	return text == "" || text[0] == '#' && len(text) < len(rest)
}

// block skips a block scalar: the lines that are further in than its owner.
func (s *scanner) block() {
	s.skipLine()
	for s.i < len(s.src) {
		begin := s.i
		s.skip(" \t")
		if s.i == len(s.src) || strings.IndexByte("\r\n", s.src[s.i]) < 0 && s.i-begin <= s.owner {
			s.i = begin
			break
		}
		s.skipLine()
	}
	if s.src[s.i-1] == '\n' {
		s.i-- // where line goes on
	}
}

// tag reads a tag.
func (s *scanner) tag() {
	t := &tag{start: s.i}
	s.tagged = true
	s.tags = append(s.tags, t)
	if s.src[s.i+1] == '#' {
		n := strings.Index(s.src[s.i+2:], "#}")
		if n < 0 {
			s.err = wrong(s.i, "the comment that starts here never ends; close it with #}")
			return
		}
		t.name, t.end = "#", s.i+2+n+2
		t.left, t.right = s.src[s.i+2] == '-', n > 0 && s.src[s.i+1+n] == '-'
		s.i = t.end
		return
	}
	end := closing(s.src, s.i+2)
	if end < 0 {
		s.err = wrong(s.i, "the tag that starts here never ends; close it with %%}")
		return
	}
	from, to := s.i+2, end
	if t.left = s.src[from] == '-'; t.left {
		from++
	}
	if t.right = to > from && s.src[to-1] == '-'; t.right {
		to--
	}
	body := s.src[from:to]
	inner := strings.TrimLeft(body, spaces)
	word := strings.IndexFunc(inner, func(c rune) bool { return c < 'a' || c > 'z' })
	if word < 0 {
		word = len(inner)
	}
	t.name, t.args, t.argsAt = inner[:word], inner[word:], to-len(inner)+word
	t.end = end + 2
	s.i = t.end
}

const spaces = " \t\r\n"

// closing returns where the %} of a tag is whose inside starts at i; -1 when there is none. Text in quotes may hold one.
func closing(src string, i int) int {
	var quote byte
	for ; i < len(src); i++ {
		switch c := src[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '%' && strings.HasPrefix(src[i:], "%}"):
			return i
		}
	}
	return -1
}

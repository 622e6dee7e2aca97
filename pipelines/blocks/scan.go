package blocks

import "strings"

// scan finds the tags of a source that stand where no scalar does: first on a line, behind one of YAML's indicators, or
// behind another such tag or a scalar that one began. It reads YAML only as far as that takes.
func scan(src string) (*scanner, error) {
	s := &scanner{src: src}
	for s.i < len(src) && s.err == nil {
		s.line()
	}
	return s, s.err
}

type scanner struct {
	src  string
	i    int
	tags []*tag
	refs []ref
	err  error

	start  int  // of the line
	opened int  // blocks that began on this line and have not ended
	owner  int  // column of the key or dash that a scalar here belongs to, from 0
	open   bool // owner has no value yet
	keyed  bool // owner is a key on this line
	asked  bool // value has looked at what is left of this line
	flow   int  // depth of [ and {
	folded bool // the line before ended in a plain scalar, which goes on where a line is further in than owner
}

// A ref is an anchor or an alias.
type ref struct {
	from, to int // in the source
	name     string
	alias    bool
}

// line reads one line, and as many more as a quoted scalar or a tag that starts on it goes on for.
func (s *scanner) line() {
	s.start, s.opened, s.keyed, s.asked = s.i, 0, false, false
	s.skip(" \t")
	indent := s.i - s.start
	switch {
	case s.i == len(s.src):
		return
	case strings.IndexByte("\r\n", s.src[s.i]) >= 0:
		s.skip("\r\n")
		return
	case indent == 0 && s.flow == 0 && s.marker():
	case s.folded && s.flow == 0 && indent > s.owner:
		s.skipLine()
		return
	case !s.open || indent <= s.owner:
		s.owner, s.open = indent-1, false
	}
	s.folded = false
	for s.err == nil && s.i < len(s.src) && s.src[s.i] != '\n' {
		s.token()
	}
	s.skipLine()
}

// marker reads what divides documents, "---" and "...", or a directive, "%YAML 1.2".
func (s *scanner) marker() bool {
	rest, _, _ := strings.Cut(s.src[s.i:], "\n")
	word := strings.TrimRight(rest, " \t\r")
	switch {
	case strings.HasPrefix(rest, "%"), word == "...":
		s.toLineEnd()
	case word == "---" || strings.HasPrefix(rest, "--- "):
		s.i += len("---")
	default:
		return false
	}
	s.owner, s.open = -1, false
	return true
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
	case s.atTag() && s.value():
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
		s.owner, s.open, s.keyed = s.i-s.start, true, false
		s.i++
	case strings.IndexByte(" \t\r,:?", c) >= 0:
		s.i++
	case strings.IndexByte("&!*", c) >= 0:
		begin := s.i
		for s.i < len(s.src) && strings.IndexByte(" \t\r\n,[]{}", s.src[s.i]) < 0 {
			s.i++
		}
		if c != '!' {
			s.refs = append(s.refs, ref{begin, s.i, s.src[begin+1 : s.i], c == '*'})
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
			s.start = max(s.start, strings.LastIndexByte(s.src[:s.i], '\n')+1)
			s.open = false
			s.key(column)
			return
		}
	}
	s.i = len(s.src)
	s.err = wrong(begin, "the text that starts with this quote never ends; close it with %c", quote)
}

// key notes that what ended here and started in column is a key, if it is one.
func (s *scanner) key(column int) {
	if strings.HasPrefix(strings.TrimLeft(s.src[s.i:], " \t"), ":") && s.flow == 0 {
		s.owner, s.open, s.keyed = column, true, true
	}
}

// plain reads a scalar without quotes, as far as it stands on this line.
func (s *scanner) plain() {
	column := s.i - s.start
	s.open = false
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
		case s.opened > 0 && s.atTag():
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
	t, err := readTag(s.src, s.i)
	if s.err = err; err != nil {
		return
	}
	s.tags = append(s.tags, t)
	s.i = t.end
	switch t.name {
	case "for", "if":
		s.opened++
	case "endfor", "endif":
		s.opened = max(0, s.opened-1)
	}
}

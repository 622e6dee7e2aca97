package document

import "strings"

// A spot is where in a line of YAML a value stands. It knows no more than the line; proveYAML does.
type spot struct {
	in      spotKind
	flow    int  // brackets and braces that are open
	indent  int  // of the line
	lead    bool // nothing but the indent was read
	key     bool // a "key: " or a "- " stands before it
	dash    bool // a "- " does
	escaped bool // by a backslash in double quotes
	last    byte // that was read
}

type spotKind int

const (
	atStart spotKind = iota // of a scalar
	within                  // a plain scalar
	doubleQuoted
	singleQuoted
	inRemark
	afterDash // which begins a list's item if a blank follows
)

// read moves on by a text.
func (s *spot) read(text string) {
	for _, c := range []byte(text) {
		switch {
		case c == '\n':
			*s = spot{lead: true}
		case s.lead && c == ' ':
			s.indent++
		default:
			s.readByte(c)
			s.lead, s.last = false, c
		}
	}
}

func (s *spot) readByte(c byte) {
	if c == '#' && (s.lead || s.last == ' ') && (s.in == atStart || s.in == within) {
		s.in = inRemark
		return
	}
	switch s.in {
	case inRemark:
	case doubleQuoted:
		switch {
		case s.escaped:
			s.escaped = false
		case c == '\\':
			s.escaped = true
		case c == '"':
			s.in = within
		}
	case singleQuoted:
		if c == '\'' {
			s.in = within
		}
	case atStart:
		s.begin(c)
	case within, afterDash:
		switch {
		case c == ' ' && s.last == ':':
			s.in, s.key = atStart, true
		case c == ' ' && s.in == afterDash:
			s.in, s.key, s.dash = atStart, true, true
		case s.flow > 0 && strings.IndexByte("]}", c) >= 0:
			s.flow--
		case s.flow > 0 && c == ',':
			s.in, s.key = atStart, true
		case c != ' ':
			s.in = within
		}
	}
}

// begin reads the first byte of a scalar.
func (s *spot) begin(c byte) {
	switch {
	case c == ' ':
	case c == '"':
		s.in = doubleQuoted
	case c == '\'':
		s.in = singleQuoted
	case c == '-':
		s.in = afterDash
	case strings.IndexByte("[{", c) >= 0:
		s.flow++
	case s.flow > 0 && strings.IndexByte("]}", c) >= 0:
		s.in, s.flow = within, s.flow-1
	case s.flow > 0 && c == ',':
		s.key = true
	default:
		s.in = within
	}
}

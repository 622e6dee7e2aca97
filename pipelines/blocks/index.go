package blocks

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// An index finds places in a text. It remembers the last one, so that walking a long line from left to right does not
// start again from its beginning each time; it is not safe for concurrent use.
type index struct {
	text   string
	starts []int // of lines
	last   cursor
}

// A cursor is one place in two forms.
type cursor struct{ line, column, offset int }

func newIndex(text string) *index {
	x := &index{text: text, starts: []int{0}, last: cursor{1, 1, 0}}
	for i := range len(text) {
		if text[i] == '\n' {
			x.starts = append(x.starts, i+1)
		}
	}
	return x
}

// end returns where the text of a line ends, before its newline.
func (x *index) end(line int) int {
	if line < len(x.starts) {
		return x.starts[line] - 1
	}
	return len(x.text)
}

// line returns the line that an offset is on, from 1.
func (x *index) line(offset int) int {
	return sort.SearchInts(x.starts, offset+1)
}

// place returns the line and column of an offset, columns in characters from 1.
func (x *index) place(offset int) (line, column int) {
	offset = max(0, min(offset, len(x.text)))
	c := x.from(x.line(offset), func(c cursor) bool { return c.offset <= offset })
	c.column += utf8.RuneCountInString(x.text[c.offset:offset])
	c.offset = offset
	x.last = c
	return c.line, c.column
}

// offset is the reverse; a column behind the line's end is the end.
func (x *index) offset(line, column int) int {
	line = max(1, min(line, len(x.starts)))
	c := x.from(line, func(c cursor) bool { return c.column <= column })
	for end := x.end(line); c.column < column && c.offset < end; c.column++ {
		_, n := utf8.DecodeRuneInString(x.text[c.offset:])
		c.offset += n
	}
	x.last = c
	return c.offset
}

// from returns where to start counting on a line: the last place, where that is before what is asked for, else its start.
func (x *index) from(line int, before func(cursor) bool) cursor {
	if x.last.line == line && before(x.last) {
		return x.last
	}
	return cursor{line, 1, x.starts[line-1]}
}

// blank says that a stretch of text shows nothing.
func blank(s string) bool { return strings.TrimLeft(s, " \t\r\n") == "" }

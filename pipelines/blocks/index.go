package blocks

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// An index finds places in a text, also on a line that is very long. It never changes.
type index struct {
	text   string
	starts []int  // of lines
	marks  []mark // from left to right, the first at 0
}

// A mark says how many characters stand before an offset.
type mark struct{ offset, runes int }

// span is about how many bytes lie between two marks.
const span = 1 << 10

func newIndex(text string) *index {
	x := &index{text: text, starts: []int{0}, marks: []mark{{}}}
	runes, next := 0, span
	for i, c := range text {
		if i >= next {
			x.marks = append(x.marks, mark{i, runes})
			next = i + span
		}
		if c == '\n' {
			x.starts = append(x.starts, i+1)
		}
		runes++
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
	line = x.line(offset)
	return line, 1 + x.runes(offset) - x.runes(x.starts[line-1])
}

// offset is the reverse; a column behind the line's end is the end.
func (x *index) offset(line, column int) int {
	line = max(1, min(line, len(x.starts)))
	start, end := x.starts[line-1], x.end(line)
	want := x.runes(start) + max(column, 1) - 1
	m := x.marks[sort.Search(len(x.marks), func(i int) bool { return x.marks[i].runes > want })-1]
	for m.runes < want && m.offset < end {
		_, n := utf8.DecodeRuneInString(x.text[m.offset:])
		m.offset, m.runes = m.offset+n, m.runes+1
	}
	return min(m.offset, end)
}

// runes counts the characters before an offset.
func (x *index) runes(offset int) int {
	m := x.marks[sort.Search(len(x.marks), func(i int) bool { return x.marks[i].offset > offset })-1]
	return m.runes + utf8.RuneCountInString(x.text[m.offset:offset])
}

// blank says that a stretch of text shows nothing.
func blank(s string) bool { return strings.TrimLeft(s, " \t\r\n") == "" }

package pipelines

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// scalar reads text, numbers, truth values and null as js-yaml 4.1 does, the usual reader of Node, where many
// pipelines come from: yes, no, on and off are text, 010 is ten, 0o10 eight, 0x1F 31, 0b11 three, 1_000 a thousand. Dates, which become
// objects there, stay text.
func (w *yamlWalker) scalar(y *yaml.Node, n *node) *node {
	n.kind, n.text, n.inner = scalarNode, y.Value, w.inner(y)
	switch tag := y.ShortTag(); tag {
	case "!!str", "!!timestamp":
		n.value = y.Value
	case "!!null":
	case "!!bool", "!!int", "!!float":
		if i, ok := zeroFirst(y.Value); ok && tag != "!!bool" {
			n.value = i
			return n
		}
		if err := y.Decode(&n.value); err != nil {
			w.ps.Errorf(n.pos, "%s can't be read as %s", n.what(), strings.TrimPrefix(tag, "!!"))
		}
		n.value = w.number(n.value, n.pos)
	default:
		w.ps.Errorf(n.pos, "the tag %s is not known here; remove it", y.Tag)
	}
	return n
}

// zeroFirst reads a whole number that starts with a zero, "010" or "-08": yaml.v3 takes some of them for octal.
func zeroFirst(s string) (i int64, ok bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(digits) < 2 || digits[0] != '0' || strings.Trim(digits, "0123456789_") != "" {
		return 0, false
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	return i, err == nil
}

// number brings numbers into the two types a document has.
func (w *yamlWalker) number(v any, pos Pos) any {
	switch x := v.(type) {
	case int:
		return int64(x)
	case uint64:
		return float64(x)
	case float64:
		if x-x != 0 {
			w.ps.Errorf(pos, "%v is not a number that can be stored; write it as text", x)
		}
	}
	return v
}

// inner returns where a scalar's text starts when the source holds it unchanged, the zero Pos otherwise (escapes,
// folded lines).
func (w *yamlWalker) inner(y *yaml.Node) Pos {
	line, column := y.Line, y.Column
	switch y.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		column++
	case yaml.LiteralStyle:
		line++
		if line <= len(w.lines) {
			l := w.lines[line-1]
			column = len(l) - len(strings.TrimLeft(l, " ")) + 1
		}
	}
	if line < 1 || line > len(w.lines) || column < 1 {
		return Pos{}
	}
	first, _, more := strings.Cut(y.Value, "\n")
	if more && y.Style&yaml.LiteralStyle == 0 {
		return Pos{}
	}
	if first == "" || !strings.HasPrefix(w.from(line, column), first) {
		return Pos{}
	}
	at, _ := w.at(line, column)
	return at
}

// from returns the rest of a line from a column, counted in characters from 1. It goes on from the last one where it can:
// a long line is not walked from its start for each value on it.
func (w *yamlWalker) from(line, column int) string {
	if line != w.line || column < w.column {
		w.line, w.column, w.offset = line, 1, 0
	}
	text := w.lines[line-1]
	for ; w.column < column && w.offset < len(text); w.column++ {
		_, n := utf8.DecodeRuneInString(text[w.offset:])
		w.offset += n
	}
	return text[w.offset:]
}

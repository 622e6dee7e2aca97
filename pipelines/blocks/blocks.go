// Package blocks expands documents that are YAML only after the template tags between their values have run:
//
//	tasks:
//	  {% for asset in assets %}
//	  - module: Stat
//	    props: {path: "{{ asset }}"}
//	  {% endfor %}
//
// What comes out is text of the source alone, chosen and repeated: no value gets into the YAML, so none can change its
// structure. What stands in {{ }}, and every tag inside a value, is left for the task; an Expansion remembers which
// variables the blocks had set around it. A value that starts with a tag ("message: {% if a %}x{% endif %}") comes out
// in single quotes, which make it YAML.
package blocks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of one document's blocks.
const (
	maxNesting  = 50
	maxTurns    = 10_000           // of all loops together
	maxText     = 4 << 20          // bytes that come out
	maxChunks   = 200_000          // stretches of the source that come out
	maxCaptured = 64 << 20         // bytes of the values that loops and sets keep
	maxTime     = 10 * time.Second // of all expressions together
)

// errTime is why an expansion is stopped after maxTime.
var errTime = errors.New("the blocks take too long")

// An Error is a mistake in a document's blocks, or one met while they ran.
type Error struct {
	Line, Column int // of the source, from 1
	Msg          string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg) }

// A Document is a source whose blocks are known. It never changes.
type Document struct {
	src      string
	index    *index
	parts    []part
	branches int // in all
	tags     []*tag
	refs     []ref
}

// Parse finds the blocks of a source; where it has none, Blocks is false. The error is an *Error.
func Parse(src string) (*Document, error) {
	d := &Document{src: src, index: newIndex(src)}
	s, err := scan(src)
	if err != nil {
		return nil, d.error(err)
	}
	cut(src, s.tags)
	b := builder{src: src, tags: s.tags}
	if d.parts, err = b.build(); err != nil {
		return nil, d.error(err)
	}
	d.tags, d.refs, d.branches = s.tags, s.refs, b.branches
	return d, nil
}

// Blocks says that there are any.
func (d *Document) Blocks() bool { return len(d.tags) > 0 }

// A mistake is an Error that knows the offset of its place.
type mistake struct {
	at  int
	msg string
}

func (m *mistake) Error() string { return m.msg }

func wrong(at int, format string, args ...any) error {
	return &mistake{at, fmt.Sprintf(format, args...)}
}

// error puts the place of a mistake into words.
func (d *Document) error(err error) error {
	m, ok := errors.AsType[*mistake](err)
	if !ok {
		return err
	}
	e := &Error{Msg: m.msg}
	e.Line, e.Column = d.index.place(m.at)
	return e
}

// In returns the place of the first block that stands in the value of a key of the document's outermost map, or round it.
// Comments don't count.
func (d *Document) In(key string) (line, column int, found bool) {
	from, to := d.value(key)
	var open []*tag
	for _, t := range d.tags {
		begin := t
		switch t.name {
		case "for", "if":
			open = append(open, t)
			continue
		case "endfor", "endif":
			begin, open = open[len(open)-1], open[:len(open)-1]
		case "set":
		default:
			continue
		}
		if begin.start < to && t.end > from {
			line, column = d.index.place(begin.start)
			return line, column, true
		}
	}
	return 0, 0, false
}

// value returns where a key of the outermost map stands, to the end of the last line of its value; 0, 0 is nowhere.
func (d *Document) value(key string) (from, to int) {
	for i, start := range d.index.starts {
		line := d.src[start:d.index.end(i+1)]
		name, _, isKey := strings.Cut(line, ":")
		switch {
		case blank(line) || strings.IndexByte(" \t", line[0]) >= 0:
			text := strings.TrimLeft(line, " \t\r")
			if to > 0 && text != "" && !strings.HasPrefix(text, "{%") && !strings.HasPrefix(text, "{#") && text[0] != '#' {
				to = d.index.end(i + 1)
			}
		case strings.HasPrefix(line, "{%") || strings.HasPrefix(line, "{#") || line[0] == '#':
		case to > 0:
			return from, to
		case isKey && strings.Trim(name, " \t'\"") == key:
			from, to = start, d.index.end(i+1)
		}
	}
	return from, to
}

// An Expression is what a tag evaluates.
type Expression struct {
	Tag          string // "for", "if", …
	Text         string
	Line, Column int      // of Text
	Names        []string // variables that blocks have set there
}

// Expressions returns those of all tags, in the order of the text.
func (d *Document) Expressions() []Expression {
	var out []Expression
	d.expressions(d.parts, nil, &out)
	return out
}

// expressions returns names and what the parts set.
func (d *Document) expressions(parts []part, names []string, out *[]Expression) []string {
	add := func(t *tag) {
		x := Expression{Tag: t.name, Text: t.args, Names: names}
		x.Line, x.Column = d.index.place(t.argsAt)
		*out = append(*out, x)
	}
	for _, p := range parts {
		if p.set != nil {
			add(p.set.tag)
			names = slices.Concat(names, p.set.names)
		}
		for _, b := range p.branches {
			if b.tag.name != "else" {
				add(b.tag)
			}
			inner := d.expressions(b.body, slices.Concat(names, b.names, []string{"loop"}), out)
			if b.tag.name != "for" {
				names = inner
			}
		}
	}
	return names
}

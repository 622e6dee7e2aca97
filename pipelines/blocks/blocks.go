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
// variables the blocks had set around it.
package blocks

import (
	"errors"
	"fmt"
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
}

// Parse finds the blocks of a source; where it has none, Blocks is false. The error is an *Error.
func Parse(src string) (*Document, error) {
	d := &Document{src: src, index: newIndex(src)}
	tags, err := scan(src)
	if err != nil {
		return nil, d.error(err)
	}
	cut(src, tags)
	b := builder{src: src, tags: tags}
	if d.parts, err = b.build(); err != nil {
		return nil, d.error(err)
	}
	d.tags, d.branches = tags, b.branches
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

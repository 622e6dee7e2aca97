package blocks

import (
	"sort"
	"strings"
)

// An Expansion is what came out of a document's blocks. It is not safe for concurrent use.
type Expansion struct {
	Text   string
	doc    *Document
	index  *index // of Text
	chunks []chunk
	ran    []bool // by branch
}

// A chunk is a stretch of an expansion that stands so in the source.
type chunk struct {
	out, src, size int
	vars           map[string]any
}

// Place returns where in the source a line and column of Text come from, and the variables that blocks had set there:
// plain values or nunjucks.Ordered that must not be written to, nil when there are none. A place behind the end is the end.
func (x *Expansion) Place(line, column int) (srcLine, srcColumn int, vars map[string]any) {
	offset := x.index.offset(line, column)
	i := sort.Search(len(x.chunks), func(i int) bool { return x.chunks[i].out > offset }) - 1
	if i < 0 {
		return 1, 1, nil
	}
	c := x.chunks[i]
	srcLine, srcColumn = x.doc.index.place(c.src + min(offset-c.out, c.size))
	return srcLine, srcColumn, c.vars
}

// Emitted returns the lines of the source that came out, in whole or in part.
func (x *Expansion) Emitted() map[int]bool {
	lines := map[int]bool{}
	for _, c := range x.chunks {
		for line := x.doc.index.line(c.src); line <= x.doc.index.line(c.src+c.size-1); line++ {
			lines[line] = true
		}
	}
	return lines
}

// Skeleton is the document without its blocks and all that is in them.
func (d *Document) Skeleton() *Expansion {
	w := newWriter(d)
	for _, p := range d.parts {
		if p.branches == nil && p.set == nil {
			w.add(p.from, p.to, nil)
		}
	}
	return w.expansion()
}

// Cover expands what ran leaves out: each block takes a branch that is not in it, or holds such a one, and each loop runs
// once. All variables are nil. It returns nil when nothing is left out. ran holds the expansions so far.
func (d *Document) Cover(ran ...*Expansion) *Expansion {
	c := coverer{done: make([]bool, d.branches), writer: newWriter(d)}
	for _, x := range ran {
		for id, r := range x.ran {
			c.done[id] = c.done[id] || r
		}
	}
	if !c.open(d.parts) {
		return nil
	}
	c.run(d.parts, nil)
	return c.expansion()
}

// A coverer expands without evaluating anything.
type coverer struct {
	*writer
	done []bool
}

// open says that there is a branch in parts that is not done.
func (c *coverer) open(parts []part) bool {
	for _, p := range parts {
		for _, b := range p.branches {
			if !c.done[b.id] || c.open(b.body) {
				return true
			}
		}
	}
	return false
}

func (c *coverer) run(parts []part, vars map[string]any) {
	for _, p := range parts {
		switch {
		case p.set != nil:
			vars = with(vars, p.set.names)
		case p.branches != nil:
			b := p.branches[0]
			for _, other := range p.branches {
				if !c.done[other.id] || c.open(other.body) {
					b = other
					break
				}
			}
			c.ran[b.id] = true
			inner := vars
			if b.names != nil {
				inner = with(vars, append([]string{"loop"}, b.names...))
			}
			c.run(b.body, inner)
		default:
			c.add(p.from, p.to, vars)
		}
	}
}

// with returns vars and the names, which are nil.
func with(vars map[string]any, names []string) map[string]any {
	out := make(map[string]any, len(vars)+len(names))
	for k := range vars {
		out[k] = nil
	}
	for _, name := range names {
		out[name] = nil
	}
	return out
}

// A writer collects what comes out.
type writer struct {
	doc    *Document
	text   strings.Builder
	chunks []chunk
	ran    []bool
}

func newWriter(d *Document) *writer { return &writer{doc: d, ran: make([]bool, d.branches)} }

// add writes a stretch of the source.
func (w *writer) add(from, to int, vars map[string]any) {
	w.chunks = append(w.chunks, chunk{w.text.Len(), from, to - from, vars})
	w.text.WriteString(w.doc.src[from:to])
}

func (w *writer) expansion() *Expansion {
	text := w.text.String()
	return &Expansion{Text: text, doc: w.doc, index: newIndex(text), chunks: w.chunks, ran: w.ran}
}

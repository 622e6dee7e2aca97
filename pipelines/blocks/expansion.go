package blocks

import (
	"reflect"
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
// plain values or nunjucks.Ordered that must not be written to, nil when there are none; at a value that starts with a tag
// they are never nil. A place behind the end is the end.
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
		if c.size == 0 {
			continue
		}
		for line := x.doc.index.line(c.src); line <= x.doc.index.line(c.src+c.size-1); line++ {
			lines[line] = true
		}
	}
	return lines
}

// Skeleton is the document without its blocks and all that is in them. An alias whose anchor that takes away is {}.
func (d *Document) Skeleton() *Expansion {
	w := newWriter(d)
	lost := d.lost()
	for _, p := range d.parts {
		if p.branches != nil || p.set != nil {
			continue
		}
		for len(lost) > 0 && lost[0].from < p.to {
			w.stretch(p.from, lost[0].from, nil)
			w.instead("{}", lost[0].from, nil)
			p.from, lost = lost[0].to, lost[1:]
		}
		w.add(p, nil)
	}
	return w.expansion()
}

// lost returns the aliases outside all blocks that have no anchor before them but those inside.
func (d *Document) lost() []ref {
	var out []ref
	known := map[string]bool{}
	refs := d.refs
	for _, p := range d.parts {
		if p.branches != nil || p.set != nil || p.value {
			continue
		}
		for len(refs) > 0 && refs[0].from < p.from {
			refs = refs[1:]
		}
		for ; len(refs) > 0 && refs[0].to <= p.to; refs = refs[1:] {
			switch r := refs[0]; {
			case !r.alias:
				known[r.name] = true
			case !known[r.name]:
				out = append(out, r)
			}
		}
	}
	return out
}

// Borrows returns the place of the first alias in the value of a key of the document's outermost map whose anchor
// stands in a block.
func (d *Document) Borrows(key string) (line, column int, found bool) {
	from, to := d.value(key)
	for _, r := range d.lost() {
		if r.from >= from && r.to <= to {
			line, column = d.index.place(r.from)
			return line, column, true
		}
	}
	return 0, 0, false
}

// Cover expands what ran leaves out: each block takes a branch that is not in it, or holds such a one, and each loop runs
// once. All variables are nil. It returns nil when nothing is left out. ran holds the expansions so
// far.
func (d *Document) Cover(ran ...*Expansion) *Expansion {
	c := coverer{done: d.done(ran), writer: newWriter(d)}
	if len(ran) > 0 && !c.open(d.parts) {
		return nil
	}
	c.run(d.parts, nil)
	return c.expansion()
}

// Unseen counts the branches that none of ran holds, and returns the place of the first.
func (d *Document) Unseen(ran ...*Expansion) (n, line, column int) {
	tags := unseen(d.parts, d.done(ran), nil)
	if len(tags) > 0 {
		line, column = d.index.place(tags[0].start)
	}
	return len(tags), line, column
}

// unseen adds the tags of the branches that are not done.
func unseen(parts []part, done []bool, to []*tag) []*tag {
	for _, p := range parts {
		for _, b := range p.branches {
			if !done[b.id] {
				to = append(to, b.tag)
			}
			to = unseen(b.body, done, to)
		}
	}
	return to
}

// done says by branch whether one of the expansions holds it.
func (d *Document) done(ran []*Expansion) []bool {
	done := make([]bool, d.branches)
	for _, x := range ran {
		for id, r := range x.ran {
			done[id] = done[id] || r
		}
	}
	return done
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
			c.add(p, vars)
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

// add writes a stretch of the source. A value that starts with a tag gets quotes.
func (w *writer) add(p part, vars map[string]any) {
	if !p.value {
		w.stretch(p.from, p.to, vars)
		return
	}
	if vars == nil {
		vars = map[string]any{} // see Place
	}
	w.quote(p.from, vars)
	for from := p.from; from < p.to; {
		to := p.to
		if n := strings.IndexByte(w.doc.src[from:p.to], '\''); n >= 0 {
			to = from + n + 1
		}
		w.stretch(from, to, vars)
		if w.doc.src[to-1] == '\'' {
			w.quote(to-1, vars)
		}
		from = to
	}
	w.quote(p.to-1, vars)
}

func (w *writer) stretch(from, to int, vars map[string]any) {
	w.chunks = append(w.chunks, chunk{w.text.Len(), from, to - from, vars})
	w.text.WriteString(w.doc.src[from:to])
}

// quote writes a quote, which does not stand in the source.
func (w *writer) quote(at int, vars map[string]any) { w.instead("'", at, vars) }

// instead writes what does not stand in the source.
func (w *writer) instead(text string, at int, vars map[string]any) {
	w.chunks = append(w.chunks, chunk{w.text.Len(), at, 0, vars})
	w.text.WriteString(text)
}

func (w *writer) expansion() *Expansion {
	text := w.text.String()
	return &Expansion{Text: text, doc: w.doc, index: newIndex(text), chunks: w.chunks, ran: w.ran}
}

// Rest returns Text from a line and column on.
func (x *Expansion) Rest(line, column int) string { return x.Text[x.index.offset(line, column):] }

// Seam returns where in the source the variables change within size bytes from a line and column of Text.
func (x *Expansion) Seam(line, column, size int) (srcLine, srcColumn int, found bool) {
	from := x.index.offset(line, column)
	i := max(0, sort.Search(len(x.chunks), func(i int) bool { return x.chunks[i].out > from })-1)
	for j := i + 1; j < len(x.chunks) && x.chunks[j].out < from+size; j++ {
		if !sameMap(x.chunks[i].vars, x.chunks[j].vars) {
			srcLine, srcColumn = x.doc.index.place(x.chunks[j].src)
			return srcLine, srcColumn, true
		}
	}
	return 0, 0, false
}

func sameMap(a, b map[string]any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

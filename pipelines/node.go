package pipelines

import (
	"fmt"
	"strconv"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// What a document may cost before anything in it is believed.
const (
	maxSource = 1 << 20 // bytes
	maxValues = 1 << 19 // as many as that can hold: of JSON that is no pipeline and may be longer
	maxDepth  = 100     // of lists and maps in each other
	maxAlias  = 20_000  // nodes that YAML aliases stand for: a bomb of 300 bytes stands for 500 million
)

// A node is one value of a source and its place. Exactly one of value, list and fields is used, as kind says.
type node struct {
	kind   nodeKind
	pos    Pos
	inner  Pos            // where a scalar's text starts, when it stands in the source as it is in value; else zero
	value  any            // nil, bool, int64, float64 or string
	text   string         // a scalar as written, without quotes
	vars   map[string]any // that expanded blocks had set where it starts; not written to
	list   []*node
	fields []field
	lines  map[string]int // of the keys in fields, in the source; nil while there are few
}

// A field is one entry of a map, in the order of the source.
type field struct {
	key   string
	pos   Pos
	value *node
}

type nodeKind string

const (
	scalarNode nodeKind = "scalar"
	listNode   nodeKind = "list"
	mapNode    nodeKind = "map"
)

// add appends an entry to a map, unless the key is there already.
func (n *node) add(f field, ps *Problems) {
	if line, dup := n.line(f.key); dup {
		ps.Errorf(f.pos, "key %q is already set on line %d; keep one of them", Shorten(f.key), line)
		return
	}
	n.fields = append(n.fields, f)
	if n.lines != nil {
		n.lines[f.key] = f.pos.Line
	}
}

// line returns the line of a key, if a map has it. Small maps, which most are, are searched.
func (n *node) line(key string) (line int, ok bool) {
	const small = 16
	if n.lines == nil && len(n.fields) > small {
		n.lines = make(map[string]int, 2*small)
		for _, f := range n.fields {
			n.lines[f.key] = f.pos.Line
		}
	}
	if n.lines != nil {
		line, ok = n.lines[key]
		return line, ok
	}
	for _, f := range n.fields {
		if f.key == key {
			return f.pos.Line, true
		}
	}
	return 0, false
}

// has says that a map has a key.
func (n *node) has(key string) bool {
	_, ok := n.line(key)
	return ok
}

// what names a node for messages: "a list", "the number 3".
func (n *node) what() string {
	switch {
	case n.kind == listNode:
		return "a list"
	case n.kind == mapNode:
		return "a map"
	}
	switch v := n.value.(type) {
	case nil:
		return "nothing"
	case string:
		return strconv.Quote(Shorten(v))
	default:
		return fmt.Sprint(v)
	}
}

// empty says that a key with this value says nothing: null, "", [] or {}.
func (n *node) empty() bool {
	return n.kind == scalarNode && (n.value == nil || n.value == "") ||
		n.kind == listNode && len(n.list) == 0 ||
		n.kind == mapNode && len(n.fields) == 0
}

// any returns the plain value: maps as map[string]any, lists as []any, whole numbers as int64. A template that blocks
// had set variables round is a render.Scoped.
func (n *node) any() any {
	switch n.kind {
	case listNode:
		out := make([]any, len(n.list))
		for i, e := range n.list {
			out[i] = e.any()
		}
		return out
	case mapNode:
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			out[f.key] = f.value.any()
		}
		return out
	}
	if s, ok := n.value.(string); ok && len(n.vars) > 0 && nunjucks.HasTemplate(s) {
		return render.Scoped{Text: s, Vars: n.vars}
	}
	return n.value
}

// order returns the order of the maps in any, as the source has them; nil where all are sorted.
func (n *node) order() *nunjucks.Order {
	if n.kind == scalarNode {
		return nil
	}
	var keys []string
	in := map[string]*nunjucks.Order{}
	for i, e := range n.list {
		in[strconv.Itoa(i)] = e.order()
	}
	for _, f := range n.fields {
		keys = append(keys, f.key)
		in[f.key] = f.value.order()
	}
	return nunjucks.Ordering(keys, in)
}

// places notes where n and everything in it stands: path is the key's place, path + ":" the place of a scalar's
// text where a column inside the value is one in the source too.
func (n *node) places(path string, key Pos, into Positions) {
	into[path] = key
	if n.inner.Line > 0 {
		into[path+":"] = n.inner
	}
	for _, f := range n.fields {
		f.value.places(path+"."+f.key, f.pos, into)
	}
	for i, e := range n.list {
		e.places(path+"["+strconv.Itoa(i)+"]", e.pos, into)
	}
}

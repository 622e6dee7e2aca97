package pipelines

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// A Value is one value of a document that is no pipeline (tests, a routing table) and knows its place. What is wrong with
// it is noted for the whole document, see Err, and reads as nothing.
type Value struct {
	Any  any    // nil where it is not there
	Path string // "tests[0].given.state"; empty is the document
	Name string // the last part of Path
	doc  *placed
}

// A placed is the document of values.
type placed struct {
	at       Positions
	start    Pos
	order    *nunjucks.Order
	problems Problems
}

// DecodeValue reads a map, as YAML or JSON within the limits of a pipeline. A document with nothing in it is an empty one. name
// is what messages call the document.
func DecodeValue(name string, doc []byte) (Value, error) {
	p := parser{file: name}
	if len(bytes.TrimSpace(doc)) == 0 {
		doc = []byte("{}")
	}
	root := p.values(doc)
	if root != nil && root.value == nil && root.kind == scalarNode { // comments alone
		root.kind = mapNode
	}
	if root != nil && root.kind != mapNode {
		p.Errorf(root.pos, "the document must be a map, got %s", root.what())
	}
	if err := p.err(); err != nil {
		return Value{}, err
	}
	d := &placed{at: Positions{}, start: Pos{name, 1, 1}, order: root.order()}
	for _, f := range root.fields {
		f.value.places(f.key, f.pos, d.at)
	}
	return Value{Any: root.any(), doc: d}, nil
}

// Err is everything that was noted of the document, in the order of its text: a *ParseError, permanent.
func (v Value) Err() error {
	p := parser{Problems: v.doc.problems}
	return p.err()
}

// Errorf notes a mistake, at the place of v.
func (v Value) Errorf(format string, args ...any) { v.doc.problems.Errorf(v.Pos(), format, args...) }

// ErrorfAt notes a mistake at a line and column of v's text, both from 1.
func (v Value) ErrorfAt(line, column int, format string, args ...any) {
	v.doc.problems.Errorf(v.doc.at.Inside(v.Path, line, column, v.doc.start), format, args...)
}

// Pos is where the value's key stands, or what it is in.
func (v Value) Pos() Pos { return v.doc.at.Key(v.Path, v.doc.start) }

// Places are those of the whole document.
func (v Value) Places() Positions { return v.doc.at }

// Order is that of the document's value at a path of keys and indexes.
func (v Value) Order(path ...string) *nunjucks.Order { return v.doc.order.At(path...) }

// Key returns the value of a key of a map.
func (v Value) Key(name string) Value {
	m, _ := v.Any.(map[string]any)
	path := name
	if v.Path != "" {
		path = v.Path + "." + name
	}
	return Value{m[name], path, name, v.doc}
}

// Map returns v as a map, nil where it is not there. known are the keys it may have; none is any.
func (v Value) Map(known ...string) map[string]any {
	m, ok := v.Any.(map[string]any)
	if !ok && v.Any != nil {
		v.Wrong("a map")
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if len(known) == 0 || slices.Contains(known, key) {
			continue
		}
		if near := modules.Closest(key, known); near != "" {
			v.Key(key).Errorf("%s has no key %q, did you mean %q?", v.what(), Shorten(key), near)
			continue
		}
		v.Key(key).Errorf("%s has no key %q; it has %s", v.what(), Shorten(key), strings.Join(known, ", "))
	}
	return m
}

// List returns the entries of a list, nil where it is not there, and not nil where it is empty.
func (v Value) List() []Value {
	l, ok := v.Any.([]any)
	if !ok {
		if v.Any != nil {
			v.Wrong("a list")
		}
		return nil
	}
	out := make([]Value, len(l))
	for i, e := range l {
		at := "[" + strconv.Itoa(i) + "]"
		out[i] = Value{e, v.Path + at, v.Name + at, v.doc}
	}
	return out
}

// Entries returns the entries of a list, or v as the only one.
func (v Value) Entries() []Value {
	if _, ok := v.Any.([]any); ok {
		return v.List()
	}
	return []Value{v}
}

// Text returns a scalar as text, "" where it is not there.
func (v Value) Text() string {
	switch x := v.Any.(type) {
	case nil:
	case string:
		return x
	case bool, int64, float64:
		return fmt.Sprint(x)
	default:
		v.Wrong("text")
	}
	return ""
}

// Texts returns a list of texts, or one text as a list; nil where it is not there.
func (v Value) Texts() []string {
	if s, ok := v.Any.(string); ok {
		return []string{s}
	}
	entries := v.List()
	if entries == nil {
		return nil
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Text()
	}
	return out
}

// Bool returns a truth value; otherwise where it is not there.
func (v Value) Bool(otherwise bool) bool {
	if v.Any == nil {
		return otherwise
	}
	b, ok := v.Any.(bool)
	if !ok {
		v.Wrong("true or false")
	}
	return b
}

// OneOf returns a text that is one of known, or "".
func (v Value) OneOf(known ...string) string {
	s := v.Text()
	if s == "" || slices.Contains(known, s) {
		return s
	}
	if near := modules.Closest(s, known); near != "" {
		v.Errorf("%s can't be %q, did you mean %q?", v.Name, Shorten(s), near)
		return ""
	}
	v.Errorf("%s must be one of %s, got %q", v.Name, strings.Join(known, ", "), Shorten(s))
	return ""
}

// Wrong notes that v is not what is wanted.
func (v Value) Wrong(want string) {
	v.Errorf("%s must be %s, got %s", v.what(), want, valueName(v.Any))
}

// valueName names a decoded value for messages.
func valueName(v any) string {
	switch v.(type) {
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	n := node{kind: scalarNode, value: v}
	return n.what()
}

func (v Value) what() string {
	if v.Name == "" {
		return "the file"
	}
	return v.Name
}

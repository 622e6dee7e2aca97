package pipelines

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// readJSON turns JSON into nodes. YAML readers take JSON too, but not all of it: no surrogate pairs in escapes,
// no line separators in strings.
func readJSON(file string, src []byte, ps *Problems) *node {
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	r := jsonReader{file: file, src: src, dec: dec, ps: ps, line: 1, column: 1}
	return r.node(0)
}

// A jsonReader builds nodes from tokens. The source is known to be valid JSON.
type jsonReader struct {
	file         string
	src          []byte
	dec          *json.Decoder
	ps           *Problems
	offset       int // of the place that line and column name
	line, column int
	values       int
	full         bool // a limit was met: the document is refused whole
}

// token returns the next token and where it starts.
func (r *jsonReader) token() (json.Token, Pos) {
	start := int(r.dec.InputOffset())
	for start < len(r.src) && strings.IndexByte(" \t\r\n,:", r.src[start]) >= 0 {
		start++
	}
	for _, c := range string(r.src[r.offset:start]) {
		r.column++
		if c == '\n' {
			r.line, r.column = r.line+1, 1
		}
	}
	r.offset = start
	t, err := r.dec.Token()
	if err != nil {
		r.full = true
		r.ps.Errorf(Pos{r.file, r.line, r.column}, "this is not JSON: %v", err)
	}
	return t, Pos{r.file, r.line, r.column}
}

func (r *jsonReader) node(depth int) *node {
	t, pos := r.token()
	r.values++
	switch {
	case r.full:
		return nil
	case r.values > maxValues:
		r.full = true
		r.ps.Errorf(pos, "the document has more than %d values; put data into files or objects and name them in the state", maxValues)
		return nil
	case depth > maxDepth:
		r.full = true
		r.ps.Errorf(pos, "lists and maps are nested more than %d deep; flatten them", maxDepth)
		return nil
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '[' {
			return r.list(pos, depth)
		}
		return r.object(pos, depth)
	case json.Number:
		return &node{kind: scalarNode, pos: pos, text: v.String(), value: r.number(v, pos)}
	case string:
		n := &node{kind: scalarNode, pos: pos, text: v, value: v}
		if bytes.HasPrefix(r.src[r.offset+1:], []byte(v)) {
			n.inner = Pos{pos.File, pos.Line, pos.Column + 1}
		}
		return n
	case bool:
		text := "false"
		if v {
			text = "true"
		}
		return &node{kind: scalarNode, pos: pos, text: text, value: v}
	}
	return &node{kind: scalarNode, pos: pos, text: "null"}
}

func (r *jsonReader) list(pos Pos, depth int) *node {
	n := &node{kind: listNode, pos: pos}
	for r.dec.More() {
		e := r.node(depth + 1)
		if e == nil {
			return nil
		}
		n.list = append(n.list, e)
	}
	r.token()
	return n
}

func (r *jsonReader) object(pos Pos, depth int) *node {
	n := &node{kind: mapNode, pos: pos}
	for r.dec.More() {
		t, at := r.token()
		v := r.node(depth + 1)
		key, ok := t.(string)
		if v == nil || !ok {
			return nil
		}
		n.add(field{key, at, v}, r.ps)
	}
	r.token()
	return n
}

func (r *jsonReader) number(v json.Number, pos Pos) any {
	if i, err := v.Int64(); err == nil {
		return i
	}
	f, err := v.Float64()
	if err != nil {
		r.ps.Errorf(pos, "the number %s is too large; write it as text", Shorten(v.String()))
	}
	return f
}

// reportJSON says why src, which looks like it, is not JSON.
func reportJSON(file string, src []byte, ps *Problems) {
	var v json.RawMessage
	err := json.Unmarshal(src, &v)
	before := src
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before = src[:max(syntax.Offset-1, 0)]
	}
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	ps.Errorf(Pos{file, line, column}, "this is not JSON, nor YAML: %v", err)
}

// checkText refuses what neither YAML nor JSON may hold, with its place: invalid UTF-8 and control characters.
func checkText(file string, src []byte, ps *Problems) bool {
	line, column := 1, 1
	for rest := src; len(rest) > 0; {
		c, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		switch {
		case c == utf8.RuneError && n == 1:
			ps.Errorf(Pos{file, line, column}, "this byte is not UTF-8; save the document as UTF-8")
			return false
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0x7f:
			ps.Errorf(Pos{file, line, column}, "the control character %U can't stand in a document; remove it", c)
			return false
		case c == '\n':
			line, column = line+1, 0
		}
		column++
	}
	return true
}

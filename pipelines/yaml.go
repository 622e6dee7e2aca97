package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// readYAML turns a document into nodes, its blocks expanded with what is given.
func (p *parser) readYAML(_ context.Context, src []byte) *node {
	return readYAML(p.file, src, &p.problems)
}

// readYAML turns YAML into nodes. Scalars are those of YAML 1.2's core schema as yaml.v3 reads them: yes, no, on
// and off are text, and so are dates; 012 and 0o12 are octal, 0x1F hexadecimal, 1_000 a thousand.
func readYAML(file string, src []byte, ps *problems) (n *node) {
	// yaml.v3 turns its own panics into errors, but hostile input has found others before.
	defer func() {
		if p := recover(); p != nil {
			n = nil
			ps.errorf(Pos{File: file, Line: 1, Column: 1}, "the document can't be read as YAML: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			reportYAML(file, src, err, ps)
			return nil
		}
		return &node{kind: scalarNode, pos: Pos{File: file, Line: 1, Column: 1}}
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		ps.errorf(Pos{file, second.Line, max(second.Column, 1)}, "a second document starts here; a pipeline is one document, remove the --- line or make two files")
		return nil
	case !errors.Is(err, io.EOF):
		reportYAML(file, src, err, ps)
		return nil
	}
	w := yamlWalker{file: file, lines: strings.Split(string(src), "\n"), ps: ps}
	if n = w.node(&doc, 0); w.full {
		return nil
	}
	return n
}

// reportYAML says what yaml.v3 found wrong, and where: the line stands in its text alone.
func reportYAML(file string, src []byte, err error, ps *problems) {
	if line := structuralBlock(src); line > 0 {
		ps.errorf(Pos{file, line, 1}, "the document is YAML only after its {%% %%} blocks are expanded, which comes with the next version; until then write the tasks out")
		return
	}
	if bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		reportJSON(file, src, ps)
		return
	}
	msg, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if _, serr := fmt.Sscanf(msg, "line %d:", &line); serr == nil {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	ps.errorf(Pos{file, line, 1}, "this is not YAML: %s", msg)
}

// structuralBlock returns the first line that is a template block of its own; 0 when there is none.
func structuralBlock(src []byte) int {
	line := 0
	for l := range bytes.Lines(src) {
		line++
		if bytes.HasPrefix(bytes.TrimLeft(l, " \t"), []byte("{%")) {
			return line
		}
	}
	return 0
}

// A yamlWalker copies yaml.v3's nodes into ours.
type yamlWalker struct {
	file  string
	lines []string
	ps    *problems
	alias int  // how deep in aliases we are
	spent int  // nodes that aliases stood for
	full  bool // a limit was met: the document is refused whole
}

// node returns nil where it reported a problem.
func (w *yamlWalker) node(y *yaml.Node, depth int) *node {
	pos := Pos{w.file, y.Line, y.Column}
	if w.alias > 0 {
		w.spent++
	}
	switch {
	case w.full:
		return nil
	case w.spent > maxAlias:
		w.full = true
		w.ps.errorf(pos, "the document's aliases stand for more than %d values; write them out", maxAlias)
		return nil
	case depth > maxDepth:
		w.full = true
		w.ps.errorf(pos, "lists and maps are nested more than %d deep; flatten them", maxDepth)
		return nil
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return w.node(y.Content[0], depth)
	case yaml.AliasNode:
		w.alias++
		defer func() { w.alias-- }()
		return w.node(y.Alias, depth+1)
	case yaml.SequenceNode:
		return w.list(y, pos, depth)
	case yaml.MappingNode:
		return w.mapping(y, pos, depth)
	}
	return w.scalar(y, pos)
}

func (w *yamlWalker) list(y *yaml.Node, pos Pos, depth int) *node {
	if y.ShortTag() != "!!seq" {
		w.ps.errorf(pos, "the tag %s is not known here; remove it", y.Tag)
	}
	n := &node{kind: listNode, pos: pos}
	for _, c := range y.Content {
		if e := w.node(c, depth+1); e != nil {
			n.list = append(n.list, e)
		}
	}
	return n
}

func (w *yamlWalker) mapping(y *yaml.Node, pos Pos, depth int) *node {
	if y.ShortTag() != "!!map" {
		w.ps.errorf(pos, "the tag %s is not known here; remove it", y.Tag)
	}
	n := &node{kind: mapNode, pos: pos}
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		at := Pos{w.file, k.Line, k.Column}
		switch {
		case k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
			if m := w.node(v, depth+1); m != nil {
				merged = append(merged, m)
			}
		case k.Kind != yaml.ScalarNode:
			w.ps.errorf(at, "a key must be text; a value that starts with {{ needs quotes round it: \"{{ name }}\"")
			return nil
		default:
			if c := w.node(v, depth+1); c != nil {
				n.add(field{k.Value, at, c}, w.ps)
			}
		}
	}
	for _, m := range merged {
		w.merge(n, m)
	}
	return n
}

// merge adds what a << key brings: a map, or a list of maps, whose keys n does not have itself.
func (w *yamlWalker) merge(n, from *node) {
	maps := from.list
	if from.kind == mapNode {
		maps = []*node{from}
	}
	if from.kind == scalarNode {
		w.ps.errorf(from.pos, "<< must bring a map, got %s", from.what())
	}
	for _, m := range maps {
		for _, f := range m.fields {
			if _, own := n.lines[f.key]; !own {
				n.add(f, w.ps)
			}
		}
	}
}

func (w *yamlWalker) scalar(y *yaml.Node, pos Pos) *node {
	n := &node{kind: scalarNode, pos: pos, text: y.Value, inner: w.inner(y)}
	switch tag := y.ShortTag(); tag {
	case "!!str", "!!timestamp":
		n.value = y.Value
	case "!!null":
	case "!!bool", "!!int", "!!float":
		if err := y.Decode(&n.value); err != nil {
			w.ps.errorf(pos, "%s can't be read as %s", n.what(), strings.TrimPrefix(tag, "!!"))
		}
		n.value = w.number(n.value, pos)
	default:
		w.ps.errorf(pos, "the tag %s is not known here; remove it", y.Tag)
	}
	return n
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
			w.ps.errorf(pos, "%v is not a number that can be stored; write it as text", x)
		}
	}
	return v
}

// inner returns where a scalar's text starts when the source holds it unchanged, the zero Pos otherwise (escapes,
// folded lines).
func (w *yamlWalker) inner(y *yaml.Node) Pos {
	p := Pos{w.file, y.Line, y.Column}
	switch y.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		p.Column++
	case yaml.LiteralStyle:
		p.Line++
		if p.Line <= len(w.lines) {
			l := w.lines[p.Line-1]
			p.Column = len(l) - len(strings.TrimLeft(l, " ")) + 1
		}
	}
	if p.Line < 1 || p.Line > len(w.lines) || p.Column < 1 {
		return Pos{}
	}
	first, _, more := strings.Cut(y.Value, "\n")
	if more && y.Style&yaml.LiteralStyle == 0 {
		return Pos{}
	}
	if first == "" || !strings.HasPrefix(fromColumn(w.lines[p.Line-1], p.Column), first) {
		return Pos{}
	}
	return p
}

// fromColumn returns the rest of a line from a column, counted in characters from 1.
func fromColumn(line string, column int) string {
	for range column - 1 {
		_, n := utf8.DecodeRuneInString(line)
		line = line[n:]
	}
	return line
}

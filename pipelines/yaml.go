package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/pipelines/blocks"
)

// readYAML turns a document into nodes. One that is not YAML because blocks stand between its values is expanded with
// what is given.
func (p *parser) readYAML(ctx context.Context, src []byte) *node {
	doc, err := decodeYAML(src)
	if err == nil {
		return newWalker(p.file, string(src), &p.Problems).document(doc)
	}
	b, wrong := blocks.Parse(string(src))
	switch {
	case wrong == nil && b.Blocks():
		return p.expand(ctx, b)
	case wrong != nil && bytes.Contains(src, []byte("{%")):
		p.blockError(wrong)
	default:
		reportYAML(p.file, src, err, &p.Problems)
	}
	return nil
}

// readYAML turns YAML into nodes.
func readYAML(file string, src []byte, ps *Problems) *node {
	doc, err := decodeYAML(src)
	if err != nil {
		reportYAML(file, src, err, ps)
		return nil
	}
	return newWalker(file, string(src), ps).document(doc)
}

// A decoded is what yaml.v3 made of a source: nil nodes where there is no document, or no second one.
type decoded struct{ doc, second *yaml.Node }

// decodeYAML has yaml.v3 read a source.
func decodeYAML(src []byte) (d decoded, err error) {
	// yaml.v3 turns its own panics into errors, but hostile input has found others before.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it can't be read: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for _, into := range []**yaml.Node{&d.doc, &d.second} {
		var n yaml.Node
		switch err := dec.Decode(&n); {
		case errors.Is(err, io.EOF):
			return d, nil
		case err != nil:
			return d, err
		}
		*into = &n
	}
	return d, nil
}

// reportYAML says what yaml.v3 found wrong, and where.
func reportYAML(file string, src []byte, err error, ps *Problems) {
	if bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		reportJSON(file, src, ps)
		return
	}
	msg, line := yamlMistake(string(src), err)
	ps.Errorf(Pos{file, line, 1}, "this is not YAML: %s", msg)
}

// yamlMistake takes apart an error of yaml.v3: the line stands in its text alone, or nowhere.
func yamlMistake(text string, err error) (msg string, line int) {
	msg, line = strings.TrimPrefix(err.Error(), "yaml: "), 1
	if name, ok := strings.CutPrefix(msg, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		before, _, _ := strings.Cut(text, "*"+name)
		return fmt.Sprintf("no &%s stands before *%s", name, name), 1 + strings.Count(before, "\n")
	}
	if _, serr := fmt.Sscanf(msg, "line %d:", &line); serr == nil {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	return msg, line
}

// A yamlWalker copies yaml.v3's nodes into ours.
type yamlWalker struct {
	lines []string
	at    func(line, column int) (Pos, map[string]any) // the source's place of one in lines, and the variables there
	seam  func(scalar *yaml.Node) (Pos, bool)          // where in it the variables change; nil where there are none
	ps    *Problems
	alias int  // how deep in aliases we are
	spent int  // nodes that aliases stood for
	full  bool // a limit was met: the document is refused whole

	line, column, offset int // the place in lines that was asked for last
}

// newWalker returns a walker over the nodes of a text that is its own source.
func newWalker(file, text string, ps *Problems) *yamlWalker {
	at := func(line, column int) (Pos, map[string]any) { return Pos{file, line, column}, nil }
	return &yamlWalker{lines: strings.Split(text, "\n"), at: at, ps: ps}
}

// document returns nil where it reported why.
func (w *yamlWalker) document(d decoded) *node {
	switch {
	case d.doc == nil:
		at, _ := w.at(1, 1)
		return &node{kind: scalarNode, pos: at}
	case d.second != nil:
		at, _ := w.at(d.second.Line, max(d.second.Column, 1))
		w.ps.Errorf(at, "a second document starts here; a pipeline is one document, remove the --- line or make two files")
		return nil
	}
	n := w.node(d.doc, 0)
	if w.full {
		return nil
	}
	return n
}

// node returns nil where it reported a problem.
func (w *yamlWalker) node(y *yaml.Node, depth int) *node {
	pos, vars := w.at(y.Line, y.Column)
	if w.alias > 0 {
		w.spent++
	}
	switch {
	case w.full:
		return nil
	case w.spent > maxAlias:
		w.full = true
		w.ps.Errorf(pos, "the document's aliases stand for more than %d values; write them out", maxAlias)
		return nil
	case depth > maxDepth:
		w.full = true
		w.ps.Errorf(pos, "lists and maps are nested more than %d deep; flatten them", maxDepth)
		return nil
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return w.node(y.Content[0], depth)
	case yaml.AliasNode:
		w.alias++
		defer func() { w.alias-- }()
		return w.node(y.Alias, depth+1)
	}
	n := &node{pos: pos, vars: vars}
	w.whole(y)
	switch y.Kind {
	case yaml.SequenceNode:
		return w.list(y, n, depth)
	case yaml.MappingNode:
		return w.mapping(y, n, depth)
	}
	return w.scalar(y, n)
}

// whole refuses a scalar that is made of pieces with different variables: all of it is rendered with those of its start.
// What an alias stands for has been looked at.
func (w *yamlWalker) whole(y *yaml.Node) {
	if w.seam == nil || w.alias > 0 || y.Kind != yaml.ScalarNode {
		return
	}
	if at, found := w.seam(y); found {
		w.ps.Errorf(at, "a block can't begin or end inside a value; put quotes round the value, or indent the block as far as its text")
	}
}

func (w *yamlWalker) list(y *yaml.Node, n *node, depth int) *node {
	n.kind = listNode
	if y.ShortTag() != "!!seq" {
		w.ps.Errorf(n.pos, "the tag %s is not known here; remove it", y.Tag)
	}
	n.list = make([]*node, 0, len(y.Content))
	for _, c := range y.Content {
		if e := w.node(c, depth+1); e != nil {
			n.list = append(n.list, e)
		}
	}
	return n
}

func (w *yamlWalker) mapping(y *yaml.Node, n *node, depth int) *node {
	n.kind = mapNode
	if y.ShortTag() != "!!map" {
		w.ps.Errorf(n.pos, "the tag %s is not known here; remove it", y.Tag)
	}
	n.fields = make([]field, 0, len(y.Content)/2)
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		at, _ := w.at(k.Line, k.Column)
		w.whole(k)
		switch {
		case k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
			if m := w.node(v, depth+1); m != nil {
				merged = append(merged, m)
			}
		case k.Kind != yaml.ScalarNode:
			w.ps.Errorf(at, "a key must be text; a value that starts with {{ needs quotes round it: \"{{ name }}\"")
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
		w.ps.Errorf(from.pos, "<< must bring a map, got %s", from.what())
	}
	for _, m := range maps {
		for _, f := range m.fields {
			if !n.has(f.key) {
				n.add(f, w.ps)
			}
		}
	}
}

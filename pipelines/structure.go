package pipelines

import (
	"context"
	"errors"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/pipelines/blocks"
	"github.com/millrace/millrace/pipelines/render"
)

// expand reads a document whose blocks have to run before it is YAML. What they read is the document's state as it is
// without them, under what the job gives. Where that can't be known, each block takes its first branch.
func (p *parser) expand(ctx context.Context, b *blocks.Document) *node {
	p.structural = true
	for _, key := range []string{"state", "params"} {
		if line, column, found := b.In(key); found {
			p.Errorf(Pos{p.file, line, column}, "a block can't stand in or round %s, which blocks are expanded from; put the choice into a value: \"{{ a if b else c }}\"", key)
		}
		if line, column, found := b.Borrows(key); found {
			p.Errorf(Pos{p.file, line, column}, "%s can't use an anchor that stands in a block, as blocks are expanded from it; put the anchor before the blocks", key)
		}
	}
	if len(p.Problems) > 0 {
		return nil
	}
	state, x := p.run(ctx, b)
	if x == nil {
		return nil
	}
	p.blocks, p.expansion, p.assumed = b, x, state == nil
	n := p.expanded(x)
	if n != nil {
		s := settler{parser: p, env: render.Language(false), state: state}
		s.document(ctx, n)
	}
	return n
}

// run expands blocks; the state that they read is nil where it is not known. It returns no expansion where it reported
// why there can be none.
func (p *parser) run(ctx context.Context, b *blocks.Document) (*render.State, *blocks.Expansion) {
	pl := p.skeleton(b)
	if pl == nil {
		return nil, nil
	}
	p.strict = &pl.Settings.Strict
	p.learn(pl.State)
	data, unfit := pl.Bind(p.given.State)
	if unfit != nil {
		data = p.given.State // whoever runs it reports this, where the blocks can do without
	}
	state, err := render.NewState(ctx, render.Config{
		Name: pl.Name, Document: pl.State, DocumentOrder: pl.StateOrder, Data: data, DataOrder: p.given.StateOrder, TrustData: true,
		Env: p.given.Env, Job: p.given.Job, Strict: pl.Settings.Strict, OnSecret: p.secret,
	})
	switch {
	case err == nil:
		values, _ := state.Get("state")
		p.learn(values)
		var x *blocks.Expansion
		if x, err = b.Expand(ctx, state); err == nil {
			return state, x
		}
	case ctx.Err() == nil:
		p.unresolved = &Problem{Pos: pl.Positions["state"], Severity: SeverityError, Msg: err.Error()}
	}
	switch wrong, _ := errors.AsType[*ParseError](unfit); {
	case ctx.Err() != nil:
		p.stopped = err
		return nil, nil
	case wrong == nil && p.unresolved == nil:
		p.blockError(err)
	case wrong != nil && p.job:
		p.Problems = append(p.Problems, wrong.Problems...)
		return nil, nil
	case wrong != nil:
		p.unresolved = nil // for want of a param
	}
	return nil, b.Cover()
}

// skeleton reads a document without its blocks; nil where it reported why there is none.
func (p *parser) skeleton(b *blocks.Document) *Pipeline {
	sub := parser{file: p.file, structural: true}
	root := sub.expanded(b.Skeleton())
	if root == nil {
		p.Problems = append(p.Problems, sub.Problems...)
		return nil
	}
	pl := sub.root(root)
	if pl == nil {
		return &Pipeline{}
	}
	if e, err := pl.Select(p.given.Entry); err == nil {
		return e
	}
	return pl
}

// learn tells Given.Secrets what values has under names of secrets.
func (p *parser) learn(values any) {
	if p.given.Secrets != nil {
		p.given.Secrets.AddNamed(values)
	}
}

func (p *parser) secret(value string) {
	if p.given.Secrets != nil {
		p.given.Secrets.Add(value)
	}
}

// expanded turns what came out of blocks into nodes, with places of the source.
func (p *parser) expanded(x *blocks.Expansion) *node {
	doc, err := decodeYAML([]byte(x.Text))
	if err != nil {
		msg, line := yamlMistake(x.Text, err)
		line, _, _ = x.Place(line, 1)
		p.Errorf(Pos{p.file, line, 1}, "this is not YAML, its blocks expanded: %s", msg)
		return nil
	}
	w := newWalker(p.file, x.Text, &p.Problems)
	w.at = func(line, column int) (Pos, map[string]any) {
		line, column, vars := x.Place(line, column)
		return Pos{p.file, line, column}, vars
	}
	w.seam = func(scalar *yaml.Node) (Pos, bool) {
		line, column, found := x.Seam(scalar.Line, scalar.Column, extent(scalar, x.Rest(scalar.Line, scalar.Column)))
		return Pos{p.file, line, column}, found
	}
	return w.document(doc)
}

// extent returns how many bytes of the text that starts with a scalar are the scalar.
func extent(scalar *yaml.Node, text string) int {
	i := 0
	switch scalar.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle:
		for i = 1; i < len(text) && text[i] != '"'; i++ {
			if text[i] == '\\' {
				i++
			}
		}
		return min(i+1, len(text))
	case yaml.SingleQuotedStyle:
		for i = 1; i < len(text); i++ {
			if text[i] == '\'' && !strings.HasPrefix(text[i+1:], "'") {
				return i + 1
			} else if text[i] == '\'' {
				i++
			}
		}
		return i
	case yaml.LiteralStyle, yaml.FoldedStyle:
		if i = strings.IndexByte(text, '\n'); i < 0 {
			return len(text)
		}
	}
	// All of the value stands there, with other blanks between its words.
	for word := range strings.FieldsSeq(scalar.Value) {
		n := strings.Index(text[i:], word)
		if n < 0 {
			return i
		}
		i += n + len(word)
	}
	return i
}

// blockError reports why blocks can't be expanded.
func (p *parser) blockError(err error) {
	if e, ok := errors.AsType[*blocks.Error](err); ok {
		p.Errorf(Pos{p.file, e.Line, e.Column}, "%s", e.Msg)
		return
	}
	p.stopped = err
}

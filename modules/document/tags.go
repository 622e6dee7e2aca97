package document

import (
	"maps"
	"slices"

	"github.com/flosch/pongo2/v6"
)

// The tags. Each is parsed once and may be executed by several goroutines. The number is the piece's.
type (
	putTag  struct{ piece int }
	showTag struct {
		piece int
		expr  *expression
	}
	setTag struct {
		piece int
		name  string
		expr  *expression
	}
	ifTag struct {
		choices   []choice
		otherwise *pongo2.NodeWrapper
	}
	choice struct {
		piece int
		expr  *expression
		body  *pongo2.NodeWrapper
	}
	forTag struct {
		piece       int
		key, value  string
		expr        *expression
		body, empty *pongo2.NodeWrapper
	}
)

func (t putTag) Execute(ctx *pongo2.ExecutionContext, _ pongo2.TemplateWriter) *pongo2.Error {
	s := sheetOf(ctx)
	p := s.pieces[t.piece]
	return failed(ctx, s.add(span{piece: p}, len(p.text)))
}

func (t showTag) Execute(ctx *pongo2.ExecutionContext, _ pongo2.TemplateWriter) *pongo2.Error {
	v, err := sheetOf(ctx).eval(ctx, t.expr, t.piece)
	if err == nil {
		err = sheetOf(ctx).show(t.piece, v)
	}
	return failed(ctx, err)
}

func (t setTag) Execute(ctx *pongo2.ExecutionContext, _ pongo2.TemplateWriter) *pongo2.Error {
	s := sheetOf(ctx)
	v, err := s.eval(ctx, t.expr, t.piece)
	if err != nil {
		return failed(ctx, err)
	}
	p := s.pieces[t.piece]
	v, size, err := plain(v)
	if err == nil {
		err = s.handle(size)
	}
	if err != nil {
		return failed(ctx, p.at.errorf("%s: %s", clip(p.text), err))
	}
	ctx.Private[t.name] = v
	return nil
}

func (t ifTag) Execute(ctx *pongo2.ExecutionContext, w pongo2.TemplateWriter) *pongo2.Error {
	for _, c := range t.choices {
		v, err := sheetOf(ctx).eval(ctx, c.expr, c.piece)
		if err != nil {
			return failed(ctx, err)
		}
		if truth(v) {
			return c.body.Execute(ctx, w)
		}
	}
	if t.otherwise == nil {
		return nil
	}
	return t.otherwise.Execute(ctx, w)
}

func (t forTag) Execute(ctx *pongo2.ExecutionContext, w pongo2.TemplateWriter) *pongo2.Error {
	s := sheetOf(ctx)
	v, err := s.eval(ctx, t.expr, t.piece)
	if err != nil {
		return failed(ctx, err)
	}
	keys, values := turns(v)
	if len(keys) == 0 && t.empty != nil {
		return t.empty.Execute(ctx, w)
	}
	inner := pongo2.NewChildExecutionContext(ctx)
	outer := ctx.Private["forloop"]
	for i, key := range keys {
		if err := s.step(); err != nil {
			return failed(ctx, err)
		}
		inner.Private[t.key] = key
		if t.value != "" {
			inner.Private[t.value] = values[i]
		}
		inner.Private["forloop"] = map[string]any{
			"counter": int64(i + 1), "counter0": int64(i), "first": i == 0, "last": i == len(keys)-1, "parent": outer,
		}
		if err := t.body.Execute(inner, w); err != nil {
			return err
		}
	}
	return nil
}

// turns is what a loop goes over: a list's elements, a map's sorted keys and their values.
func turns(v any) (keys, values []any) {
	switch v := v.(type) {
	case []any:
		return v, make([]any, len(v))
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			keys, values = append(keys, k), append(values, v[k])
		}
	}
	return keys, values
}

func failed(ctx *pongo2.ExecutionContext, err error) *pongo2.Error {
	if err == nil {
		return nil
	}
	sheetOf(ctx).failure = err
	return ctx.OrigError(err, nil)
}

func parsePut(_ *pongo2.Parser, start *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	n, err := pieceNumber(start, args)
	return putTag{n}, err
}

func parseShow(_ *pongo2.Parser, start *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	n, err := pieceNumber(start, args)
	if err != nil {
		return nil, err
	}
	expr, err := parseExpression(args)
	return showTag{n, expr}, err
}

func parseSet(_ *pongo2.Parser, start *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	n, err := pieceNumber(start, args)
	if err != nil {
		return nil, err
	}
	name := args.MatchType(pongo2.TokenIdentifier)
	if name == nil {
		return nil, args.Error("this is no name that can be set", nil)
	}
	expr, err := parseExpression(args)
	return setTag{n, name.Val, expr}, err
}

func parseIf(doc *pongo2.Parser, start *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	t := ifTag{}
	for {
		n, err := pieceNumber(start, args)
		if err != nil {
			return nil, err
		}
		c := choice{piece: n}
		if c.expr, err = parseExpression(args); err != nil {
			return nil, err
		}
		if c.body, args, err = doc.WrapUntilTag("elif", "else", "endif"); err != nil {
			return nil, err
		}
		t.choices = append(t.choices, c)
		switch c.body.Endtag {
		case "endif":
			return t, nil
		case "else":
			t.otherwise, _, err = doc.WrapUntilTag("endif")
			return t, err
		}
	}
}

func parseFor(doc *pongo2.Parser, start *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	n, err := pieceNumber(start, args)
	if err != nil {
		return nil, err
	}
	t := forTag{piece: n}
	for _, name := range []*string{&t.key, &t.value} {
		if token := args.MatchType(pongo2.TokenIdentifier); token != nil {
			*name = token.Val
		}
	}
	if t.key == "" {
		return nil, args.Error("this is no name for a turn's value", nil)
	}
	if t.expr, err = parseExpression(args); err != nil {
		return nil, err
	}
	if t.body, _, err = doc.WrapUntilTag("empty", "endfor"); err != nil {
		return nil, err
	}
	if t.body.Endtag == "empty" {
		t.empty, _, err = doc.WrapUntilTag("endfor")
	}
	return t, err
}

func pieceNumber(start *pongo2.Token, args *pongo2.Parser) (int, *pongo2.Error) {
	n := args.MatchType(pongo2.TokenNumber)
	if n == nil {
		return 0, args.Error("it has no tag "+start.Val, start)
	}
	i := 0
	for _, digit := range n.Val {
		i = i*10 + int(digit-'0')
	}
	return i, nil
}

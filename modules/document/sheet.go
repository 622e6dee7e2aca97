package document

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/flosch/pongo2/v6"
)

// A sheet is what an execution writes on: texts of the template and values, told apart, so that the values can be
// written by their places once all is there. It counts steps and bytes, and ends with its context.
type sheet struct {
	ctx    context.Context
	strict bool
	pieces []piece
	spans  []span
	steps  int
	size   int // bytes, about
	// failure is what a tag of ours ended the execution with.
	failure error
}

// A span is one piece, written.
type span struct {
	piece piece
	value any // of a value; text, bool, int64, float64, nil, []any, map[string]any
}

func (s span) isText() bool { return s.piece.kind == isText }

// sheetKey is where the tags find the sheet. No template can spell it: it begins with a digit.
const sheetKey = "0"

func sheetOf(ctx *pongo2.ExecutionContext) *sheet {
	s, _ := ctx.Public[sheetKey].(*sheet)
	return s
}

// fill executes a template.
func (s *sheet) fill(t *pongo2.Template, vars pongo2.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Msg: fmt.Sprintf("a value has no such use: %v", r)}
		}
	}()
	err = t.ExecuteWriterUnbuffered(vars, nowhere{})
	if s.failure != nil {
		return s.failure
	}
	return explain(err, s.pieces)
}

// nowhere gets what pongo2 writes by itself: the ends of compile's lines.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// step counts one turn of a loop or one value.
func (s *sheet) step() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if s.steps++; s.steps > maxSteps {
		return &Error{Msg: fmt.Sprintf("its loops take more than %d turns", maxSteps)}
	}
	return nil
}

func (s *sheet) tooLong() error {
	return &Error{Msg: fmt.Sprintf("what it makes is longer than %d MiB", maxOutput>>20)}
}

func (s *sheet) add(sp span, size int) error {
	if s.size += size; s.size > maxOutput {
		return s.tooLong()
	}
	s.spans = append(s.spans, sp)
	return nil
}

func (s *sheet) show(piece int, v any) error {
	if err := s.step(); err != nil {
		return err
	}
	p := s.pieces[piece]
	if v == nil && s.strict {
		return p.at.errorf("{{ %s }} is not known here; write {{ %s|default:\"\" }} if it may be missing", clip(p.text), clip(p.text))
	}
	v, size, err := plain(v)
	if err != nil {
		return p.at.errorf("{{ %s }}: %s", clip(p.text), err)
	}
	return s.add(span{p, v}, size)
}

// write puts the spans together.
func (s *sheet) write(f Format) (string, error) {
	switch f {
	case HTML:
		return writeHTML(s.spans)
	case JSON:
		return writeJSON(s.spans)
	case YAML:
		return writeYAML(s.spans)
	}
	return writeText(s.spans)
}

// The tags. Each is parsed once and may be executed by several goroutines.
type (
	putTag  struct{ piece int }
	showTag struct {
		piece int
		expr  pongo2.IEvaluator
	}
	setTag struct {
		name string
		expr pongo2.IEvaluator
	}
	forTag struct {
		key, value  string
		expr        pongo2.IEvaluator
		body, empty *pongo2.NodeWrapper
	}
)

func (t putTag) Execute(ctx *pongo2.ExecutionContext, _ pongo2.TemplateWriter) *pongo2.Error {
	s := sheetOf(ctx)
	p := s.pieces[t.piece]
	return failed(ctx, s.add(span{piece: p}, len(p.text)))
}

func (t showTag) Execute(ctx *pongo2.ExecutionContext, _ pongo2.TemplateWriter) *pongo2.Error {
	v, err := t.expr.Evaluate(ctx)
	if err != nil {
		return err
	}
	return failed(ctx, sheetOf(ctx).show(t.piece, v.Interface()))
}

func (t setTag) Execute(ctx *pongo2.ExecutionContext, _ pongo2.TemplateWriter) *pongo2.Error {
	v, err := t.expr.Evaluate(ctx)
	if err != nil {
		return err
	}
	if text, ok := v.Interface().(string); ok && len(text) > maxText {
		return failed(ctx, &Error{Msg: fmt.Sprintf("{%% set %s %%} makes a text of more than %d MiB", t.name, maxText>>20)})
	}
	ctx.Private[t.name] = v.Interface()
	return failed(ctx, sheetOf(ctx).step())
}

func (t forTag) Execute(ctx *pongo2.ExecutionContext, w pongo2.TemplateWriter) *pongo2.Error {
	v, err := t.expr.Evaluate(ctx)
	if err != nil {
		return err
	}
	keys, values := turns(v.Interface())
	if len(keys) == 0 && t.empty != nil {
		return t.empty.Execute(ctx, w)
	}
	inner := pongo2.NewChildExecutionContext(ctx)
	outer := ctx.Private["forloop"]
	for i, key := range keys {
		if err := sheetOf(ctx).step(); err != nil {
			return failed(ctx, err)
		}
		inner.Private[t.key] = key
		if t.value != "" {
			inner.Private[t.value] = values[i]
		}
		inner.Private["forloop"] = map[string]any{
			"counter": i + 1, "counter0": i, "first": i == 0, "last": i == len(keys)-1, "parent": outer,
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
	case []string:
		for _, e := range v {
			keys = append(keys, e)
		}
		return keys, make([]any, len(v))
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
	expr, err := lastExpression(args)
	return showTag{n, expr}, err
}

func parseSet(_ *pongo2.Parser, _ *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	name := args.MatchType(pongo2.TokenIdentifier)
	if name == nil || args.Match(pongo2.TokenSymbol, "=") == nil {
		return nil, args.Error("write {% set NAME = VALUE %}", nil)
	}
	expr, err := lastExpression(args)
	return setTag{name.Val, expr}, err
}

func parseFor(doc *pongo2.Parser, _ *pongo2.Token, args *pongo2.Parser) (pongo2.INodeTag, *pongo2.Error) {
	t := forTag{}
	key := args.MatchType(pongo2.TokenIdentifier)
	if key == nil {
		return nil, args.Error("write {% for NAME in LIST %}", nil)
	}
	t.key = key.Val
	if args.Match(pongo2.TokenSymbol, ",") != nil {
		value := args.MatchType(pongo2.TokenIdentifier)
		if value == nil {
			return nil, args.Error("write {% for KEY, VALUE in MAP %}", nil)
		}
		t.value = value.Val
	}
	if args.Match(pongo2.TokenKeyword, "in") == nil {
		return nil, args.Error("write {% for NAME in LIST %}", nil)
	}
	var err *pongo2.Error
	if t.expr, err = lastExpression(args); err != nil {
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

// lastExpression parses what is left of a tag.
func lastExpression(args *pongo2.Parser) (pongo2.IEvaluator, *pongo2.Error) {
	if args.Remaining() == 0 {
		return nil, args.Error("a value is missing", nil)
	}
	expr, err := args.ParseExpression()
	if err == nil && args.Remaining() > 0 {
		err = args.Error("this is not understood from here on", args.Current())
	}
	return expr, err
}

package nunjucks

import (
	"context"
	"strings"
	"sync/atomic"
)

// A Template is one parsed source. It is safe for concurrent use.
type Template struct {
	env    *Env
	name   string
	nodes  []node
	blocks map[string]*blockNode
	lone   expr // nil unless the source is exactly one {{ expr }}

	written atomic.Int64 // bytes of the last output, which the next one starts with room for
}

// An Expr is one parsed bare expression. It never changes.
type Expr struct {
	env  *Env
	name string
	root expr
}

// Render fills the template in. vars are plain Go values: nil, bool, string, Safe, any int or float, []any, []string,
// map[string]any, Ordered, Func; others are taken as the text fmt prints. Maps and lists are converted when the template
// touches them, and never written to. An error is an *Error.
func (t *Template) Render(ctx context.Context, vars map[string]any) (out string, err error) {
	defer rescue(&err, t.name)
	s := newState(ctx, t.env, t, vars)
	s.out.Grow(int(min(t.written.Load(), maxRoom)))
	s.renderTemplate(t)
	t.written.Store(int64(s.out.Len()))
	return s.out.String(), nil
}

// maxRoom bounds what an output gets in advance.
const maxRoom = 16 << 10

// Lone reports whether the source is exactly one {{ expr }} with nothing round it, not even a blank.
func (t *Template) Lone() bool { return t.lone != nil }

// Value returns what the expression of a lone template is, as plain Go: nil (undefined too), bool, int64 for whole
// numbers up to 2^53, float64, string, []any, map[string]any. A template that is not lone gives its text.
// An error is an *Error.
func (t *Template) Value(ctx context.Context, vars map[string]any) (v any, err error) {
	if t.lone == nil {
		return t.Render(ctx, vars)
	}
	defer rescue(&err, t.name)
	return newState(ctx, t.env, t, vars).value(t.lone), nil
}

// Ordered is Value with the order of the maps in it, which is nil where all are sorted.
func (t *Template) Ordered(ctx context.Context, vars map[string]any) (v any, o *Order, err error) {
	if t.lone == nil {
		v, err = t.Render(ctx, vars)
		return v, nil, err
	}
	defer rescue(&err, t.name)
	v, o = newState(ctx, t.env, t, vars).ordered(t.lone)
	return v, o, nil
}

// Facts returns what there is to know of the template without rendering it.
func (t *Template) Facts() Facts { return walk(t.env, t.nodes) }

// Vars is the Vars of Facts.
func (t *Template) Vars() []Ref { return t.Facts().Vars }

// Eval returns the expression's value as Template.Value does.
func (x *Expr) Eval(ctx context.Context, vars map[string]any) (v any, err error) {
	defer rescue(&err, x.name)
	return newState(ctx, x.env, &Template{env: x.env, name: x.name}, vars).value(x.root), nil
}

// Ordered is Eval with an order, as Template.Ordered has it.
func (x *Expr) Ordered(ctx context.Context, vars map[string]any) (v any, o *Order, err error) {
	defer rescue(&err, x.name)
	v, o = newState(ctx, x.env, &Template{env: x.env, name: x.name}, vars).ordered(x.root)
	return v, o, nil
}

// Facts is Template.Facts.
func (x *Expr) Facts() Facts { return walk(x.env, []node{&outputNode{value: x.root}}) }

// Vars is Template.Vars.
func (x *Expr) Vars() []Ref { return x.Facts().Vars }

// value evaluates x to plain Go.
func (s *state) value(x expr) any { return s.toGo(s.final(x)) }

func (s *state) ordered(x expr) (any, *Order) {
	v := s.final(x)
	return s.toGo(v), s.orderOf(v)
}

func (s *state) final(x expr) any {
	s.tick(1)
	v := x.eval(s)
	if f, ok := v.(*function); ok {
		s.fail("the value is the function %s: call it with ()", f.name)
	}
	return v
}

// loneExpr returns the expression of a source that is exactly one {{ expr }}, else nil.
func loneExpr(src string, nodes []node) expr {
	if len(nodes) != 1 || !strings.HasPrefix(src, "{{") || !strings.HasSuffix(src, "}}") {
		return nil
	}
	out, ok := nodes[0].(*outputNode)
	if !ok {
		return nil
	}
	return out.value
}

// A state is one render at work; it dies with the call that made it.
type state struct {
	env      *Env
	budget   *budget
	host     func(call func(context.Context) (any, error)) (any, error) // runs a host function under the caller's context
	template *Template                                                  // whose node is running
	page     *page
	frame    *frame
	unit     *unit
	out      *strings.Builder
	parent   *Template // set by extends
	inBlock  bool
	depth    int
	args     []any  // of the calls that are running
	at       pos    // of the node that is running
	op       string // filter or method that is running
}

func newState(ctx context.Context, e *Env, t *Template, vars map[string]any) *state {
	all := &struct { // in one piece, which is cheaper than one by one
		state  state
		budget budget
		page   page
		input  dict
		frame  frame
		unit   unit
		out    strings.Builder
		args   [8]any
	}{
		budget: newBudget(e.limits),
		input:  dict{src: vars},
		frame:  frame{top: true},
	}
	all.page.input = &all.input
	all.state = state{
		env:      e,
		budget:   &all.budget,
		host:     func(call func(context.Context) (any, error)) (any, error) { return call(ctx) },
		template: t,
		page:     &all.page,
		frame:    &all.frame,
		unit:     &all.unit,
		out:      &all.out,
		args:     all.args[:0],
	}
	return &all.state
}

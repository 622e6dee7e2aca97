package nunjucks

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
)

// A Func is a host function that templates call as name(…) when it stands in Config.Globals or among the variables.
// Arguments and result are plain Go values (see Template.Render); keyword arguments come last, as one map[string]any.
type Func func(ctx context.Context, args []any) (any, error)

// A Filter is a host filter: {{ value | name(args…) }}. Its values are those of Func.
type Filter func(ctx context.Context, value any, args []any) (any, error)

// Config says how an Env speaks the language. The zero Config is plain Nunjucks without escaping and without includes.
type Config struct {
	Autoescape       bool // {{ }} escapes HTML, except Safe text
	ThrowOnUndefined bool // {{ }} of null or undefined is an error, not empty

	// NegativeIndex makes list[-1] and string[-1] count from the end. In JavaScript they are undefined.
	NegativeIndex bool

	// JSON adds the filter json: what dump writes on one line, and null for what is undefined.
	JSON bool

	Globals map[string]any    // plain Go values or Func; variables of the same name win
	Filters map[string]Filter // win over built-in filters of the same name
	Limits  Limits

	// Loader returns the source of a template that another one names in include, import or extends. Nil forbids those
	// tags. Sources are kept for the life of the Env.
	Loader func(name string) (string, error)
}

// An Env parses templates. It is safe for concurrent use, and so are the templates it returns.
type Env struct {
	autoescape       bool
	throwOnUndefined bool
	negativeIndex    bool
	json             bool
	globals          map[string]any // *function, or a Go value that each render converts for itself
	filters          map[string]Filter
	limits           Limits
	loader           func(name string) (string, error)

	mu     sync.Mutex
	loaded map[string]*Template // guarded by mu
}

// New copies c.
func New(c Config) *Env {
	e := &Env{
		autoescape:       c.Autoescape,
		throwOnUndefined: c.ThrowOnUndefined,
		negativeIndex:    c.NegativeIndex,
		json:             c.JSON,
		globals:          make(map[string]any, len(c.Globals)),
		filters:          maps.Clone(c.Filters),
		limits:           c.Limits.withDefaults(),
		loader:           c.Loader,
		loaded:           map[string]*Template{},
	}
	for name, v := range c.Globals {
		if f := hostFunction(name, v); f != nil {
			v = f
		}
		e.globals[name] = v
	}
	return e
}

// Parse reads a template; name is what its errors call it. An error is an *Error.
func (e *Env) Parse(name, src string) (t *Template, err error) {
	defer rescue(&err, name)
	p, err := e.parser(name, src)
	if err != nil {
		return nil, err
	}
	nodes := p.nodes()
	t = &Template{env: e, name: name, nodes: nodes, blocks: p.blocks}
	t.written.Store(int64(2 * len(src)))
	t.lone = loneExpr(src, nodes)
	return t, nil
}

// ParseExpr reads a bare expression, as it stands between {{ and }}. An error is an *Error.
func (e *Env) ParseExpr(name, src string) (x *Expr, err error) {
	defer rescue(&err, name)
	p, err := e.parser(name, src)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.TrimSpace(src), "{{") {
		return nil, &Error{Name: name, Line: 1, Col: 1, Msg: "this is an expression already: leave out the {{ and }}"}
	}
	p.lexer.inCode = true
	root := p.expression()
	if t := p.peek(); t.kind != tokenEOF {
		p.failPlain(t, noOperator(t, ""), "unexpected %s after the expression", t)
	}
	return &Expr{env: e, name: name, root: root}, nil
}

func (e *Env) parser(name, src string) (*parser, error) {
	if len(src) > e.limits.Source {
		return nil, &Error{Name: name, Msg: fmt.Sprintf("the template is longer than %d bytes", e.limits.Source), Err: ErrSource}
	}
	return &parser{env: e, lexer: &lexer{src: src, at: pos{1, 1}}}, nil
}

// maxLoaded bounds the templates an Env keeps; more are parsed each time they are used.
const maxLoaded = 256

// load returns the template called name: a nil one and the loader's error when there is none.
// A template that doesn't parse is reported by an *Error of its own.
func (e *Env) load(name string) (*Template, error) {
	e.mu.Lock()
	t := e.loaded[name]
	e.mu.Unlock()
	if t != nil {
		return t, nil
	}
	src, err := e.loader(name)
	if err != nil {
		return nil, err
	}
	if t, err = e.Parse(name, src); err != nil {
		panic(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.loaded) < maxLoaded {
		e.loaded[name] = t
	}
	return t, nil
}

// HasTemplate reports whether src holds anything that rendering would change.
func HasTemplate(src string) bool {
	for {
		i := strings.IndexByte(src, '{')
		if i < 0 || i+1 == len(src) {
			return false
		}
		switch src[i+1] {
		case '{', '%', '#':
			return true
		}
		src = src[i+1:]
	}
}

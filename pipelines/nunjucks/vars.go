package nunjucks

import (
	"slices"
	"strconv"
)

// Facts are what a source says, each list in its order, repetitions included.
type Facts struct {
	Vars        []Ref        // what it reads and does not set itself
	Unknown     []Unknown    // filters and tests that there are not
	Comparisons []Comparison // of a variable with a literal
	MethodCalls []MethodCall // on a variable

	// NegativeIndexes are the brackets that hold a literal negative index, as in list[-1]. What they mean is
	// Config.NegativeIndex's to say.
	NegativeIndexes []Place
}

// A Place is where something stands in a source, from 1, columns in characters.
type Place struct{ Line, Col int }

// A Ref is one place where a template reads a variable.
type Ref struct {
	Name      string   // the variable: a of a.b.c
	Path      []string // what is read of it, as far as the source says: b, c; list indexes as digits; methods left out
	Line, Col int      // of the name, from 1

	// Guarded means that the template copes when there is nothing: it asks "is defined" or has a default.
	Guarded bool
	Called  bool // as a function, a(…), which is none of the language's
}

// An Unknown is a filter or test that a template names and that there is not: rendering fails when it gets there.
type Unknown struct {
	Kind      string // "filter" or "test"
	Name      string
	Line, Col int // of the filter's name, or of "is"; from 1
}

// walk looks for what nodes read and did not set before, loop variables and macro parameters apart. A name set in one
// branch of an if counts as set behind it. A global function that is called is no variable.
func walk(e *Env, nodes []node) Facts {
	w := &walker{env: e}
	w.nodes(nodes, &names{page: true})
	return w.Facts
}

// names are the variables that a stretch of template has set.
type names struct {
	set    map[string]bool
	parent *names
	page   bool // top level, which macros see too
}

func (n *names) add(name string) {
	if n.set == nil {
		n.set = map[string]bool{}
	}
	n.set[name] = true
}

func (n *names) has(name string) bool {
	for ; n != nil; n = n.parent {
		if n.set[name] {
			return true
		}
	}
	return false
}

func (n *names) root() *names {
	for !n.page {
		n = n.parent
	}
	return n
}

func (n *names) inner(added ...string) *names {
	in := &names{parent: n}
	for _, name := range added {
		in.add(name)
	}
	return in
}

type walker struct {
	env *Env
	Facts
}

func (w *walker) nodes(nodes []node, in *names) {
	for _, n := range nodes {
		w.node(n, in)
	}
}

func (w *walker) node(n node, in *names) {
	switch n := n.(type) {
	case *outputNode:
		w.expr(n.value, in)
	case *ifNode:
		w.expr(n.cond, in)
		w.nodes(n.yes, in)
		w.nodes(n.no, in)
	case *forNode:
		w.expr(n.items, in)
		w.nodes(n.body, in.inner(append(slices.Clone(n.names), "loop")...))
		w.nodes(n.orElse, in.inner())
	case *setNode:
		w.setTag(n, in)
	case *macroNode:
		in.add(n.name)
		w.macro(n, in.root())
	case *switchNode:
		w.expr(n.value, in)
		for _, c := range n.cases {
			w.expr(c.value, in)
			w.nodes(c.body, in)
		}
		w.nodes(n.fallback, in)
	case *includeNode:
		w.expr(n.name, in)
	case *importNode:
		w.expr(n.name, in)
		in.add(n.as)
		for _, name := range n.names {
			in.add(name.as)
		}
	case *extendsNode:
		w.expr(n.name, in)
	case *blockNode:
		w.nodes(n.body, in.inner("super"))
	}
}

func (w *walker) setTag(n *setNode, in *names) {
	if n.value != nil {
		w.expr(n.value, in)
	}
	w.nodes(n.body, in)
	for _, name := range n.names {
		in.add(name)
	}
}

func (w *walker) macro(n *macroNode, in *names) {
	body := in.inner(n.params...)
	body.add("caller")
	for i, name := range n.keywords {
		w.expr(n.defaults[i], body)
		body.add(name)
	}
	w.nodes(n.body, body)
}

func (w *walker) exprs(list []expr, in *names) {
	for _, x := range list {
		w.expr(x, in)
	}
}

func (w *walker) expr(x expr, in *names) {
	switch x := x.(type) {
	case *nameExpr, *lookupExpr:
		w.path(x, nil, in)
	case *callExpr:
		w.call(x, in)
	case *sequence:
		w.exprs(x.items, in)
	case *listExpr:
		w.exprs(x.items, in)
	case *dictExpr:
		w.exprs(x.values, in)
	case *filterExpr:
		if _, ours := w.env.filters[x.name]; !ours && x.run == nil {
			w.Unknown = append(w.Unknown, Unknown{"filter", x.name, x.line, x.col})
		}
		w.guardedIf(x.name == "default" || x.name == "d", x.args[0], in)
		w.exprs(x.args[1:], in)
	case *isExpr:
		if builtinTest(x.name) == nil {
			w.Unknown = append(w.Unknown, Unknown{"test", x.name, x.line, x.col})
		}
		w.guardedIf(x.name == "defined" || x.name == "undefined", x.args[0], in)
		w.exprs(x.args[1:], in)
	case *condExpr:
		w.exprs([]expr{x.cond, x.yes, x.no}, in)
	case *binaryExpr:
		w.comparison(x, in)
		w.exprs([]expr{x.left, x.right}, in)
	case *unaryExpr:
		w.expr(x.operand, in)
	case *powerExpr:
		w.exprs([]expr{x.base, x.exponent}, in)
	case *floorExpr:
		w.expr(x.operand, in)
	case *inExpr:
		w.exprs([]expr{x.needle, x.haystack}, in)
	case *callerExpr:
		w.macro(x.macro, in)
	case *captureExpr:
		w.nodes(x.body, in)
	}
}

// path records a.b.c; keys is what follows x.
func (w *walker) path(x expr, keys []string, in *names) {
	switch x := x.(type) {
	case *nameExpr:
		if !in.has(x.name) {
			slices.Reverse(keys)
			w.Vars = append(w.Vars, Ref{Name: x.name, Path: keys, Line: x.line, Col: x.col})
		}
	case *lookupExpr:
		w.index(x)
		if key, ok := staticKey(x.key); ok {
			w.path(x.target, append(keys, key), in)
			return
		}
		w.path(x.target, nil, in)
		w.expr(x.key, in)
	default:
		w.expr(x, in)
	}
}

// call leaves out a method's name and a global function's.
func (w *walker) call(x *callExpr, in *names) {
	switch f := x.target.(type) {
	case *lookupExpr:
		w.index(f)
		w.methodCall(x, f, in)
		w.expr(f.target, in)
		w.expr(f.key, in)
	case *nameExpr:
		if _, global := w.env.globals[f.name]; !global && builtinGlobal(f.name) == nil {
			before := len(w.Vars)
			w.expr(f, in)
			for i := before; i < len(w.Vars); i++ {
				w.Vars[i].Called = true
			}
		}
	default:
		w.expr(f, in)
	}
	w.exprs(x.args, in)
}

// guardedIf walks x, whose variables are guarded if guard says so.
func (w *walker) guardedIf(guard bool, x expr, in *names) {
	before := len(w.Vars)
	w.expr(x, in)
	for i := before; guard && i < len(w.Vars); i++ {
		w.Vars[i].Guarded = true
	}
}

func staticKey(x expr) (string, bool) {
	l, ok := x.(*literal)
	if !ok {
		return "", false
	}
	switch v := l.value.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

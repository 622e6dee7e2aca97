package nunjucks

// A Place is where something stands in a source, from 1, columns in characters.
type Place struct{ Line, Col int }

// A Comparison is one ==, !=, === or !== between a variable that the template does not set itself and a literal.
type Comparison struct {
	Ref       Ref
	Op        string
	Literal   any // bool, string, float64, or nil for none
	Line, Col int // of the operator
}

// Comparisons returns the comparisons of a variable with a literal, in the order of the source.
func (t *Template) Comparisons() []Comparison { return walk(t.env, t.nodes).comparisons }

// Comparisons is Template.Comparisons.
func (x *Expr) Comparisons() []Comparison { return x.walk().comparisons }

// NegativeIndexes returns the places of the brackets that hold a literal negative index, as in list[-1], in the order of
// the source. What they mean is Config.NegativeIndex's to say.
func (t *Template) NegativeIndexes() []Place { return walk(t.env, t.nodes).negative }

// NegativeIndexes is Template.NegativeIndexes.
func (x *Expr) NegativeIndexes() []Place { return x.walk().negative }

func (x *Expr) walk() *varWalker { return walk(x.env, []node{&outputNode{value: x.root}}) }

// comparison notes x if it is one.
func (w *varWalker) comparison(x *binaryExpr, in *names) {
	switch x.op {
	case "==", "!=", "===", "!==":
	default:
		return
	}
	path, other := unwrap(x.left), unwrap(x.right)
	value, ok := constant(other)
	if !ok {
		path = other
		if value, ok = constant(unwrap(x.left)); !ok {
			return
		}
	}
	switch path.(type) {
	case *nameExpr, *lookupExpr:
	default:
		return
	}
	side := &varWalker{env: w.env}
	side.path(path, nil, in)
	if len(side.refs) == 1 {
		w.comparisons = append(w.comparisons, Comparison{side.refs[0], x.op, value, x.line, x.col})
	}
}

// index notes a literal negative index.
func (w *varWalker) index(x *lookupExpr) {
	if f, ok := constant(unwrap(x.key)); ok {
		if n, ok := f.(float64); ok && n < 0 {
			w.negative = append(w.negative, Place{x.line, x.col})
		}
	}
}

// unwrap takes brackets off.
func unwrap(x expr) expr {
	for {
		s, ok := x.(*sequence)
		if !ok || len(s.items) != 1 {
			return x
		}
		x = s.items[0]
	}
}

// constant returns the value of a literal, a sign before a number included.
func constant(x expr) (any, bool) {
	switch x := x.(type) {
	case *literal:
		_, pattern := x.value.(*regex)
		return x.value, !pattern
	case *unaryExpr:
		l, ok := x.operand.(*literal)
		if !ok {
			return nil, false
		}
		f, ok := l.value.(float64)
		switch {
		case ok && x.op == "-":
			return -f, true
		case ok && x.op == "+":
			return f, true
		}
	}
	return nil, false
}

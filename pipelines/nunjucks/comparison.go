package nunjucks

// A Comparison is one ==, !=, === or !== between a variable that the template does not set itself and a literal.
type Comparison struct {
	Ref       Ref
	Op        string
	Literal   any // bool, string, float64, or nil for none
	Line, Col int // of the operator
}

// comparison notes x if it is one.
func (w *walker) comparison(x *binaryExpr, in *names) {
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
	if r, ok := w.ref(path, in); ok {
		w.Comparisons = append(w.Comparisons, Comparison{r, x.op, value, x.line, x.col})
	}
}

// ref returns the variable that x is, with entries that the source names; not what a call of it returns.
func (w *walker) ref(x expr, in *names) (Ref, bool) {
	root := x
	for {
		look, ok := root.(*lookupExpr)
		if !ok {
			break
		}
		if _, ok := staticKey(look.key); !ok {
			return Ref{}, false
		}
		root = look.target
	}
	if _, ok := root.(*nameExpr); !ok {
		return Ref{}, false
	}
	side := &walker{env: w.env}
	side.path(x, nil, in)
	if len(side.Vars) != 1 {
		return Ref{}, false
	}
	return side.Vars[0], true
}

// index notes a literal negative index.
func (w *walker) index(x *lookupExpr) {
	if f, ok := constant(unwrap(x.key)); ok {
		if n, ok := f.(float64); ok && n < 0 {
			w.NegativeIndexes = append(w.NegativeIndexes, Place{x.line, x.col})
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

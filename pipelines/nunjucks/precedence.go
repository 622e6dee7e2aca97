package nunjucks

// byJavaScript binds a tree of bare operators the way JavaScript reads the text that Nunjucks emits for it:
// {{ not a == b }} is (!a) == b, and a ~ b is a + "" + b. The result is opaque to an outer call.
func byJavaScript(x expr) expr {
	switch x.(type) {
	case *binaryExpr, *unaryExpr, *isExpr:
		var few [8]term
		r := rebinder{terms: appendTerms(few[:0], x)}
		return &sequence{[]expr{r.climb(1)}}
	}
	return x
}

// A term is one word of the emitted text: an operand, or an operator.
type term struct {
	pos
	operand expr
	op      string
	prefix  bool
}

func appendTerms(terms []term, x expr) []term {
	switch x := x.(type) {
	case *binaryExpr:
		terms = appendTerms(terms, x.left)
		if x.op == "~" {
			terms = append(terms, term{pos: x.pos, op: "+"}, term{operand: &literal{""}}, term{pos: x.pos, op: "+"})
		} else {
			terms = append(terms, term{pos: x.pos, op: x.op})
		}
		return appendTerms(terms, x.right)
	case *unaryExpr:
		return appendTerms(append(terms, term{pos: x.pos, op: x.op, prefix: true}), x.operand)
	case *isExpr: // emitted as: test(x) === true
		return append(terms, term{operand: x}, term{pos: x.pos, op: "==="}, term{operand: &literal{true}})
	}
	return append(terms, term{operand: x})
}

// A rebinder is a precedence climber over terms.
type rebinder struct {
	terms []term
	i     int
}

func (r *rebinder) climb(lowest int) expr {
	x := r.operand()
	for r.i < len(r.terms) && precedence(r.terms[r.i].op) >= lowest {
		t := r.terms[r.i]
		r.i++
		x = &binaryExpr{t.pos, t.op, x, r.climb(precedence(t.op) + 1)}
	}
	return x
}

func (r *rebinder) operand() expr {
	t := r.terms[r.i]
	r.i++
	if t.prefix {
		x := r.operand()
		if l, ok := x.(*literal); ok && t.op == "-" {
			if f, ok := l.value.(float64); ok {
				return &literal{-f}
			}
		}
		return &unaryExpr{t.pos, t.op, x}
	}
	return t.operand
}

// precedence is JavaScript's; 0 is no binary operator.
func precedence(op string) int {
	switch op {
	case "||":
		return 1
	case "&&":
		return 2
	case "==", "!=", "===", "!==":
		return 8
	case "<", ">", "<=", ">=":
		return 9
	case "+", "-":
		return 11
	case "*", "/", "%":
		return 12
	}
	return 0
}

package nunjucks

// The grammar is Nunjucks' own, one method a level, loosest first. Nunjucks emits most operators as JavaScript without
// brackets, so byJavaScript then binds them anew wherever Nunjucks would emit something opaque round them.

// expression parses a whole expression.
func (p *parser) expression() expr {
	depth := p.depth
	p.deeper(p.peek())
	defer func() { p.depth = depth }()
	x := p.orExpr()
	if !p.skipWord("if") {
		return byJavaScript(x)
	}
	cond := p.orExpr()
	var no expr = &literal{""}
	if p.skipWord("else") {
		no = byJavaScript(p.orExpr())
	}
	return &condExpr{byJavaScript(cond), byJavaScript(x), no}
}

// row parses operands with one left-associative operator between them; op is what it means.
func (p *parser) row(op string, kind tokenKind, written string, operand func() expr) expr {
	x := operand()
	for {
		t := p.peek()
		if t.kind != kind || t.text != written {
			return x
		}
		p.deeper(t)
		p.next()
		x = &binaryExpr{t.pos, op, x, operand()}
	}
}

func (p *parser) orExpr() expr  { return p.row("||", tokenName, "or", p.andExpr) }
func (p *parser) andExpr() expr { return p.row("&&", tokenName, "and", p.notExpr) }

func (p *parser) notExpr() expr {
	t := p.peek()
	if !p.skipWord("not") {
		return p.inExpr()
	}
	p.deeper(t)
	return &unaryExpr{t.pos, "!", p.notExpr()}
}

func (p *parser) inExpr() expr {
	x := p.isExpr()
	for {
		t := p.next()
		inverted := t.kind == tokenName && t.text == "not"
		if !inverted {
			p.push(t)
		}
		if !p.skipWord("in") {
			if inverted {
				p.push(t)
			}
			return x
		}
		p.deeper(t)
		x = &inExpr{t.pos, byJavaScript(x), byJavaScript(p.isExpr())}
		if inverted {
			x = &unaryExpr{t.pos, "!", x}
		}
	}
}

func (p *parser) isExpr() expr {
	x := p.comparison()
	t := p.peek()
	if !p.skipWord("is") {
		return x
	}
	not := p.skipWord("not")
	n := &isExpr{pos: t.pos, name: "undefined", args: []expr{byJavaScript(x)}}
	switch test := p.comparison().(type) {
	case *callExpr:
		if f, ok := test.target.(*nameExpr); ok {
			n.name = f.name
		}
		n.args = append(n.args, test.args...)
	case *nameExpr:
		n.name = test.name
	case *literal:
		n.name = text(test.value)
	}
	if not {
		return &unaryExpr{t.pos, "!", n}
	}
	return n
}

func (p *parser) comparison() expr {
	x := p.concat()
	for {
		t := p.peek()
		if t.kind != tokenOperator {
			return x
		}
		switch t.text {
		case "==", "===", "!=", "!==", "<", ">", "<=", ">=":
		default:
			return x
		}
		p.deeper(t)
		p.next()
		x = &binaryExpr{t.pos, t.text, x, p.concat()}
	}
}

func (p *parser) concat() expr     { return p.row("~", tokenTilde, "~", p.sum) }
func (p *parser) sum() expr        { return p.row("+", tokenOperator, "+", p.difference) }
func (p *parser) difference() expr { return p.row("-", tokenOperator, "-", p.product) }
func (p *parser) product() expr    { return p.row("*", tokenOperator, "*", p.quotient) }
func (p *parser) quotient() expr   { return p.row("/", tokenOperator, "/", p.floorQuotient) }

func (p *parser) floorQuotient() expr {
	x := p.remainder()
	for {
		t := p.peek()
		if !p.skipOp("//") {
			return x
		}
		p.deeper(t)
		x = &floorExpr{byJavaScript(&binaryExpr{t.pos, "/", x, p.remainder()})}
	}
}

func (p *parser) remainder() expr { return p.row("%", tokenOperator, "%", p.power) }

func (p *parser) power() expr {
	x := p.filtered()
	for {
		t := p.peek()
		if !p.skipOp("**") {
			return x
		}
		p.deeper(t)
		x = &powerExpr{byJavaScript(x), byJavaScript(p.filtered())}
	}
}

// filtered parses value | filter | filter.
func (p *parser) filtered() expr {
	x := p.signed()
	for p.skip(tokenPipe) {
		t := p.peek()
		p.deeper(t)
		name := p.filterName()
		f := &filterExpr{pos: t.pos, name: name, run: p.env.filter(name), args: []expr{byJavaScript(x)}}
		if p.peek().kind == tokenLeftParen {
			f.args = append(f.args, p.arguments()...)
		}
		x = f
	}
	return x
}

func (p *parser) filterName() string {
	name := p.expect(tokenName, "filter name").text
	for p.skipOp(".") {
		name += "." + p.expect(tokenName, "filter name").text
	}
	return name
}

// signed parses -x and +x.
func (p *parser) signed() expr {
	t := p.peek()
	if !p.skipOp("-") && !p.skipOp("+") {
		return p.primary()
	}
	p.deeper(t)
	x := p.signed()
	if inner, ok := x.(*unaryExpr); ok && inner.op == t.text {
		p.fail(t, "%s%s is no operator: put brackets round the inner %s", t.text, t.text, t.text)
	}
	return &unaryExpr{t.pos, t.text, x}
}

package nunjucks

import "strconv"

// primary parses a literal, name or bracket with the lookups and calls behind it.
func (p *parser) primary() expr {
	x := p.atom()
	for {
		t := p.peek()
		switch {
		case t.kind == tokenLeftParen:
			p.deeper(t)
			if name, ok := x.(*nameExpr); ok && name.name == "super" {
				p.callsSuper = true
			}
			if callsNull(x) {
				p.fail(t, "none has nothing to call")
			}
			x = &callExpr{t.pos, x, p.arguments(), describe(x)}
		case t.kind == tokenLeftBracket:
			p.deeper(t)
			p.next()
			keys := p.listUntilBracket()
			if len(keys) != 1 {
				p.fail(t, "invalid index")
			}
			x = &lookupExpr{t.pos, x, keys[0]}
		case t.kind == tokenOperator && t.text == ".":
			p.deeper(t)
			p.next()
			name := p.next()
			if name.kind != tokenName {
				p.failPlain(name, "a name is missing behind the dot, before "+name.shown(), "expected name as lookup value, got %s", name)
			}
			x = &lookupExpr{t.pos, x, &literal{name.text}}
		default:
			return x
		}
	}
}

// callsNull reports a call of what is null whenever it runs, which Nunjucks refuses before it does.
func callsNull(x expr) bool {
	for {
		switch t := x.(type) {
		case *lookupExpr:
			x = t.target
		case *callExpr:
			x = t.target
		case *literal:
			return t.value == nil
		default:
			return false
		}
	}
}

func (p *parser) atom() expr {
	t := p.next()
	switch t.kind {
	case tokenString:
		return &literal{t.text}
	case tokenInt, tokenFloat:
		f, _ := strconv.ParseFloat(t.text, 64) // too large is Infinity, as in JavaScript
		return &literal{f}
	case tokenBool:
		return &literal{t.text == "true"}
	case tokenNone:
		return &literal{nil}
	case tokenRegex:
		re, err := compileRegex(t.text, t.flags, p.env.limits.Regex)
		if err != nil {
			p.fail(t, "bad regular expression: %v", err)
		}
		return &literal{re}
	case tokenName:
		return &nameExpr{t.pos, t.text}
	case tokenLeftParen:
		return &sequence{p.listUntilBracket()}
	case tokenLeftBracket:
		return &listExpr{p.listUntilBracket()}
	case tokenLeftBrace:
		return p.dict()
	case tokenEOF:
		p.failPlain(t, noValue(t), "expected expression, got end of file")
	}
	p.failPlain(t, noValue(t), "unexpected %s", t)
	return nil
}

// listUntilBracket parses expressions up to a closing bracket; any kind will do, as in Nunjucks.
func (p *parser) listUntilBracket() []expr {
	var items []expr
	for {
		switch t := p.must(); t.kind {
		case tokenRightParen, tokenRightBracket, tokenRightBrace:
			p.next()
			return items
		}
		if len(items) > 0 && !p.skip(tokenComma) {
			t := p.peek()
			p.failPlain(t, missing("a comma", t), "expected comma after expression")
		}
		items = append(items, p.expression())
	}
}

// dict parses a: 1, "b": 2 } .
func (p *parser) dict() expr {
	d := &dictExpr{}
	for p.must().kind != tokenRightBrace {
		if len(d.keys) > 0 && !p.skip(tokenComma) {
			t := p.peek()
			p.failPlain(t, missing("a comma", t), "expected comma after expression")
		}
		d.keys = append(d.keys, p.dictKey())
		if !p.skip(tokenColon) {
			t := p.peek()
			p.failPlain(t, missing("a colon", t), "expected colon after dict key")
		}
		d.values = append(d.values, p.expression())
	}
	p.next()
	return d
}

func (p *parser) dictKey() string {
	start := p.peek()
	switch key := p.primary().(type) {
	case *nameExpr:
		return key.name
	case *literal:
		if s, ok := key.value.(string); ok {
			return s
		}
	}
	p.fail(start, "dict keys must be strings or names")
	return ""
}

// arguments parses (a, b, key=c); keyword arguments become one dictExpr at the end.
func (p *parser) arguments() []expr {
	p.next()
	var args []expr
	kw := &dictExpr{keywords: true}
	for n := 0; ; n++ {
		if p.must().kind == tokenRightParen {
			p.next()
			break
		}
		if n > 0 && !p.skip(tokenComma) {
			t := p.peek()
			p.failPlain(t, missing("a comma", t), "expected comma after expression")
		}
		if t := p.must(); n > 0 && t.kind == tokenRightParen {
			p.fail(t, "unexpected %s", t)
		}
		x := p.expression()
		if !p.skipOp("=") {
			args = append(args, x)
			continue
		}
		name, ok := x.(*nameExpr)
		if !ok {
			p.fail(p.peek(), "keyword argument name expected")
		}
		kw.keys = append(kw.keys, name.name)
		kw.values = append(kw.values, p.expression())
	}
	if len(kw.keys) > 0 {
		args = append(args, kw)
	}
	return args
}

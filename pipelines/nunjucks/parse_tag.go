package nunjucks

import "strings"

// statement parses one tag, whose name is the next token, with its body and its end.
func (p *parser) statement() node {
	t := p.next()
	switch t.text {
	case "raw", "verbatim":
		return p.rawTag(t.text)
	case "if":
		return p.ifTag(t)
	case "for":
		return p.forTag(t)
	case "set":
		return p.setTag(t)
	case "switch":
		return p.switchTag()
	case "macro":
		return p.macroTag()
	case "call":
		return p.callTag(t)
	case "filter":
		return p.filterTag(t)
	case "block":
		return p.blockTag(t)
	case "extends":
		n := &extendsNode{t.pos, p.expression()}
		p.closeTag("extends")
		return n
	case "include":
		return p.includeTag(t)
	case "import":
		return p.importTag(t)
	case "from":
		return p.fromTag(t)
	}
	p.failPlain(t, noTag(t.text), "unknown block tag: %s", t.text)
	return nil
}

// rawTag takes the source up to the end tag that belongs to this one. Without one, as where that has a minus sign, it
// takes no more than the tags of its name within it.
func (p *parser) rawTag(tag string) node {
	p.closeTag(tag)
	l := p.lexer
	rest := l.rest()
	level, inner := 1, 0
	for i := 0; ; i += 2 {
		n := strings.Index(rest[i:], "{%")
		if n < 0 {
			return &textNode{l.take(inner)}
		}
		i += n
		switch bareTag(rest[i+2:]) {
		case tag:
			level++
			inner = i + 2 + strings.Index(rest[i:], "%}")
		case "end" + tag:
			level--
			inner = i + 2 + strings.Index(rest[i:], "%}")
		}
		if level == 0 {
			n := &textNode{l.take(i)}
			p.expect(tokenBlockStart, "end of "+tag)
			p.endTag()
			return n
		}
	}
}

// bareTag returns the name of a tag without arguments, given what follows its {%.
func bareTag(s string) string {
	s = strings.TrimLeft(s, codeSpace)
	n := 0
	for n < len(s) && 'a' <= s[n] && s[n] <= 'z' {
		n++
	}
	if !strings.HasPrefix(strings.TrimLeft(s[n:], codeSpace), "%}") {
		return ""
	}
	return s[:n]
}

func (p *parser) ifTag(start token) node {
	depth := p.depth
	p.deeper(start)
	defer func() { p.depth = depth }()
	n := &ifNode{cond: p.expression()}
	p.closeTag("if")
	n.yes = p.until("elif", "elseif", "else", "endif")
	t := p.next()
	switch t.text {
	case "elif", "elseif":
		n.no = []node{p.ifTag(t)}
		return n
	case "else":
		p.closeTag("else")
		n.no = p.until("endif")
		p.endTag()
		return n
	}
	if t.kind == tokenEOF {
		p.failPlain(start, "{% if … %} is never closed; end it with {% endif %}", "if is never closed: expected elif, else, or endif, got end of file")
	}
	p.closeTag("endif")
	return n
}

func (p *parser) forTag(start token) node {
	n := &forNode{pos: start.pos, names: p.names(start)}
	if !p.skipWord("in") {
		t := p.peek()
		p.failPlain(t, missing(`"in"`, t)+"; write {% for name in list %}", `expected "in" keyword for loop`)
	}
	n.items = p.expression()
	p.closeTag("for")
	n.body = p.inside(p.locals+1, "endfor", "else")
	if p.skipWord("else") {
		p.closeTag("else")
		n.orElse = p.inside(p.locals+1, "endfor")
	}
	p.endTag()
	return n
}

// names parses a, b, c.
func (p *parser) names(start token) []string {
	var names []string
	for {
		x, ok := p.primary().(*nameExpr)
		if !ok {
			p.fail(start, "%s: variable name expected", start.text)
		}
		names = append(names, x.name)
		if !p.skip(tokenComma) {
			return names
		}
	}
}

func (p *parser) setTag(start token) node {
	n := &setNode{pos: start.pos, names: p.names(start)}
	if p.skipOp("=") {
		n.value = p.expression()
		p.closeTag("set")
		return n
	}
	if p.peek().kind != tokenBlockEnd {
		t := p.peek()
		p.failPlain(t, missing(`"="`, t)+"; write {% set name = value %}", "expected = or block end in set tag")
	}
	p.closeTag("set")
	p.trim = false // Nunjucks pays no heed to the minus sign here
	n.body = p.until("endset")
	p.endTag()
	return n
}

func (p *parser) switchTag() node {
	n := &switchNode{value: p.expression()}
	p.closeTag("switch")
	p.until("case", "default", "endswitch")
	for p.skipWord("case") {
		c := switchCase{value: p.expression()}
		p.closeTag("case")
		c.body = p.until("case", "default", "endswitch")
		n.cases = append(n.cases, c)
	}
	if p.skipWord("default") {
		p.closeTag("default")
		n.fallback = p.until("endswitch")
	}
	if t := p.peek(); t.kind == tokenEOF {
		p.failPlain(t, "{% switch … %} is never closed; end it with {% endswitch %}", `expected "case", "default" or "endswitch", got end of file`)
	}
	p.endTag()
	return n
}

func (p *parser) macroTag() node {
	n := &macroNode{name: p.expect(tokenName, "macro name").text, local: p.locals > 0}
	if t := p.must(); t.kind != tokenLeftParen {
		p.fail(t, "expected arguments")
	}
	p.params(n)
	p.closeTag("macro")
	n.body = p.inside(0, "endmacro")
	p.endTag()
	return n
}

// params parses (a, b, c=1) into n.
func (p *parser) params(n *macroNode) {
	start := p.peek()
	for _, arg := range p.arguments() {
		switch arg := arg.(type) {
		case *nameExpr:
			n.params = append(n.params, arg.name)
		case *dictExpr:
			n.keywords, n.defaults = arg.keys, arg.values
		default:
			p.fail(start, "a macro's argument must be a name")
		}
	}
}

// callTag parses a call whose keyword argument "caller" is the body.
func (p *parser) callTag(start token) node {
	n := &macroNode{name: "caller", seesEnclosing: true}
	if p.must().kind == tokenLeftParen {
		p.params(n)
	}
	call, ok := p.primary().(*callExpr)
	if !ok {
		p.fail(start, "expected call")
	}
	p.closeTag("call")
	n.body = p.inside(p.locals+1, "endcall")
	p.endTag()

	kw := &dictExpr{keywords: true}
	if last := len(call.args) - 1; last >= 0 {
		if d, ok := call.args[last].(*dictExpr); ok && d.keywords {
			kw = d
			call.args = call.args[:last]
		}
	}
	kw.keys = append(kw.keys, "caller")
	kw.values = append(kw.values, &callerExpr{n})
	call.args = append(call.args, kw)
	return &outputNode{start.pos, call}
}

func (p *parser) filterTag(start token) node {
	name := p.filterName()
	var args []expr
	if p.must().kind == tokenLeftParen {
		args = p.arguments()
	}
	p.closeTag("filter")
	body := p.until("endfilter")
	p.endTag()
	f := &filterExpr{pos: start.pos, name: name, run: p.env.filter(name)}
	f.args = append([]expr{&captureExpr{body}}, args...)
	return &outputNode{start.pos, f}
}

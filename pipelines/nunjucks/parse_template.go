package nunjucks

// The tags that bring templates together.

func (p *parser) blockTag(start token) node {
	name := p.expect(tokenName, "block name")
	n := &blockNode{pos: start.pos, name: name.text}
	if p.blocks[n.name] != nil {
		p.fail(name, `block "%s" defined more than once.`, n.name)
	}
	if p.blocks == nil {
		p.blocks = map[string]*blockNode{}
	}
	p.blocks[n.name] = n
	p.closeTag("block")
	outer := p.callsSuper
	p.callsSuper = false
	n.body = p.inside(0, "endblock")
	n.callsSuper, p.callsSuper = p.callsSuper, outer
	p.skipWord("endblock")
	p.skipWord(n.name)
	p.closeTag("endblock")
	return n
}

func (p *parser) includeTag(start token) node {
	n := &includeNode{pos: start.pos, name: p.expression()}
	if p.skipWord("ignore") {
		n.ignoreMissing = p.skipWord("missing")
	}
	p.closeTag("include")
	return n
}

func (p *parser) importTag(start token) node {
	n := &importNode{pos: start.pos, name: p.expression(), local: p.locals > 0}
	if !p.skipWord("as") {
		p.fail(p.peek(), `expected "as" keyword`)
	}
	n.as = p.expect(tokenName, "name").text
	n.withContext = p.contextClause()
	p.closeTag("import")
	return n
}

func (p *parser) fromTag(start token) node {
	n := &importNode{pos: start.pos, name: p.expression(), local: p.locals > 0}
	if !p.skipWord("import") {
		p.fail(p.peek(), "expected import")
	}
	for p.must().kind != tokenBlockEnd {
		if len(n.names) > 0 && !p.skip(tokenComma) {
			p.fail(p.peek(), "expected comma")
		}
		name := p.expect(tokenName, "name")
		if name.text[0] == '_' {
			p.fail(name, "names starting with an underscore cannot be imported")
		}
		as := name.text
		if p.skipWord("as") {
			as = p.expect(tokenName, "alias").text
		}
		n.names = append(n.names, importName{name.text, as})
		n.withContext = p.contextClause()
	}
	if len(n.names) == 0 {
		p.fail(start, "expected at least one import name")
	}
	p.closeTag("from")
	return n
}

// contextClause takes "with context" or "without context".
func (p *parser) contextClause() bool {
	with := p.skipWord("with")
	if with || p.skipWord("without") {
		p.skipWord("context")
	}
	return with
}

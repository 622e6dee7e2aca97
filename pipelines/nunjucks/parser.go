package nunjucks

import (
	"fmt"
	"slices"
	"strings"
)

// A parser turns tokens into nodes. Its methods panic with *Error.
type parser struct {
	env    *Env
	lexer  *lexer
	peeked []token // pushed back, the last one first
	trim   bool    // the tag just read ended with -, so the next data loses its leading blanks
	stops  []string
	blocks map[string]*blockNode
	depth  int

	locals     int  // loops and call blocks round this place, within the same block or macro
	callsSuper bool // super() was met in the block being parsed

	mistakes *mistakes // nil: the first one ends the parse
}

func (p *parser) fail(t token, format string, args ...any) {
	panic(&Error{Line: t.pos.line, Col: t.pos.col, Msg: fmt.Sprintf(format, args...)})
}

// failPlain is fail with other words for people.
func (p *parser) failPlain(t token, plain, format string, args ...any) {
	panic(&Error{Line: t.pos.line, Col: t.pos.col, Msg: fmt.Sprintf(format, args...), Plain: plain})
}

// next returns the next token that is not a blank.
func (p *parser) next() token {
	for {
		t := p.nextRaw()
		if t.kind != tokenSpace {
			return t
		}
	}
}

func (p *parser) nextRaw() token {
	last := len(p.peeked) - 1
	if last < 0 {
		return p.lexer.next()
	}
	t := p.peeked[last]
	p.peeked = p.peeked[:last]
	return t
}

func (p *parser) push(t token) { p.peeked = append(p.peeked, t) }

func (p *parser) peek() token {
	if last := len(p.peeked) - 1; last >= 0 && p.peeked[last].kind != tokenSpace {
		return p.peeked[last]
	}
	t := p.next()
	p.push(t)
	return t
}

// must is peek, where the source can't end.
func (p *parser) must() token {
	t := p.peek()
	if t.kind == tokenEOF {
		p.failPlain(t, "the template ends inside a tag; close it with }} or %}", "unexpected end of file")
	}
	return t
}

func (p *parser) skip(kind tokenKind) bool {
	if p.peek().kind != kind {
		return false
	}
	p.next()
	return true
}

func (p *parser) skipText(kind tokenKind, text string) bool {
	if t := p.peek(); t.kind != kind || t.text != text {
		return false
	}
	p.next()
	return true
}

func (p *parser) skipOp(op string) bool { return p.skipText(tokenOperator, op) }

func (p *parser) skipWord(word string) bool { return p.skipText(tokenName, word) }

func (p *parser) expect(kind tokenKind, what string) token {
	t := p.next()
	if t.kind != kind {
		p.failPlain(t, missing("the "+what, t), "expected %s, got %s", what, t)
	}
	return t
}

// closeTag takes the %} of a tag.
func (p *parser) closeTag(tag string) {
	t := p.next()
	if t.kind != tokenBlockEnd {
		e := &Error{Line: t.pos.line, Col: t.pos.col, Msg: "expected block end in " + tag + " statement", Plain: noEnd(t, "{% "+tag+" …", "%}")}
		if !strings.HasPrefix(tag, "end") || !p.passOver(e) {
			panic(e)
		}
		return
	}
	if t.text[0] == '-' {
		p.trim = true
	}
}

// endTag takes the word of a tag without arguments, and its %}.
func (p *parser) endTag() {
	p.must()
	p.closeTag(p.expect(tokenName, "tag name").text)
}

// deeper counts one level of nesting, or one operator of a row, at t. Callers put p.depth back.
func (p *parser) deeper(t token) {
	p.depth++
	if p.depth > p.env.limits.Depth {
		panic(&Error{Line: t.pos.line, Col: t.pos.col, Msg: fmt.Sprintf("nested more than %d deep", p.env.limits.Depth), Err: ErrDepth})
	}
}

// blanks are what - at the edge of a tag takes away.
const blanks = " \t\r\n\v\f\u00a0\ufeff"

// nodes parses up to one of the stop tags, whose name is then the next token, or to the end.
func (p *parser) nodes() []node {
	depth := p.depth
	p.deeper(token{pos: p.lexer.at})
	defer func() { p.depth = depth }()
	var list []node
	b := p.newBody()
	for {
		p.depth = depth + 1
		n, more := p.node(b)
		if n != nil {
			list = append(list, n)
		}
		if !more {
			return list
		}
	}
}

// node parses what comes next in a body: nothing, where that is empty. At the body's end there is no more.
func (p *parser) node(b *body) (n node, more bool) {
	if b != nil {
		b.begin(p, "")
		defer b.resume(p, &n, &more)
	}
	t := p.next()
	switch t.kind {
	case tokenEOF:
		p.push(t)
		return nil, false
	case tokenData:
		if s := p.data(t); s != "" {
			return &textNode{s}, true
		}
	case tokenBlockStart:
		p.trim = false
		name := p.tagName().text
		if b.orphan(p, name) {
			return nil, true
		}
		if slices.Contains(p.stops, name) {
			return nil, false
		}
		return p.statement(), true
	case tokenVarStart:
		return p.output(t), true
	case tokenComment:
		p.trim = len(t.text) > 4 && t.text[len(t.text)-3] == '-'
	default:
		p.fail(t, "unexpected %s at top level", t)
	}
	return nil, true
}

// data returns the text of t without the blanks that the tags on both sides take away.
func (p *parser) data(t token) string {
	s := t.text
	if p.trim {
		s = strings.TrimLeft(s, blanks)
		p.trim = false
	}
	next := p.peek()
	opens := next.kind == tokenBlockStart || next.kind == tokenVarStart
	if opens && strings.HasSuffix(next.text, "-") || next.kind == tokenComment && strings.HasPrefix(next.text, "{#-") {
		s = strings.TrimRight(s, blanks)
	}
	return s
}

func (p *parser) output(start token) node {
	x := p.expression()
	p.trim = false
	end := p.next()
	if end.kind != tokenVarEnd {
		p.failPlain(end, noEnd(end, "{{", "}}"), "expected variable end")
	}
	p.trim = end.text[0] == '-'
	return &outputNode{start.pos, x}
}

// until parses the body of a tag, up to one of the names.
func (p *parser) until(names ...string) []node {
	outer := p.stops
	p.stops = names
	body := p.nodes()
	p.stops = outer
	return body
}

// inside parses the body of a tag, up to one of the names, as locals scopes deep.
func (p *parser) inside(locals int, names ...string) []node {
	outer := p.locals
	p.locals = locals
	body := p.until(names...)
	p.locals = outer
	return body
}

// tagName returns the name of the tag that begins here, without taking it.
func (p *parser) tagName() token {
	t := p.must()
	if t.kind != tokenName {
		p.failPlain(t, "a tag begins with its name, as in {% if … %}; "+t.shown()+" is none", "tag name expected")
	}
	return t
}

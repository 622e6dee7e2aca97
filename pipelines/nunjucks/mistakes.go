package nunjucks

import (
	"cmp"
	"slices"
	"strings"
)

// maxMistakes is how many syntax errors Mistakes looks for.
const maxMistakes = 20

// Mistakes returns the syntax errors of a template in the order of the source, at most 20; nil when it parses. The
// search goes on behind the tag that holds a mistake, so it finds all but those that another one in the same tag hides.
func (e *Env) Mistakes(name, src string) []*Error {
	found := &mistakes{}
	if last := e.collect(name, src, found); last != nil {
		found.list = append(found.list, last)
	}
	for _, m := range found.list {
		m.Name = name
	}
	slices.SortStableFunc(found.list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return found.list
}

// collect fills found; it returns the mistake that ended the parse, if one did.
func (e *Env) collect(name, src string, found *mistakes) (last *Error) {
	var err error
	defer func() { last, _ = err.(*Error) }()
	defer rescue(&err, name)
	p, err := e.parser(name, src)
	if err != nil {
		return
	}
	p.mistakes = found
	p.nodes()
	return
}

// mistakes are those of one parse, which goes on after them.
type mistakes struct{ list []*Error }

// add takes e unless there are enough.
func (m *mistakes) add(e *Error) bool {
	if len(m.list) == maxMistakes-1 {
		return false
	}
	m.list = append(m.list, e)
	return true
}

// A body is a stretch of template between two tags that belong together. It knows where to go on after a mistake. The
// nil body belongs to a parse that ends with the first one.
type body struct {
	tag        string         // being parsed; empty for {{ }}
	start      lexer          // at that tag
	owed       map[string]int // ends that may come, of tags that had a mistake
	stops      []string
	locals     int
	depth      int
	callsSuper bool
}

func (p *parser) newBody() *body {
	if p.mistakes == nil {
		return nil
	}
	return &body{stops: p.stops, locals: p.locals, depth: p.depth, callsSuper: p.callsSuper, owed: map[string]int{}, start: *p.lexer}
}

// begin notes that a tag starts here.
func (b *body) begin(p *parser, tag string) {
	if b == nil {
		return
	}
	b.tag, b.start = tag, *p.lexer
}

// orphan skips a tag that belongs to one whose start had a mistake.
func (b *body) orphan(p *parser, name string) bool {
	if b == nil {
		return false
	}
	b.begin(p, name)
	for _, opener := range openers(name) {
		if b.owed[opener] > 0 {
			if "end"+opener == name {
				b.owed[opener]--
			}
			p.skipTag()
			return true
		}
	}
	return false
}

// openers are the tags that name may belong to, as a middle part or the end.
func openers(name string) []string {
	switch name {
	case "elif", "elseif":
		return []string{"if"}
	case "else":
		return []string{"if", "for"}
	case "case", "default":
		return []string{"switch"}
	}
	if opener, ok := strings.CutPrefix(name, "end"); ok {
		return []string{opener}
	}
	return nil
}

// resume notes a mistake and lets the parse go on behind its tag. Deferred.
func (b *body) resume(p *parser, n *node, more *bool) {
	r := recover()
	if r == nil {
		return
	}
	e, ours := r.(*Error)
	if !ours || !p.mistakes.add(e) {
		panic(r)
	}
	if b.tag != "" {
		b.owed[b.tag]++
	}
	p.stops, p.locals, p.depth, p.callsSuper = b.stops, b.locals, b.depth, b.callsSuper
	if !p.skipTag() {
		b.resync(p)
	}
	*n, *more = nil, true
}

// passOver notes a mistake in a tag that ends another one, and goes on behind it. Where the first mistake ends the
// parse, it does nothing and says so.
func (p *parser) passOver(e *Error) bool {
	return p.mistakes != nil && p.mistakes.add(e) && p.skipTag()
}

// skipTag skips the rest of the tag. It is false where that takes in the rest of the source.
func (p *parser) skipTag() bool {
	for len(p.peeked) > 0 || p.lexer.inCode {
		switch t := p.nextRaw(); t.kind {
		case tokenBlockEnd, tokenVarEnd:
			p.trim = t.text[0] == '-'
			return true
		case tokenEOF:
			p.push(t)
			return false
		}
	}
	return true
}

// resync goes to the end of the tag letter by letter, for strings without their second quote.
func (b *body) resync(p *parser) {
	rest := b.start.rest()
	for i := 1; i < len(rest); i++ {
		if rest[i] == '}' && (rest[i-1] == '%' || rest[i-1] == '}') {
			*p.lexer, p.peeked = b.start, nil
			p.lexer.take(i + 1)
			p.lexer.inCode = false
			return
		}
	}
}

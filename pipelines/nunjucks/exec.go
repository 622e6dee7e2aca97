package nunjucks

import (
	"strconv"
	"strings"
)

func (s *state) run(nodes []node) {
	for _, n := range nodes {
		s.tick(1)
		n.exec(s)
	}
}

func (s *state) write(text string) {
	if n := s.out.Len() + len(text); n > s.env.limits.Output {
		s.failWith(ErrOutput, "the template writes more than %d bytes", s.env.limits.Output)
	}
	s.charge(len(text))
	s.out.WriteString(text)
}

// capture returns what f writes.
func (s *state) capture(f func()) string {
	outer := s.out
	s.out = &strings.Builder{}
	f()
	text := s.out.String()
	s.out = outer
	return text
}

func (n *textNode) exec(s *state) { s.write(n.text) }

func (n *outputNode) exec(s *state) {
	s.at = n.pos
	v := n.value.eval(s)
	if isNullish(v) {
		if s.env.throwOnUndefined {
			s.at = n.pos
			s.fail("attempted to output null or undefined value")
		}
		return
	}
	text := s.text(v)
	if _, safe := v.(Safe); !safe && s.env.autoescape {
		text = escapeHTML(text)
	}
	s.write(text)
}

func (n *ifNode) exec(s *state) {
	if truthy(n.cond.eval(s)) {
		s.run(n.yes)
		return
	}
	s.run(n.no)
}

func (n *setNode) exec(s *state) {
	s.at = n.pos
	var v any
	if n.value != nil {
		v = n.value.eval(s)
	} else {
		v = s.capture(func() { s.run(n.body) })
	}
	for _, name := range n.names {
		s.frame.set(name, v)
		if s.frame.top {
			s.page.set(name, v)
			s.page.export(name)
		}
	}
}

// exec runs the first case that matches; one without a body falls through to the next that has one.
func (n *switchNode) exec(s *state) {
	v := n.value.eval(s)
	for i, c := range n.cases {
		s.tick(1)
		if !strictEqual(v, c.value.eval(s)) {
			continue
		}
		for _, c := range n.cases[i:] {
			if len(c.body) > 0 {
				s.run(c.body)
				return
			}
		}
		break
	}
	s.run(n.fallback)
}

// exec walks lists, strings by character, and dicts by key and value.
func (n *forNode) exec(s *state) {
	s.at = n.pos
	outer := s.frame
	length, loop := 0, &loop{}
	s.frame = &frame{parent: outer, lexical: n.names}
	switch x := n.items.eval(s).(type) {
	case *list:
		length = n.overList(s, x, loop)
	case *dict:
		length = n.overDict(s, x, loop)
	case string:
		length = n.overString(s, x, loop)
	case Safe:
		length = n.overList(s, newList(s.wholeCharacters(string(x))), loop)
	}
	if length == 0 {
		s.run(n.orElse)
	}
	s.frame = outer
}

func (n *forNode) overList(s *state, l *list, loop *loop) int {
	length := l.len()
	for i := 0; i < l.len(); i++ {
		item := l.items()[i]
		if len(n.names) == 1 {
			s.frame.bind(n.names[0], item)
		} else {
			s.at = n.pos
			for j, name := range n.names {
				s.frame.bind(name, s.strictMember(item, float64(j)))
			}
		}
		n.turn(s, loop, i, length)
	}
	return length
}

// overDict needs two names. With one, Nunjucks counts by the dict's own "length" and so never writes anything useful.
func (n *forNode) overDict(s *state, d *dict, loop *loop) int {
	if len(n.names) == 1 {
		length, _ := d.get("length")
		f, _ := length.(float64)
		return int(f)
	}
	keys := d.keys()
	for i, key := range keys {
		v, _ := d.get(key)
		s.frame.put(n.names[0], key)
		s.frame.bind(n.names[1], v)
		n.turn(s, loop, i, len(keys))
	}
	return len(keys)
}

func (n *forNode) overString(s *state, text string, loop *loop) int {
	s.chargeList(utf16Len(text))
	chars := characters(text)
	for i, c := range chars {
		if len(n.names) == 1 {
			s.frame.put(n.names[0], c)
		} else {
			s.frame.put(n.names[0], strconv.Itoa(i))
			s.frame.put(n.names[1], c)
		}
		n.turn(s, loop, i, len(chars))
	}
	return len(chars)
}

// turn runs the body for item i of length.
func (n *forNode) turn(s *state, loop *loop, i, length int) {
	s.tick(1)
	loop.index, loop.length, s.frame.loop = i, length, loop
	if loop.seen != nil {
		loop.fill()
	}
	if loop.hidden {
		s.frame.vars.remove("loop")
		loop.hidden = false
	}
	s.run(n.body)
}

// A loop is what a for tag's body sees under that name, made when it first looks.
type loop struct {
	index, length int
	seen          *dict
	hidden        bool // by a variable that the body has set
}

func (l *loop) value() *dict {
	if l.seen == nil {
		l.seen = &dict{values: make(map[string]any, 7)}
		l.fill()
	}
	return l.seen
}

func (l *loop) fill() {
	d := l.seen
	d.set("index", float64(l.index+1))
	d.set("index0", float64(l.index))
	d.set("revindex", float64(l.length-l.index))
	d.set("revindex0", float64(l.length-l.index-1))
	d.set("first", l.index == 0)
	d.set("last", l.index == l.length-1)
	d.set("length", float64(l.length))
}

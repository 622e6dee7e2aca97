package nunjucks

import "strings"

// renderTemplate runs t on the state's page, then, as long as one extends another, the parent with the blocks so far.
func (s *state) renderTemplate(t *Template) {
	s.template, s.parent = t, nil
	s.addBlocks(t)
	s.run(t.nodes)
	for depth := 0; s.parent != nil; depth++ {
		if depth > s.env.limits.Depth {
			s.failWith(ErrDepth, "templates extend each other more than %d deep", s.env.limits.Depth)
		}
		s.template, s.parent = s.parent, nil
		s.out.Reset()
		s.run(s.template.nodes)
	}
}

func (s *state) addBlocks(t *Template) {
	if s.page.blocks == nil && len(t.blocks) > 0 {
		s.page.blocks = map[string][]*blockNode{}
	}
	for name, b := range t.blocks {
		s.page.blocks[name] = append(s.page.blocks[name], b)
	}
}

// load finds the template that name, relative to the running one, stands for. It is nil where ignoring is allowed.
func (s *state) load(at pos, name any, ignoreMissing bool) *Template {
	s.at = at
	if s.env.loader == nil {
		s.fail("includes are disabled")
	}
	path, ok := name.(string)
	if !ok {
		s.fail("template names must be a string: %s", s.text(name))
	}
	t, err := s.env.load(s.resolve(path))
	if err == nil {
		return t
	}
	if !ignoreMissing {
		s.failWith(err, "template not found: %s", path)
	}
	return nil
}

// resolve makes ./a and ../a relative to the folder of the running template.
func (s *state) resolve(name string) string {
	if !strings.HasPrefix(name, "./") && !strings.HasPrefix(name, "../") {
		return name
	}
	folder := strings.Split(s.template.name, "/")
	folder = folder[:len(folder)-1]
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case ".":
		case "..":
			folder = folder[:max(0, len(folder)-1)]
		default:
			folder = append(folder, part)
		}
	}
	return strings.Join(folder, "/")
}

// nested returns a state that renders another template inside this one.
func (s *state) nested(p *page, f *frame) *state {
	s.enter()
	inner := *s
	inner.page, inner.frame, inner.out, inner.parent = p, f, &strings.Builder{}, nil
	inner.op, inner.inBlock, inner.unit = "", false, new(unit)
	return &inner
}

func (n *includeNode) exec(s *state) {
	t := s.load(n.pos, n.name.eval(s), n.ignoreMissing)
	if t == nil {
		return
	}
	inner := s.nested(s.page.inherit(), &frame{parent: s.frame, isolated: true})
	inner.renderTemplate(t)
	s.leave()
	s.write(inner.out.String())
}

func (n *importNode) exec(s *state) {
	t := s.load(n.pos, n.name.eval(s), false)
	p, f := &page{input: &dict{}}, &frame{top: true}
	if n.withContext {
		p, f = s.page.inherit(), &frame{top: true, parent: s.frame}
	}
	s.nested(p, f).renderTemplate(t)
	s.leave()

	exports := &dict{}
	for _, name := range p.exported {
		exports.set(name, p.vars[name])
	}
	if n.as != "" {
		n.define(s, n.as, exports)
	}
	for _, name := range n.names {
		v, ok := exports.get(name.name)
		if !ok {
			s.at = n.pos
			s.fail("cannot import '%s'", name.name)
		}
		n.define(s, name.as, v)
	}
}

func (n *importNode) define(s *state, name string, v any) {
	if n.local {
		s.frame.put(name, v)
		return
	}
	s.page.set(name, v)
}

func (n *extendsNode) exec(s *state) {
	t := s.load(n.pos, n.name.eval(s), false)
	s.addBlocks(t)
	s.parent = t
}

// exec writes the block as the outermost child defines it. In a child template blocks only stand by.
func (n *blockNode) exec(s *state) {
	s.at = n.pos
	if s.inBlock || s.parent == nil {
		s.runBlock(n.name, 0)
	}
}

// runBlock runs definition i of a block, counted from the outermost child. Where it calls super(), the next definition
// runs first, so that it does not see what this one sets.
func (s *state) runBlock(name string, i int) {
	s.enter()
	b := s.page.blocks[name][i]
	outer, inBlock, outerUnit := s.frame, s.inBlock, s.unit
	s.frame, s.inBlock, s.unit = &frame{parent: outer, isolated: true}, true, new(unit)
	if b.callsSuper {
		if i+1 == len(s.page.blocks[name]) {
			s.fail(`no super block available for "%s"`, name)
		}
		inherited := Safe(s.capture(func() { s.runBlock(name, i+1) }))
		s.frame.put("super", &function{"super", func(*state, []any) any { return inherited }})
	}
	s.run(b.body)
	s.frame, s.inBlock, s.unit = outer, inBlock, outerUnit
	s.leave()
}

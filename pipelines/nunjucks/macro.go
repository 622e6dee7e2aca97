package nunjucks

// exec defines the macro where it stands.
func (n *macroNode) exec(s *state) {
	f := n.bind(s)
	if n.local {
		s.frame.put(n.name, f)
		return
	}
	s.page.export(n.name)
	s.page.set(n.name, f)
}

// bind makes the macro a function that sees the page it was defined on. A call block sees the loop variables and
// parameters round it, too, and beyond them what Nunjucks' own code sees at that moment: the variables of the macro that
// runs it where that is of the same unit, else all that is round the block.
func (n *macroNode) bind(def *state) *function {
	home, page, unit, enclosing := def.template, def.page, def.unit, def.frame
	var around *frame
	if n.seesEnclosing {
		around = enclosing.lexicals()
	}
	return &function{n.name, func(s *state, args []any) any {
		s.enter()
		caller := *s
		s.template, s.page, s.unit, s.op = home, page, unit, ""
		s.frame = &frame{lexical: n.params}
		if n.seesEnclosing {
			beyond := enclosing
			if caller.unit == unit {
				beyond = caller.frame
			}
			s.frame.parent, s.frame.isolated = &frame{vars: around.vars, lexical: around.lexical, parent: beyond}, true
		}
		n.bindArguments(s, args)
		text := s.capture(func() { s.run(n.body) })
		s.template, s.page, s.frame, s.unit, s.op, s.at = caller.template, caller.page, caller.frame, caller.unit, caller.op, caller.at
		s.leave()
		return Safe(text)
	}}
}

func (n *macroNode) bindArguments(s *state, args []any) {
	args, kw := splitKeywords(args)
	for i, param := range n.params {
		if v, ok := kw.get(param); ok && i >= len(args) {
			s.frame.bind(param, v)
			continue
		}
		s.frame.bind(param, arg(args, i))
	}
	for i, param := range n.keywords {
		if j := len(n.params) + i; j < len(args) {
			s.frame.put(param, args[j])
		} else if v, ok := kw.get(param); ok {
			s.frame.put(param, v)
		} else {
			s.frame.put(param, n.defaults[i].eval(s))
		}
	}
	if v, ok := kw.get("caller"); ok {
		s.frame.put("caller", v)
	}
}

// splitKeywords takes the keyword arguments off the end of args; without any the dict is empty.
func splitKeywords(args []any) ([]any, *dict) {
	if last := len(args) - 1; last >= 0 {
		if d, ok := args[last].(*dict); ok && d.keywords {
			return args[:last:last], d
		}
	}
	return args, &dict{}
}

// positional turns keyword arguments into positional ones, for built-ins that know their parameters' names.
// args[0] is the first of names.
func positional(args []any, names ...string) []any {
	args, kw := splitKeywords(args)
	if kw.len() == 0 {
		return args
	}
	for _, name := range names[min(len(args), len(names)):] {
		v, ok := kw.get(name)
		if !ok {
			v = undef{}
		}
		args = append(args, v)
	}
	return args
}

func (x *callerExpr) eval(s *state) any { return x.macro.bind(s) }

func (x *captureExpr) eval(s *state) any { return s.capture(func() { s.run(x.body) }) }

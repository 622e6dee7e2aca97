package nunjucks

import (
	"context"
	"math"
	"slices"
	"strings"
)

func (x *literal) eval(*state) any { return x.value }

func (x *nameExpr) eval(s *state) any { return s.lookup(x.name) }

func (x *sequence) eval(s *state) any {
	var v any = undef{}
	for _, item := range x.items {
		v = item.eval(s)
	}
	return v
}

func (x *listExpr) eval(s *state) any {
	s.chargeList(len(x.items))
	values := make([]any, len(x.items))
	for i, item := range x.items {
		values[i] = item.eval(s)
	}
	return newList(values)
}

func (x *dictExpr) eval(s *state) any {
	s.charge(len(x.keys) * bytesPerItem)
	d := &dict{values: make(map[string]any, len(x.keys)), keywords: x.keywords}
	for i, key := range x.keys {
		d.set(key, x.values[i].eval(s))
	}
	return d
}

func (x *lookupExpr) eval(s *state) any {
	target, key := x.target.eval(s), x.key.eval(s)
	s.at = x.pos
	return s.member(target, key)
}

// with makes a call with arguments, which stand on the state's stack until it returns.
func (s *state) with(args []expr, call func(args []any) any) any {
	before := len(s.args)
	for _, x := range args {
		v := x.eval(s)
		s.args = append(s.args, v)
	}
	result := call(slices.Clip(s.args[before:]))
	s.args = s.args[:before]
	return result
}

// eval calls a function, or a method without binding it first.
func (x *callExpr) eval(s *state) any {
	s.tick(1)
	look, ok := x.target.(*lookupExpr)
	if !ok {
		return x.callValue(s, undef{}, x.target.eval(s))
	}
	receiver, key := look.target.eval(s), s.text(look.key.eval(s))
	if d, ok := receiver.(*dict); ok {
		if v, ok := d.get(key); ok {
			return x.callValue(s, d, v)
		}
	}
	m := methodOf(receiver, key)
	if m == nil {
		s.at = look.pos
		return x.callValue(s, receiver, s.member(receiver, key))
	}
	return s.with(x.args, func(args []any) any {
		s.at = x.pos
		return s.during(key, receiver, func() any { return m.call(s, receiver, args) })
	})
}

// callValue calls v, which receiver was asked for, if anything was.
func (x *callExpr) callValue(s *state, receiver, v any) any {
	f, ok := v.(*function)
	if !ok {
		s.at = x.pos
		why := "is not a function"
		if !truthy(v) {
			why = "is undefined or falsey"
		}
		s.failPlain(x.uncallable(receiver, v), "unable to call `%s`, which %s", x.name, why)
	}
	return s.with(x.args, func(args []any) any {
		s.at = x.pos
		return f.call(s, args)
	})
}

// during runs a built-in called op that reads all of v, and accounts for a new value that it returns.
func (s *state) during(op string, v any, run func() any) any {
	outer, at := s.op, s.at
	s.op = op
	s.read(v)
	result := run()
	switch r := result.(type) {
	case string:
		if r != v {
			s.chargeText(len(r))
		}
	case Safe:
		if r != v {
			s.chargeText(len(r))
		}
	case *list:
		if r != v {
			s.chargeList(r.len())
		}
	}
	s.op, s.at = outer, at
	return result
}

func (x *filterExpr) eval(s *state) any {
	s.tick(1)
	return s.with(x.args, func(args []any) any { return x.apply(s, args) })
}

func (x *filterExpr) apply(s *state, args []any) any {
	s.at = x.pos
	if f, ok := s.env.filters[x.name]; ok {
		return s.callHost(x.name, func(ctx context.Context) (any, error) {
			return f(ctx, s.toGo(args[0]), s.toGoList(args[1:]))
		})
	}
	if x.run == nil {
		s.fail("filter not found: %s", x.name)
	}
	return s.during(x.name, args[0], func() any { return x.run(s, args) })
}

// callHost calls a Func or Filter.
func (s *state) callHost(name string, call func(context.Context) (any, error)) any {
	v, err := s.host(call)
	if err != nil {
		s.failWith(err, "%s: %v", name, err)
	}
	return fromGo(v)
}

func (x *condExpr) eval(s *state) any {
	if truthy(x.cond.eval(s)) {
		return x.yes.eval(s)
	}
	return x.no.eval(s)
}

func (x *unaryExpr) eval(s *state) any {
	v := x.operand.eval(s)
	switch x.op {
	case "!":
		return !truthy(v)
	case "-":
		return -s.number(v)
	}
	return s.number(v)
}

func (x *binaryExpr) eval(s *state) any {
	left := x.left.eval(s)
	switch x.op {
	case "&&":
		if !truthy(left) {
			return left
		}
		return x.right.eval(s)
	case "||":
		if truthy(left) {
			return left
		}
		return x.right.eval(s)
	}
	right := x.right.eval(s)
	s.at = x.pos
	switch x.op {
	case "+":
		return s.add(left, right)
	case "-":
		return s.number(left) - s.number(right)
	case "*":
		return s.number(left) * s.number(right)
	case "/":
		return s.number(left) / s.number(right)
	case "%":
		return math.Mod(s.number(left), s.number(right))
	case "==":
		return s.looseEqual(left, right)
	case "!=":
		return !s.looseEqual(left, right)
	case "===":
		return strictEqual(left, right)
	case "!==":
		return !strictEqual(left, right)
	}
	return s.compare(left, x.op, right)
}

func (x *powerExpr) eval(s *state) any {
	base := s.number(x.base.eval(s))
	s.tick(stepsPerBigNumber)
	return power(base, s.number(x.exponent.eval(s)))
}

func (x *floorExpr) eval(s *state) any { return math.Floor(s.number(x.operand.eval(s))) }

func (x *inExpr) eval(s *state) any {
	needle, haystack := x.needle.eval(s), x.haystack.eval(s)
	s.at = x.pos
	s.read(haystack)
	switch h := haystack.(type) {
	case *list:
		for _, item := range h.items() {
			if strictEqual(item, needle) {
				return true
			}
		}
		return false
	case string:
		return strings.Contains(h, s.text(needle))
	case *dict:
		_, ok := h.get(s.text(needle))
		return ok
	case Safe: // an object in JavaScript, with these properties and a string's methods
		key := s.text(needle)
		return key == "val" || key == "length" || methodOf(h, key) != nil
	}
	s.fail(`cannot use "in" operator to search for "%s" in unexpected types.`, s.text(needle))
	return nil
}

func (x *isExpr) eval(s *state) any {
	return s.with(x.args, func(args []any) any {
		s.at = x.pos
		t := builtinTest(x.name)
		if t == nil {
			s.fail("test not found: %s", x.name)
		}
		s.tick(1)
		s.read(args[0])
		return t(s, args)
	})
}

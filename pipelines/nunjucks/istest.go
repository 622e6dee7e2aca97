package nunjucks

import (
	"math"
)

// builtinTest returns what stands behind "is name", or nil.
func builtinTest(name string) builtin {
	switch name {
	case "ge", "gt", "greaterthan", "le", "lt", "lessthan":
		return orderTest(name)
	case "eq", "equalto", "sameas":
		return func(_ *state, args []any) any { return strictEqual(args[0], arg(args, 1)) }
	case "ne":
		return func(_ *state, args []any) any { return !strictEqual(args[0], arg(args, 1)) }
	case "defined":
		return func(_ *state, args []any) any { return !isUndef(args[0]) }
	case "undefined":
		return func(_ *state, args []any) any { return isUndef(args[0]) }
	case "null":
		return func(_ *state, args []any) any { return args[0] == nil }
	case "truthy":
		return func(_ *state, args []any) any { return truthy(args[0]) }
	case "falsy":
		return func(_ *state, args []any) any { return !truthy(args[0]) }
	case "divisibleby":
		return func(s *state, args []any) any { return math.Mod(s.number(args[0]), s.number(arg(args, 1))) == 0 }
	case "even":
		return func(s *state, args []any) any { return math.Mod(s.number(args[0]), 2) == 0 }
	case "odd":
		return func(s *state, args []any) any { return math.Mod(s.number(args[0]), 2) == 1 }
	}
	return typeTest(name)
}

func orderTest(name string) builtin {
	op := ">="
	switch name {
	case "gt", "greaterthan":
		op = ">"
	case "le":
		op = "<="
	case "lt", "lessthan":
		op = "<"
	}
	return func(s *state, args []any) any { return s.compare(args[0], op, arg(args, 1)) }
}

func typeTest(name string) builtin {
	switch name {
	case "callable":
		return isType[*function]
	case "escaped":
		return isType[Safe]
	case "number":
		return isType[float64]
	case "string":
		return isType[string]
	case "lower":
		return func(s *state, args []any) any { return strictEqual(args[0], lower(s.mustText(args[0]))) }
	case "upper":
		return func(s *state, args []any) any { return strictEqual(args[0], upper(s.mustText(args[0]))) }
	case "iterable":
		return testIterable
	case "mapping":
		return testMapping
	}
	return nil
}

func isType[T any](_ *state, args []any) any {
	_, ok := args[0].(T)
	return ok
}

func testIterable(s *state, args []any) any {
	switch args[0].(type) {
	case *list, string, Safe:
		return true
	case undef, nil:
		s.fail("iterable: value is %s", text(args[0]))
	}
	return false
}

// testMapping says yes to Safe text too, which is an object in JavaScript.
func testMapping(_ *state, args []any) any {
	switch args[0].(type) {
	case *dict, Safe:
		return true
	}
	return false
}

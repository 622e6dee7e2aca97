package nunjucks

import (
	"fmt"
	"strconv"
	"strings"
)

// number is an expression that is a number, unless chance has it otherwise.
func (g *generator) number() string {
	if g.chance(3) {
		return g.value()
	}
	return g.nest(func() string {
		if g.loops > 0 && g.chance(30) {
			return "loop." + pick(g, "index", "index0", "revindex", "revindex0", "length")
		}
		return pick(g, "n", "f", "i", "l[0]", "m.a", "p.size", "p.inner.k", "s.length", "w.length", g.literal(), g.literal(), g.literal())
	}, func() string {
		return g.oneOf(g.arithmetic, g.arithmetic, g.arithmetic, g.numberFilter, g.numberFilter, g.numberMethod)
	})
}

func (g *generator) literal() string { return strings.TrimPrefix(fmt.Sprint(pick(g, numbers...)), "-") }

func (g *generator) arithmetic() string {
	op := pick(g, "+", "-", "*", "/", "%", "//", "**", "negative", "positive")
	g.use("operator", op)
	switch op {
	case "negative":
		return "(-" + atom(g.number()) + ")"
	case "positive":
		return "(+" + atom(pick(g, g.number(), g.text())) + ")"
	case "**":
		return "(" + atom(g.number()) + " ** " + pick(g, "2", "3", "0.5", "i") + ")"
	}
	x := g.number() + " " + op + " " + g.number()
	if g.chance(50) {
		return "(" + x + ")"
	}
	return x
}

func (g *generator) numberFilter() string {
	switch name := pick(g, "abs", "int", "int", "float", "float", "round", "round", "length", "sum", "sum", "wordcount", "wordcount"); name {
	case "int":
		args := []string{"", "7", "0, 16", "default=3", "base=2", "9, base=8"}
		return g.filter(g.oneOf(g.text, g.number), name, pick(g, args...))
	case "float":
		return g.filter(g.oneOf(g.text, g.number), name, g.some("1.5")...)
	case "round":
		return g.filter(g.number(), name, g.some(pick(g, "0", "1", "2"), pick(g, "'ceil'", "'floor'", "'common'"))...)
	case "length":
		return g.filter(g.value(), name)
	case "sum":
		if g.chance(30) {
			return g.filter("o", name, append([]string{"'size'"}, g.some(g.number())...)...)
		}
		return g.filter(pick(g, "l", "l", g.list()), name)
	case "wordcount":
		return g.filter(g.text(), name)
	default:
		return g.filter(g.number(), name)
	}
}

func (g *generator) numberMethod() string {
	switch name := pick(g, "indexOf", "lastIndexOf", "charCodeAt", "search", "push", "unshift", "pop", "shift", "toString", "indexOf list", "lastIndexOf list", "localeCompare"); name {
	case "indexOf", "lastIndexOf":
		return g.method(atom(g.text()), name, append([]string{quote(pick(g, "a", "o", "", "zz", ".", "l"))}, g.some(pick(g, "1", "i", "-1"))...)...)
	case "indexOf list", "lastIndexOf list":
		return g.method(atom(g.list()), strings.TrimSuffix(name, " list"), g.value())
	case "charCodeAt":
		return g.method(atom(g.text()), name, g.some(g.small())...)
	case "search":
		return g.method(atom(g.text()), name, pick(g, "r/o/", "r/[A-Z]/", "'b'"))
	case "push", "unshift":
		return g.method(g.ownList(), name, g.some(g.value(), g.value())...)
	case "pop", "shift":
		return g.method(g.ownList(), name)
	case "localeCompare":
		return g.method(quote(pick(g, "a", "b", "abc", "abd")), name, quote(pick(g, "a", "b", "abc")))
	default:
		return g.method(atom(g.number()), name, g.some(pick(g, "2", "16", "36"))...)
	}
}

// ownList is a list of this place alone, which may change.
func (g *generator) ownList() string {
	return "[" + strings.Join([]string{g.value(), g.number(), g.text()}[g.r.IntN(3):], ", ") + "]"
}

// condition is an expression that is true or false, unless chance has it otherwise.
func (g *generator) condition() string {
	if g.chance(2) {
		return g.value()
	}
	return g.nest(func() string {
		if g.loops > 0 && g.chance(20) {
			return pick(g, "loop.first", "loop.last")
		}
		return pick(g, "b", "p.ok", "true", "false", "s", "n", "x", "z", "e")
	}, func() string {
		return g.oneOf(g.comparison, g.comparison, g.logic, g.test, g.test, g.test, g.test, g.test, g.test, g.membership, g.question, g.question)
	})
}

func (g *generator) comparison() string {
	op := g.use("operator", pick(g, "==", "!=", "===", "!==", "<", ">", "<=", ">="))
	sides := g.oneOf(
		func() string { return g.number() + " " + op + " " + g.number() },
		func() string { return g.text() + " " + op + " " + g.text() },
		func() string { return g.value() + " " + op + " " + g.value() },
	)
	return "(" + sides + ")"
}

func (g *generator) logic() string {
	op := g.use("operator", pick(g, "and", "or", "not"))
	if op == "not" {
		return "not " + g.condition()
	}
	x := g.condition() + " " + op + " " + g.condition()
	if g.chance(50) {
		return "(" + x + ")"
	}
	return x
}

func (g *generator) membership() string {
	op := pick(g, "in", "not in")
	g.use("operator", op)
	return "(" + g.value() + " " + op + " " + g.oneOf(g.list, g.text, g.dict) + ")"
}

func (g *generator) test() string {
	name := pick(g, "callable", "defined", "divisibleby", "eq", "equalto", "escaped", "even", "falsy", "ge", "greaterthan", "gt", "iterable", "le", "lessthan",
		"lower", "lt", "mapping", "ne", "null", "number", "odd", "sameas", "string", "truthy", "undefined", "upper", "iterable", "callable", "mapping", "odd", "escaped")
	g.use("test", name)
	value, arg := g.value, ""
	switch name {
	case "divisibleby":
		value, arg = g.number, "("+g.small()+")"
	case "even", "odd":
		value = g.number
	case "ge", "gt", "greaterthan", "le", "lt", "lessthan":
		value, arg = g.number, "("+g.number()+")"
	case "eq", "equalto", "sameas", "ne":
		arg = "(" + g.value() + ")"
	case "lower", "upper":
		value = g.text
	case "callable":
		value = func() string { return pick(g, "range", "cycler", "joiner", g.value()) }
	case "escaped":
		value = func() string { return pick(g, g.filter(g.text(), "safe"), g.value()) }
	}
	return "(" + atom(value()) + pick(g, " is ", " is ", " is not ") + name + arg + ")"
}

func (g *generator) question() string {
	switch name := pick(g, "includes", "startsWith", "endsWith", "includes list", "hasOwnProperty", "test", "some", "every"); name {
	case "startsWith", "endsWith", "includes":
		return g.method(atom(g.text()), name, append([]string{quote(pick(g, "a", "mod", "", "World", "c"))}, g.some("i")...)...)
	case "includes list":
		return g.method(atom(g.list()), "includes", g.value())
	case "hasOwnProperty":
		return g.method(pick(g, "p", "l", "s", "m", "keys"), name, pick(g, "'name'", "'a'", "'length'", "'0'", "2"))
	case "test":
		return g.method(pick(g, "r/[aeiou]/", "r/^a/i", "r/\\d+$/"), name, g.text())
	default:
		return g.method(atom(g.list()), name, pick(g, "callback", "range"))
	}
}

func (g *generator) list() string {
	if g.chance(2) {
		return g.value()
	}
	return g.nest(func() string {
		return pick(g, "l", "w", "o", "e", "mixed", "p.tags", "pairs", "[1, 2, 3]", "['b', 'a', 'C']", "[]")
	}, func() string {
		return g.oneOf(g.listFilter, g.listFilter, g.listFilter, g.listFilter, g.listMethod, g.listMethod, g.rangeCall, func() string {
			return "[" + strings.Join(g.some(g.value(), g.value(), g.value()), ", ") + "]"
		})
	})
}

func (g *generator) rangeCall() string {
	g.use("global", "range")
	return pick(g, "range(i)", "range(1, 5)", "range(5, 0, -2)", "range(0, 1, 0.25)", "range(2, i)")
}

func (g *generator) listFilter() string {
	l := g.list()
	tests := []string{"'odd'", "'even'", "'string'", "'number'", "'defined'", "'gt', 2", "'divisibleby', 3", "'truthy'"}
	switch name := pick(g, "batch", "slice", "sort", "sort", "reverse", "list", "select", "reject", "selectattr", "rejectattr", "dictsort", "dictsort"); name {
	case "batch", "slice":
		return g.filter(l, name, append([]string{strconv.Itoa(g.r.IntN(4) + 1)}, g.some(g.value())...)...)
	case "sort":
		if g.chance(40) {
			return g.filter("o", name, pick(g, "attribute='name'", "false, true, 'size'", "reverse=true, attribute='inner.k'"))
		}
		return g.filter(pick(g, "l", "w", l), name, g.some(g.flag(), g.flag())...)
	case "list":
		return g.filter(g.oneOf(g.text, g.dict, g.list), name)
	case "reverse":
		return g.filter(g.oneOf(g.text, g.list), name)
	case "select", "reject":
		return g.filter(l, name, g.some(pick(g, tests...))...)
	case "selectattr", "rejectattr":
		return g.filter("o", name, pick(g, "'ok'", "'size'", "'name'", "'missing'"))
	default:
		return g.filter(pick(g, "m", "keys", g.dict()), "dictsort", g.some(g.flag(), pick(g, "'key'", "'value'"))...)
	}
}

func (g *generator) listMethod() string {
	switch name := pick(g, "split", "split", "concat", "slice list", "reverse list", "sort list", "map", "filter", "match", "exec", "at list", "find", "toString list"); name {
	case "split":
		return g.method(atom(g.text()), name, append([]string{pick(g, "','", "'.'", "' '", "''", "r/[ ,]/", "'/'")}, g.some("2")...)...)
	case "concat":
		return g.method(atom(g.list()), name, g.some(g.list(), g.value())...)
	case "slice list":
		return g.method(atom(g.list()), "slice", g.some(pick(g, "0", "1", "-2"), pick(g, "2", "-1", "i"))...)
	case "reverse list", "sort list":
		return g.method(atom(g.filter(g.list(), "reverse")), strings.TrimSuffix(name, " list"))
	case "map", "filter", "find":
		return g.method(atom(g.list()), name, "callback")
	case "match":
		return g.method(atom(g.text()), name, pick(g, "r/o/", "r/[A-Z]/g", "r/(\\w+) (\\w+)/", "'b'"))
	case "exec":
		return g.method(pick(g, "r/(a)(b)?/", "r/[a-z]+/i"), name, g.text())
	default:
		return g.method(atom(g.list()), strings.TrimSuffix(name, " list"), pick(g, "0", "-1", "i"))
	}
}

func (g *generator) dict() string {
	return g.nest(func() string { return pick(g, "m", "p", "empty", "keys", "p.inner", "o[0]", "{a: 1, 'b': s}", "{}") }, func() string {
		if g.chance(40) {
			return g.filter("o", "groupby", pick(g, "'kind'", "'ok'", "'inner.k'", "'missing'"))
		}
		return "{a: " + g.value() + ", " + quote(pick(g, "b", "2", "x y")) + ": " + g.value() + "}"
	})
}

package nunjucks

import (
	"math"
	"regexp"
	"strings"
	"sync"
)

func numberFilter(name string) builtin {
	switch name {
	case "abs":
		return func(s *state, args []any) any { return math.Abs(s.number(args[0])) }
	case "float":
		return filterFloat
	case "int":
		return filterInt
	case "round":
		return filterRound
	case "sum":
		return filterSum
	}
	return nil
}

var floatPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[+-]?(?:Infinity|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)`)
})

func filterFloat(s *state, args []any) any {
	m := floatPattern().FindString(strings.TrimLeft(s.text(args[0]), jsSpace))
	if m == "" {
		return arg(args, 1)
	}
	return parseNumber(m)
}

func filterInt(s *state, args []any) any {
	args = positional(args, "value", "default", "base")
	base := 10
	if v := arg(args, 2); !isUndef(v) {
		base = s.integer(v)
	}
	n := parseLeadingInt(s.text(args[0]), base)
	if math.IsNaN(n) {
		return arg(args, 1)
	}
	return n
}

// filterRound rounds to a precision; method is "ceil", "floor", or halves up.
func filterRound(s *state, args []any) any {
	precision := 0.0
	if v := arg(args, 1); truthy(v) {
		precision = s.number(v)
	}
	factor := power(10, precision)
	v := s.number(args[0]) * factor
	switch arg(args, 2) {
	case any("ceil"):
		v = math.Ceil(v)
	case any("floor"):
		v = math.Floor(v)
	default:
		whole := math.Floor(v)
		if v-whole >= 0.5 {
			whole++
		}
		v = math.Copysign(whole, v)
	}
	return v / factor
}

// filterSum adds entries, or an attribute of them, to a start; text concatenates, as + does.
func filterSum(s *state, args []any) any {
	var total any = 0.0
	items, attribute := []any(nil), arg(args, 1)
	switch {
	case !truthy(attribute):
		items = s.mustBeList(args[0])
	case !isNullish(args[0]):
		items = s.mustList(args[0])
	}
	for _, item := range items {
		s.tick(1)
		if truthy(attribute) {
			item = s.strictMember(item, attribute)
		}
		total = s.add(total, item)
	}
	start := arg(args, 2)
	if isUndef(start) {
		start = 0.0
	}
	return s.add(start, total)
}

package nunjucks

import (
	"fmt"
	"math"
	"strings"
)

func truthy(v any) bool {
	switch x := v.(type) {
	case undef, nil:
		return false
	case bool:
		return x
	case float64:
		return x != 0 && !math.IsNaN(x)
	case string:
		return x != ""
	}
	return true
}

// text is String(v) for everything but lists, whose text is state.text's.
func text(v any) string {
	switch x := v.(type) {
	case undef:
		return "undefined"
	case nil:
		return "null"
	case string:
		return x
	case Safe:
		return string(x)
	case bool:
		if x {
			return "true"
		}
		return "false"
	case float64:
		return formatNumber(x)
	case *dict:
		return "[object Object]"
	case *function:
		return "function " + x.name + "() { [native code] }"
	case *regex:
		return "/" + x.source + "/" + x.flags
	}
	return fmt.Sprint(v)
}

// text is String(v).
func (s *state) text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case *list:
		return s.join(x.items(), ",")
	}
	return text(v)
}

// join is Array.join: null and undefined are empty.
func (s *state) join(items []any, separator string) string {
	s.enter()
	var b strings.Builder
	for i, item := range items {
		s.tick(1)
		part := ""
		if !isNullish(item) {
			part = s.text(item)
		}
		if i > 0 {
			part = separator + part
		}
		s.appendText(&b, part)
	}
	s.leave()
	return b.String()
}

// appendText writes to a string being built, within the limits.
func (s *state) appendText(b *strings.Builder, part string) {
	if n := b.Len() + len(part); n > s.env.limits.Output {
		s.chargeText(n)
	}
	s.charge(len(part))
	b.WriteString(part)
}

// number is Number(v).
func (s *state) number(v any) float64 {
	switch x := v.(type) {
	case nil:
		return 0
	case bool:
		if x {
			return 1
		}
		return 0
	case float64:
		return x
	case string:
		return parseNumber(x)
	case Safe:
		return parseNumber(string(x))
	case *list:
		return parseNumber(s.text(x))
	}
	return math.NaN()
}

// integer is number without its fraction, held within ±2^40; NaN is 0.
func (s *state) integer(v any) int {
	const limit = 1 << 40
	f := s.number(v)
	if math.IsNaN(f) {
		return 0
	}
	return int(max(-limit, min(limit, f)))
}

// primitive turns objects into their text, as JavaScript's operators do.
func (s *state) primitive(v any) any {
	if isPrimitive(v) {
		return v
	}
	return s.text(v)
}

func isPrimitive(v any) bool {
	switch v.(type) {
	case undef, nil, bool, float64, string:
		return true
	}
	return false
}

// add is a + b.
func (s *state) add(a, b any) any {
	a, b = s.primitive(a), s.primitive(b)
	_, aText := a.(string)
	_, bText := b.(string)
	if !aText && !bText {
		return s.number(a) + s.number(b)
	}
	x, y := text(a), text(b)
	s.chargeText(len(x) + len(y))
	return x + y
}

// strictEqual is a === b. Safe text is an object there, equal to nothing.
func strictEqual(a, b any) bool {
	if _, ok := a.(Safe); ok {
		return false
	}
	return a == b
}

// looseEqual is a == b.
func (s *state) looseEqual(a, b any) bool {
	if isNullish(a) || isNullish(b) {
		return isNullish(a) && isNullish(b)
	}
	if !isPrimitive(a) && !isPrimitive(b) {
		return strictEqual(a, b)
	}
	a, b = s.primitive(a), s.primitive(b)
	x, aText := a.(string)
	y, bText := b.(string)
	if aText && bText {
		return x == y
	}
	return s.number(a) == s.number(b)
}

// compare is a < b and its kin.
func (s *state) compare(a any, op string, b any) bool {
	a, b = s.primitive(a), s.primitive(b)
	x, aText := a.(string)
	y, bText := b.(string)
	if aText && bText {
		return ordered(float64(strings.Compare(x, y)), op, 0)
	}
	return ordered(s.number(a), op, s.number(b))
}

func ordered(x float64, op string, y float64) bool {
	switch op {
	case "<":
		return x < y
	case ">":
		return x > y
	case "<=":
		return x <= y
	}
	return x >= y
}

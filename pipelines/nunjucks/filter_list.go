package nunjucks

import (
	"math/rand/v2"
	"slices"
	"strings"
)

func listFilter(name string) builtin {
	switch name {
	case "batch":
		return filterBatch
	case "dictsort":
		return filterDictSort
	case "first":
		return func(s *state, args []any) any { return s.strictMember(args[0], 0.0) }
	case "last":
		return filterLast
	case "groupby":
		return filterGroupBy
	case "join":
		return filterJoin
	case "length":
		return filterLength
	case "list":
		return filterList
	case "random":
		return filterRandom
	case "select", "reject":
		return filterSelect(name == "select")
	case "selectattr", "rejectattr":
		return filterSelectAttribute(name == "selectattr")
	case "reverse":
		return filterReverse
	case "slice":
		return filterSlice
	case "sort":
		return filterSort
	}
	return nil
}

// mustList is the entries of a list or the characters of a string; null and undefined are errors, the rest is empty. Safe
// text is an object in JavaScript that has a length and nothing else to count.
func (s *state) mustList(v any) []any {
	switch x := v.(type) {
	case *list:
		return x.items()
	case string:
		return s.characters(x)
	case Safe:
		n := utf16Len(string(x))
		s.chargeList(n)
		return slices.Repeat([]any{undef{}}, n)
	case undef, nil:
		s.fail("expected a list, got %s", text(v))
	}
	return nil
}

// mustBeList is mustList where JavaScript would miss an array's method on anything but a list.
func (s *state) mustBeList(v any) []any {
	l, ok := v.(*list)
	if !ok {
		s.fail("expected a list, got %s", s.text(v))
	}
	return l.items()
}

// attribute follows a dotted path through dicts.
func (s *state) attribute(v, path any) any {
	for key := range strings.SplitSeq(s.text(path), ".") {
		d, ok := v.(*dict)
		if !ok {
			return undef{}
		}
		if v, ok = d.get(key); !ok {
			return undef{}
		}
	}
	return v
}

// filterLast is by length, as in Nunjucks; it doesn't lean on NegativeIndex.
func filterLast(s *state, args []any) any {
	n, ok := s.strictMember(args[0], "length").(float64)
	if !ok || n < 1 {
		return undef{}
	}
	return s.member(args[0], n-1)
}

func filterJoin(s *state, args []any) any {
	separator := ""
	if truthy(arg(args, 1)) {
		separator = s.text(args[1])
	}
	attribute := arg(args, 2)
	if !truthy(attribute) {
		l, ok := args[0].(*list)
		if !ok {
			s.fail("value is not a list")
		}
		return s.join(l.items(), separator)
	}
	if isNullish(args[0]) {
		return ""
	}
	var values []any
	for _, item := range s.mustList(args[0]) {
		values = append(values, s.strictMember(item, attribute))
	}
	return s.join(values, separator)
}

func filterLength(s *state, args []any) any {
	switch x := orEmpty(args[0]).(type) {
	case *dict:
		return float64(x.len())
	case string, Safe, *list:
		return s.member(x, "length")
	}
	return undef{}
}

func filterList(s *state, args []any) any {
	switch x := args[0].(type) {
	case string:
		return newList(s.characters(x))
	case *list:
		return x
	case Safe:
		return newList([]any{entry("val", string(x)), entry("length", float64(utf16Len(string(x))))})
	case *dict:
		l := &list{}
		for _, key := range x.keys() {
			s.tick(1)
			v, _ := x.get(key)
			l.values = append(l.values, entry(key, v))
		}
		return l
	}
	s.fail("type not iterable")
	return nil
}

func entry(key string, v any) *dict {
	d := &dict{}
	d.set("key", key)
	d.set("value", v)
	return d
}

func filterRandom(s *state, args []any) any {
	items := s.mustList(args[0])
	if len(items) == 0 {
		return undef{}
	}
	return items[rand.IntN(len(items))]
}

// filterSelect keeps what a test says want of; the test is named by the second argument.
func filterSelect(want bool) builtin {
	return func(s *state, args []any) any {
		name := "truthy"
		if len(args) > 1 {
			name = s.text(args[1])
		}
		test := builtinTest(name)
		if test == nil {
			s.fail("test not found: %s", name)
		}
		kept := &list{}
		if _, ok := args[0].(Safe); ok {
			return kept
		}
		for _, item := range s.mustList(args[0]) {
			s.tick(1)
			if (test(s, []any{item, arg(args, 2)}) == any(true)) == want {
				kept.values = append(kept.values, item)
			}
		}
		return kept
	}
}

func filterSelectAttribute(want bool) builtin {
	return func(s *state, args []any) any {
		kept := &list{}
		for _, item := range s.mustBeList(args[0]) {
			s.tick(1)
			if truthy(s.strictMember(item, arg(args, 1))) == want {
				kept.values = append(kept.values, item)
			}
		}
		return kept
	}
}

func filterReverse(s *state, args []any) any {
	if isNullish(args[0]) {
		return newList(nil)
	}
	items := slices.Clone(s.mustList(args[0]))
	slices.Reverse(items)
	if _, ok := args[0].(string); ok {
		return s.join(items, "")
	}
	return newList(items)
}

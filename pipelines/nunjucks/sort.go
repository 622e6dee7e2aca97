package nunjucks

import (
	"cmp"
	"slices"
)

// order is compare as a sort function wants it. Values that are neither less nor greater are equal.
func (s *state) order(a, b any) int {
	s.tick(1)
	switch {
	case s.compare(a, "<", b):
		return -1
	case s.compare(a, ">", b):
		return 1
	}
	return 0
}

// sortAsV8 sorts in place, stably. Where compare contradicts itself, as JavaScript's < does over values of several types,
// the outcome hangs on the algorithm: below 64 values this is V8's, which makes a run of the beginning and puts each that
// follows into its place by bisection (third_party/v8/builtins/array-sort.tq).
func sortAsV8(values []any, compare func(a, b any) int) {
	const oneRun = 64
	if len(values) >= oneRun || len(values) < 2 {
		slices.SortStableFunc(values, compare)
		return
	}
	descending := compare(values[1], values[0]) < 0
	run := 2
	for run < len(values) && compare(values[run], values[run-1]) < 0 == descending {
		run++
	}
	if descending {
		slices.Reverse(values[:run])
	}
	for i := run; i < len(values); i++ {
		v := values[i]
		left, right := 0, i
		for left < right {
			middle := left + (right-left)/2
			if compare(v, values[middle]) < 0 {
				right = middle
			} else {
				left = middle + 1
			}
		}
		copy(values[left+1:i+1], values[left:i])
		values[left] = v
	}
}

// filterSort is sort(reverse, case_sensitive, attribute).
func filterSort(s *state, args []any) any {
	args = positional(args, "value", "reverse", "case_sensitive", "attribute")
	if isNullish(args[0]) {
		return newList(nil)
	}
	items := slices.Clone(s.mustList(args[0]))
	reverse, exact, by := truthy(arg(args, 1)), truthy(arg(args, 2)), arg(args, 3)
	key := func(v any) any {
		if truthy(by) {
			v = s.attribute(v, by)
			s.mustResolve(v, by)
		}
		return v
	}
	sortAsV8(items, func(a, b any) int {
		x, y := key(a), key(b)
		xText, xOK := x.(string)
		yText, yOK := y.(string)
		if !exact && xOK && yOK {
			x, y = lower(xText), lower(yText)
		}
		if reverse {
			return s.order(y, x)
		}
		return s.order(x, y)
	})
	return newList(items)
}

// filterDictSort is the pairs of a dict, sorted by "key" or "value", ignoring case unless told otherwise.
func filterDictSort(s *state, args []any) any {
	d, ok := args[0].(*dict)
	if !ok {
		s.fail("val must be an object")
	}
	column := 0
	switch arg(args, 2) {
	case any(undef{}), any("key"):
	case any("value"):
		column = 1
	default:
		s.fail("you can only sort by either key or value")
	}
	exact := truthy(arg(args, 1))
	var pairs []any
	for _, key := range d.keys() {
		v, _ := d.get(key)
		pairs = append(pairs, newList([]any{key, v}))
	}
	key := func(pair any) any {
		v := pair.(*list).values[column]
		if text, ok := v.(string); ok && !exact {
			return upper(text)
		}
		return v
	}
	sortAsV8(pairs, func(a, b any) int {
		x, y := key(a), key(b)
		if strictEqual(x, y) {
			return 0
		}
		return cmp.Or(max(s.order(x, y), 0), -1)
	})
	return newList(pairs)
}

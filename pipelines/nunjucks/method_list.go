package nunjucks

import (
	"slices"
	"strings"
)

func listMethod(name string) method {
	switch name {
	case "push", "pop", "shift", "unshift", "reverse", "sort":
		return listChange(name)
	case "map", "filter", "some", "every", "find":
		return listCallback(name)
	case "toString":
		return onAny(methodToString)
	case "join":
		return onList(listJoin)
	case "concat":
		return onList(listConcat)
	case "includes":
		return onList(func(s *state, l *list, args []any) any { return position(l.items(), arg(args, 0)) >= 0 })
	case "indexOf":
		return onList(func(s *state, l *list, args []any) any { return float64(position(l.items(), arg(args, 0))) })
	case "lastIndexOf":
		return onList(listLastIndexOf)
	case "slice":
		return onList(listSlice)
	case "at":
		return onList(listAt)
	}
	return nil
}

func position(items []any, v any) int {
	return slices.IndexFunc(items, func(item any) bool { return strictEqual(item, v) })
}

func listLastIndexOf(_ *state, l *list, args []any) any {
	for i, item := range slices.Backward(l.items()) {
		if strictEqual(item, arg(args, 0)) {
			return float64(i)
		}
	}
	return -1.0
}

func listJoin(s *state, l *list, args []any) any {
	separator := ","
	if v := arg(args, 0); !isUndef(v) {
		separator = s.text(v)
	}
	return s.join(l.items(), separator)
}

func listConcat(s *state, l *list, args []any) any {
	items := slices.Clone(l.items())
	for _, v := range args {
		more, ok := v.(*list)
		if !ok {
			items = append(items, v)
			continue
		}
		s.chargeList(len(items) + more.len())
		items = append(items, more.items()...)
	}
	return newList(items)
}

func listSlice(s *state, l *list, args []any) any {
	n := l.len()
	i, j := s.relative(arg(args, 0), n, 0), s.relative(arg(args, 1), n, n)
	if i > j {
		return newList(nil)
	}
	return newList(slices.Clone(l.items()[i:j]))
}

func listAt(s *state, l *list, args []any) any {
	i := s.integer(arg(args, 0))
	if i < 0 {
		i += l.len()
	}
	if i < 0 || i >= l.len() {
		return undef{}
	}
	return l.at(i)
}

// listChange returns a method that changes its list. A list from Go is changed in the render's copy only.
func listChange(name string) method {
	switch name {
	case "push":
		return onList(func(s *state, l *list, args []any) any {
			s.chargeList(len(args))
			return s.setItems(l, append(l.items(), args...))
		})
	case "unshift":
		return onList(func(s *state, l *list, args []any) any {
			s.charge((l.len() + len(args)) * bytesPerItem)
			return s.setItems(l, slices.Concat(args, l.items()))
		})
	case "pop":
		return onList(func(_ *state, l *list, _ []any) any {
			items := l.items()
			if len(items) == 0 {
				return undef{}
			}
			l.values = items[:len(items)-1]
			return items[len(items)-1]
		})
	case "shift":
		return onList(func(_ *state, l *list, _ []any) any {
			items := l.items()
			if len(items) == 0 {
				return undef{}
			}
			l.values = items[1:]
			return items[0]
		})
	case "reverse":
		return onList(func(_ *state, l *list, _ []any) any {
			slices.Reverse(l.items())
			return l
		})
	}
	return onList(listSort)
}

// setItems replaces what l holds and returns the new length.
func (s *state) setItems(l *list, items []any) any {
	if len(items) > s.env.limits.Items {
		s.chargeList(len(items))
	}
	l.values = items
	return float64(len(items))
}

// listSort sorts by text; a compare function is not looked at, as macros return text.
func listSort(s *state, l *list, _ []any) any {
	type keyed struct {
		key  string
		item any
	}
	s.chargeList(l.len())
	order := make([]keyed, l.len())
	for i, item := range l.items() {
		order[i] = keyed{s.text(item), item}
	}
	slices.SortStableFunc(order, func(a, b keyed) int {
		s.tick(1)
		return strings.Compare(a.key, b.key)
	})
	for i, o := range order {
		l.values[i] = o.item
	}
	return l
}

// listCallback returns a method that calls a function with each item, its index and the list, which it may change.
func listCallback(name string) method {
	return onList(func(s *state, l *list, args []any) any {
		f, ok := arg(args, 0).(*function)
		if !ok {
			s.fail("%s is not a function", s.text(arg(args, 0)))
		}
		var results, kept []any
		for i := 0; i < l.len(); i++ {
			s.tick(1)
			item := l.items()[i]
			v := f.call(s, []any{item, float64(i), l})
			switch {
			case name == "map":
				results = append(results, v)
			case name == "every" && !truthy(v):
				return false
			case !truthy(v):
			case name == "some":
				return true
			case name == "find":
				return item
			default:
				kept = append(kept, item)
			}
		}
		return callbackEnd(name, results, kept)
	})
}

// callbackEnd is what a callback method returns after it has seen the whole list.
func callbackEnd(name string, results, kept []any) any {
	switch name {
	case "map":
		return newList(results)
	case "some":
		return false
	case "every":
		return true
	case "find":
		return undef{}
	}
	return newList(kept)
}

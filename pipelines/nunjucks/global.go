package nunjucks

import (
	"math"
	"slices"
)

// builtinGlobal returns a function that every template may call, or nil.
func builtinGlobal(name string) builtin {
	switch name {
	case "range":
		return globalRange
	case "cycler":
		return globalCycler
	case "joiner":
		return globalJoiner
	}
	return nil
}

// globalRange is range(stop) or range(start, stop, step).
func globalRange(s *state, args []any) any {
	start, stop, step := 0.0, s.number(arg(args, 0)), 1.0
	if !isUndef(arg(args, 1)) {
		start, stop = stop, s.number(arg(args, 1))
		if truthy(arg(args, 2)) {
			step = s.number(arg(args, 2))
		}
	}
	n := math.Ceil((stop - start) / step)
	if !(n > 0) {
		return newList(nil)
	}
	if n > float64(s.env.limits.Items) {
		s.failWith(ErrItems, "range has more than %d items", s.env.limits.Items)
	}
	s.tick(int(n) / 8)
	s.chargeList(int(n))
	items := make([]any, 0, int(n))
	for i := start; (step > 0 && i < stop || step < 0 && i > stop) && len(items) <= s.env.limits.Items; i += step {
		items = append(items, i)
	}
	return newList(items)
}

// globalCycler is an object whose next() goes round the arguments.
func globalCycler(_ *state, args []any) any {
	args = slices.Clone(args)
	d, i := &dict{}, -1
	d.set("current", nil)
	d.set("reset", &function{"reset", func(*state, []any) any {
		i = -1
		d.set("current", nil)
		return undef{}
	}})
	d.set("next", &function{"next", func(*state, []any) any {
		i++
		if i >= len(args) {
			i = 0
		}
		d.set("current", arg(args, i))
		return arg(args, i)
	}})
	return d
}

// globalJoiner is a function that returns nothing the first time and the separator from then on.
func globalJoiner(_ *state, args []any) any {
	var separator any = ","
	if truthy(arg(args, 0)) {
		separator = args[0]
	}
	first := true
	return &function{"joiner", func(*state, []any) any {
		if first {
			first = false
			return ""
		}
		return separator
	}}
}

package nunjucks

import "slices"

// filterBatch cuts a list into rows of n and fills the last one up.
func filterBatch(s *state, args []any) any {
	n, fill := s.integer(arg(args, 1)), arg(args, 2)
	var rows, row []any
	for i, item := range s.mustList(args[0]) {
		s.tick(1)
		if n > 0 && i%n == 0 && len(row) > 0 {
			rows = append(rows, newList(row))
			row = nil
		}
		row = append(row, item)
	}
	if len(row) == 0 {
		return newList(rows)
	}
	if truthy(fill) && len(row) < n {
		s.chargeList(n)
		row = append(row, slices.Repeat([]any{fill}, n-len(row))...)
	}
	return newList(append(rows, newList(row)))
}

// filterSlice cuts a list into n columns, the first ones longer by one where it doesn't come out even, and fills up the
// others. A string is cut into strings.
func filterSlice(s *state, args []any) any {
	n, fill := s.integer(arg(args, 1)), arg(args, 2)
	text, isText := args[0].(string)
	var items []any
	length := utf16Len(text)
	if !isText {
		items = s.mustBeList(args[0])
		length = len(items)
	}
	if n <= 0 {
		return newList(nil)
	}
	if isText && truthy(fill) {
		s.fail("a string can't be filled up")
	}
	s.chargeList(n)
	columns := make([]any, 0, n)
	start := 0
	for i := range n {
		s.tick(1)
		end := start + length/n
		longer := i < length%n
		if longer {
			end++
		}
		columns = append(columns, s.column(text, items, start, end))
		if l, ok := columns[i].(*list); ok && truthy(fill) && !longer {
			l.values = append(l.values, fill)
		}
		start = end
	}
	return newList(columns)
}

// column is items from start to end, or that part of text where there are no items.
func (s *state) column(text string, items []any, start, end int) any {
	if items == nil && text != "" {
		s.tick(len(text) / bytesPerStep)
		return slice16(text, start, end)
	}
	return newList(slices.Clone(items[start:end]))
}

func filterGroupBy(s *state, args []any) any {
	groups := &dict{}
	by := arg(args, 1)
	for _, item := range s.mustList(args[0]) {
		s.tick(1)
		v := s.attribute(item, by)
		s.mustResolve(v, by)
		key := s.text(v)
		old, _ := groups.get(key)
		group, ok := old.(*list)
		if !ok {
			group = &list{}
			groups.set(key, group)
		}
		group.values = append(group.values, item)
	}
	return groups
}

// mustResolve refuses an undefined attribute where undefined is an error.
func (s *state) mustResolve(v, attribute any) {
	if isUndef(v) && s.env.throwOnUndefined {
		s.fail(`attribute "%s" resolved to undefined`, s.text(attribute))
	}
}

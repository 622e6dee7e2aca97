package nunjucks

import "strings"

// builtinFilter returns a filter of the language, or nil.
func builtinFilter(name string) builtin {
	switch name {
	case "abs", "float", "int", "round", "sum":
		return numberFilter(name)
	case "batch", "dictsort", "first", "groupby", "join", "last", "length", "list", "random",
		"reject", "rejectattr", "reverse", "select", "selectattr", "slice", "sort":
		return listFilter(name)
	case "default", "d":
		return filterDefault
	case "dump":
		return filterDump
	case "string":
		return filterString
	case "escape", "e":
		return filterEscape
	case "forceescape":
		return filterForceEscape
	case "safe":
		return filterSafe
	case "nl2br":
		return filterNl2br
	case "striptags":
		return filterStripTags
	case "urlencode":
		return filterURLEncode
	case "urlize":
		return filterURLize
	}
	return textFilter(name)
}

// filter is builtinFilter with what the Config adds. A Filter that multiplies its input must stand here: a host's has no
// budget.
func (e *Env) filter(name string) builtin {
	if name == "json" && e.json {
		return filterJSON
	}
	return builtinFilter(name)
}

// orEmpty makes null, undefined and false the empty string.
func orEmpty(v any) any {
	if isNullish(v) || v == any(false) {
		return ""
	}
	return v
}

// mustText is v where the language needs a string and JavaScript would throw.
func (s *state) mustText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case Safe:
		return string(x)
	}
	s.fail("expected a string, got %s", s.text(v))
	return ""
}

// like gives text the safety of what it was made from.
func like(from any, text string) any {
	if _, ok := from.(Safe); ok {
		return Safe(text)
	}
	return text
}

// orInt is v as an integer, or def where v is 0, empty or missing.
func (s *state) orInt(v any, def int) int {
	if truthy(v) {
		return s.integer(v)
	}
	return def
}

func filterDefault(_ *state, args []any) any {
	missing := isUndef(args[0])
	if truthy(arg(args, 2)) {
		missing = !truthy(args[0])
	}
	if missing {
		return arg(args, 1)
	}
	return args[0]
}

func filterDump(s *state, args []any) any {
	indent := ""
	switch x := arg(args, 1).(type) {
	case float64:
		indent = strings.Repeat(" ", max(0, min(10, s.integer(x))))
	case string:
		indent = slice16(x, 0, 10)
	}
	w := jsonWriter{s: s, indent: indent}
	if !w.value(args[0], "") {
		return undef{}
	}
	return w.b.String()
}

func filterJSON(s *state, args []any) any {
	if len(args) > 1 {
		s.fail("takes no arguments, got %d; dump indents", len(args)-1)
	}
	w := jsonWriter{s: s}
	if !w.value(args[0], "") {
		return "null"
	}
	return w.b.String()
}

func filterString(s *state, args []any) any {
	if _, ok := args[0].(Safe); ok {
		return args[0]
	}
	if isNullish(args[0]) {
		s.fail("value is %s", s.text(args[0]))
	}
	return s.text(args[0])
}

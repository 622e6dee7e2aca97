package nunjucks

import (
	"math"
	"strings"
	"unicode/utf16"
)

func stringMethod(name string) method {
	switch name {
	case "toLowerCase", "toLocaleLowerCase":
		return onText(func(_ *state, text string, _ []any) any { return lower(text) })
	case "toUpperCase", "toLocaleUpperCase":
		return onText(func(_ *state, text string, _ []any) any { return upper(text) })
	case "toString":
		return onAny(methodToString)
	case "trim":
		return onText(func(_ *state, text string, _ []any) any { return strings.Trim(text, jsSpace) })
	case "trimStart":
		return onText(func(_ *state, text string, _ []any) any { return strings.TrimLeft(text, jsSpace) })
	case "trimEnd":
		return onText(func(_ *state, text string, _ []any) any { return strings.TrimRight(text, jsSpace) })
	case "concat":
		return onText(stringConcat)
	case "repeat":
		return onText(stringRepeat)
	case "padStart":
		return onText(func(s *state, text string, args []any) any { return s.padding(text, args) + text })
	case "padEnd":
		return onText(func(s *state, text string, args []any) any { return text + s.padding(text, args) })
	case "replace":
		return onText(stringReplace)
	case "replaceAll":
		return onText(stringReplaceAll)
	case "split":
		return onText(stringSplit)
	case "match":
		return onText(stringMatch)
	}
	if m := stringPartMethod(name); m != nil {
		return m
	}
	return stringSearchMethod(name)
}

// stringPartMethod returns a method that takes a part of the text.
func stringPartMethod(name string) method {
	switch name {
	case "charAt":
		return onText(func(s *state, text string, args []any) any {
			i := s.integer(arg(args, 0))
			return slice16(text, i, i+1)
		})
	case "at":
		return onText(stringAt)
	case "charCodeAt":
		return onText(stringCharCodeAt)
	case "slice":
		return onText(func(s *state, text string, args []any) any {
			n := utf16Len(text)
			return slice16(text, s.relative(arg(args, 0), n, 0), s.relative(arg(args, 1), n, n))
		})
	case "substring":
		return onText(stringSubstring)
	case "substr":
		return onText(stringSubstr)
	}
	return nil
}

// stringSearchMethod returns a method that looks for something in the text.
func stringSearchMethod(name string) method {
	switch name {
	case "startsWith":
		return onText(func(s *state, text string, args []any) any {
			return strings.HasPrefix(from16(text, s.integer(arg(args, 1))), s.text(arg(args, 0)))
		})
	case "endsWith":
		return onText(func(s *state, text string, args []any) any {
			if end := arg(args, 1); !isUndef(end) {
				text = slice16(text, 0, s.integer(end))
			}
			return strings.HasSuffix(text, s.text(arg(args, 0)))
		})
	case "includes":
		return onText(func(s *state, text string, args []any) any {
			return strings.Contains(from16(text, s.integer(arg(args, 1))), s.text(arg(args, 0)))
		})
	case "indexOf":
		return onText(stringIndexOf)
	case "lastIndexOf":
		return onText(stringLastIndexOf)
	case "search":
		return onText(stringSearch)
	case "localeCompare":
		return onText(func(s *state, text string, args []any) any {
			return float64(strings.Compare(text, s.text(arg(args, 0))))
		})
	}
	return nil
}

// from16 is text from position i on.
func from16(text string, i int) string { return slice16(text, i, len(text)) }

// relative is an index as slice reads it: negative from the end, held within n, def when missing.
func (s *state) relative(v any, n, def int) int {
	if isUndef(v) {
		return def
	}
	i := s.integer(v)
	if i < 0 {
		return max(0, n+i)
	}
	return min(i, n)
}

// padding is what padStart and padEnd add.
func (s *state) padding(text string, args []any) string {
	fill := " "
	if v := arg(args, 1); !isUndef(v) {
		fill = s.text(v)
	}
	missing := s.integer(arg(args, 0)) - utf16Len(text)
	if missing <= 0 || fill == "" {
		return ""
	}
	return slice16(s.repeated(fill, missing/utf16Len(fill)+1), 0, missing)
}

func stringConcat(s *state, text string, args []any) any {
	var b strings.Builder
	s.appendText(&b, text)
	for _, v := range args {
		s.appendText(&b, s.text(v))
	}
	return b.String()
}

func stringRepeat(s *state, text string, args []any) any {
	n := s.integer(arg(args, 0))
	if n < 0 {
		s.fail("the count is negative: %d", n)
	}
	return s.repeated(text, n)
}

func stringReplace(s *state, text string, args []any) any {
	if re, ok := arg(args, 0).(*regex); ok {
		return s.replaceRegex(re, text, arg(args, 1))
	}
	return s.replaceText(text, s.text(arg(args, 0)), arg(args, 1), 1)
}

func stringReplaceAll(s *state, text string, args []any) any {
	if re, ok := arg(args, 0).(*regex); ok {
		return s.replaceRegex(re, text, arg(args, 1))
	}
	return s.replaceText(text, s.text(arg(args, 0)), arg(args, 1), -1)
}

func stringSplit(s *state, text string, args []any) any {
	var parts []string
	switch separator := arg(args, 0).(type) {
	case undef:
		parts = []string{text}
	case *regex:
		parts = s.splitRegex(separator, text)
	default:
		by := s.text(separator)
		if by == "" {
			s.chargeList(utf16Len(text))
			parts = characters(text)
			break
		}
		n := strings.Count(text, by)
		s.chargeList(n)
		parts = strings.SplitN(text, by, n+1)
	}
	if limit := arg(args, 1); !isUndef(limit) {
		parts = parts[:max(0, min(len(parts), s.integer(limit)))]
	}
	return &list{texts: parts}
}

func stringMatch(s *state, text string, args []any) any {
	re := s.toRegex(arg(args, 0))
	if re.global() {
		return s.allMatches(re, text)
	}
	return s.exec(re, text)
}

func stringAt(s *state, text string, args []any) any {
	i, n := s.integer(arg(args, 0)), utf16Len(text)
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return undef{}
	}
	return slice16(text, i, i+1)
}

func stringCharCodeAt(s *state, text string, args []any) any {
	s.charge(4 * len(text))
	units := utf16.Encode([]rune(text))
	i := s.integer(arg(args, 0))
	if i < 0 || i >= len(units) {
		return math.NaN()
	}
	return float64(units[i])
}

func stringSubstring(s *state, text string, args []any) any {
	n := utf16Len(text)
	hold := func(v any) int { return max(0, min(n, s.integer(v))) }
	i, j := hold(arg(args, 0)), n
	if end := arg(args, 1); !isUndef(end) {
		j = hold(end)
	}
	return slice16(text, min(i, j), max(i, j))
}

func stringSubstr(s *state, text string, args []any) any {
	n := utf16Len(text)
	i := s.relative(arg(args, 0), n, 0)
	length := n
	if v := arg(args, 1); !isUndef(v) {
		length = s.integer(v)
	}
	return slice16(text, i, i+max(length, 0))
}

func stringIndexOf(s *state, text string, args []any) any {
	start := max(0, min(s.integer(arg(args, 1)), utf16Len(text)))
	rest := from16(text, start)
	i := strings.Index(rest, s.text(arg(args, 0)))
	if i < 0 {
		return -1.0
	}
	return float64(start + index16(rest, i))
}

// stringLastIndexOf finds the last place that is not behind the second argument.
func stringLastIndexOf(s *state, text string, args []any) any {
	old, n := s.text(arg(args, 0)), utf16Len(text)
	last := n
	if f := s.number(arg(args, 1)); !math.IsNaN(f) {
		last = max(0, min(n, s.integer(f)))
	}
	text = slice16(text, 0, last+utf16Len(old))
	return float64(index16(text, strings.LastIndex(text, old)))
}

func stringSearch(s *state, text string, args []any) any {
	m, runes := s.firstMatch(s.toRegex(arg(args, 0)), text)
	if m == nil {
		return -1.0
	}
	return float64(utf16Len(string(runes[:m.Index])))
}

package nunjucks

import (
	"math"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

func textFilter(name string) builtin {
	switch name {
	case "capitalize":
		return func(s *state, args []any) any { return like(args[0], capitalize(s.mustText(orEmpty(args[0])))) }
	case "center":
		return filterCenter
	case "indent":
		return filterIndent
	case "lower":
		return func(s *state, args []any) any { return lower(s.mustText(orEmpty(args[0]))) }
	case "upper":
		return func(s *state, args []any) any { return upper(s.mustText(orEmpty(args[0]))) }
	case "replace":
		return filterReplace
	case "title":
		return filterTitle
	case "trim":
		return func(s *state, args []any) any { return like(args[0], strings.Trim(s.mustText(args[0]), jsSpace)) }
	case "truncate":
		return filterTruncate
	case "wordcount":
		return filterWordCount
	}
	return nil
}

func capitalize(text string) string {
	text = lower(text)
	r, n := utf8.DecodeRuneInString(text)
	if r > 0xffff || n == 0 {
		return text // half a character has no upper case
	}
	return upper(text[:n]) + text[n:]
}

// filterCenter centers anything by its length, which numbers don't have.
func filterCenter(s *state, args []any) any {
	v, width := orEmpty(args[0]), s.orInt(arg(args, 1), 80)
	n, measured := s.strictMember(v, "length").(float64)
	if measured && n >= float64(width) {
		return v
	}
	text, spaces := s.text(v), 0.0
	if measured {
		spaces = float64(width) - n
	}
	left := s.repeated(" ", int(math.Ceil(spaces/2-math.Mod(spaces, 2))))
	return like(args[0], left+text+s.repeated(" ", int(math.Ceil(spaces/2))))
}

// filterIndent indents by a width, the first line only where asked to.
func filterIndent(s *state, args []any) any {
	text := s.mustText(orEmpty(args[0]))
	if text == "" {
		return ""
	}
	margin := s.repeated(" ", s.orInt(arg(args, 1), 4))
	var b strings.Builder
	first := true
	for line := range strings.SplitAfterSeq(text, "\n") {
		if !first || truthy(arg(args, 2)) {
			s.appendText(&b, margin)
		}
		s.appendText(&b, line)
		first = false
	}
	return like(args[0], b.String())
}

// filterReplace replaces all, or as many as the third argument says. Numbers are text here.
func filterReplace(s *state, args []any) any {
	from := arg(args, 1)
	if re, ok := from.(*regex); ok {
		return s.replaceRegex(re, s.mustText(args[0]), arg(args, 2))
	}
	switch args[0].(type) {
	case float64, string, Safe:
	default:
		return args[0]
	}
	switch from.(type) {
	case float64, string:
	default:
		return args[0]
	}
	in, old, by := text(args[0]), text(from), s.text(arg(args, 2))
	limit := -1
	if v := arg(args, 3); !isUndef(v) {
		limit = s.integer(v)
	}
	if old == "" {
		s.chargeList(utf16Len(in))
		return like(args[0], by+s.join(wrapAll(characters(in)), by)+by)
	}
	return like(args[0], s.replaced(in, old, by, limit))
}

// replaced is strings.Replace within the limits.
func (s *state) replaced(text, old, by string, limit int) string {
	count := strings.Count(text, old)
	if limit >= 0 {
		count = min(count, limit)
	}
	if count == 0 {
		return text
	}
	if grow := len(by) - len(old); grow > 0 && count > s.env.limits.Output/grow {
		s.chargeText(s.env.limits.Output + 1)
	}
	s.chargeText(len(text) + count*(len(by)-len(old)))
	return strings.Replace(text, old, by, count)
}

func filterTitle(s *state, args []any) any {
	words := strings.Split(s.mustText(orEmpty(args[0])), " ")
	for i, w := range words {
		words[i] = capitalize(w)
	}
	return like(args[0], strings.Join(words, " "))
}

// filterTruncate cuts at a length, back to the last blank unless told to kill words, and adds an end.
func filterTruncate(s *state, args []any) any {
	v, length := orEmpty(args[0]), s.orInt(arg(args, 1), 255)
	if n, ok := s.strictMember(v, "length").(float64); ok && n <= float64(length) {
		return v
	}
	text := s.mustText(v)
	cut := slice16(text, 0, length)
	if !truthy(arg(args, 2)) {
		if i := strings.LastIndexByte(slice16(text, 0, length+1), ' '); i >= 0 {
			cut = text[:i]
		}
	}
	end := arg(args, 3)
	if isNullish(end) {
		end = "..."
	}
	return like(args[0], cut+s.text(end))
}

var wordPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\w+`) })

func filterWordCount(s *state, args []any) any {
	n := 0
	v := orEmpty(args[0])
	if !truthy(v) {
		return nil
	}
	text := s.mustText(v)
	for {
		at := wordPattern().FindStringIndex(text)
		if at == nil {
			break
		}
		n++
		text = text[at[1]:]
	}
	if n == 0 {
		return nil
	}
	return float64(n)
}

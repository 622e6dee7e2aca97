package blocks

import "strings"

// A tag is one {% … %} or {# … #} that stands between YAML's values, or a value that starts with a tag.
type tag struct {
	start, end int    // from "{" to behind "}"
	from, to   int    // what is taken out of the text with it
	alone      bool   // it has its line to itself, perhaps with other tags
	value      bool   // not a tag but a whole scalar, which starts with one
	name       string // "for", "endif", …; "#" for a comment
	args       string // what follows the name
	argsAt     int    // offset
	left       bool   // {%-
	right      bool   // -%}
}

// readTag reads the tag that starts at i.
func readTag(src string, i int) (*tag, error) {
	t := &tag{start: i}
	if src[i+1] == '#' {
		n := strings.Index(src[i+2:], "#}")
		if n < 0 {
			return nil, wrong(i, "the comment that starts here never ends; close it with #}")
		}
		t.name, t.end = "#", i+2+n+2
		t.left, t.right = src[i+2] == '-', n > 0 && src[i+1+n] == '-'
		return t, nil
	}
	end := closing(src, i+2)
	if end < 0 {
		return nil, wrong(i, "the tag that starts here never ends; close it with %%}")
	}
	from, to := i+2, end
	if t.left = src[from] == '-'; t.left {
		from++
	}
	if t.right = to > from && src[to-1] == '-'; t.right {
		to--
	}
	body := src[from:to]
	inner := strings.TrimLeft(body, spaces)
	word := strings.IndexFunc(inner, func(c rune) bool { return c < 'a' || c > 'z' })
	if word < 0 {
		word = len(inner)
	}
	t.name, t.args, t.argsAt = inner[:word], inner[word:], to-len(inner)+word
	t.end = end + 2
	return t, nil
}

const spaces = " \t\r\n"

// closing returns where the %} of a tag is whose inside starts at i; -1 when there is none. Text in quotes may hold one.
func closing(src string, i int) int {
	var quote byte
	for ; i < len(src); i++ {
		switch c := src[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '%' && strings.HasPrefix(src[i:], "%}"):
			return i
		}
	}
	return -1
}

package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/modules/redact"
)

// What is told of an output is bounded: a module may hand the next task megabytes, a record need not hold them. All
// of a run must fit into one line of a child's event stream, twice: a registered output stands in Result as well.
const (
	maxShownText  = 64 << 10  // bytes of one string
	maxShownItems = 1000      // elements of one list or map
	maxShown      = 256 << 10 // bytes of one task's output, as JSON
	maxShownRun   = 2 << 20   // of all tasks of a run
	maxSentence   = 4 << 10   // bytes of an error
)

// shown is what events and records say of an output: without secrets, clipped. The caller holds mu.
func (r *runner) shown(out map[string]any) map[string]any {
	if len(out) == 0 {
		return nil
	}
	c := clipper{left: min(maxShown, maxShownRun-r.told)}
	before := c.left
	m, _ := c.value(r.in.Redact.Value(out)).(map[string]any)
	r.told += before - c.left
	return m
}

// A clipper shortens values in place until they fit.
type clipper struct{ left int } // bytes of JSON; below 0 nothing more is shown

func (c *clipper) value(v any) any {
	switch v := v.(type) {
	case string:
		return c.text(v)
	case map[string]any:
		return c.mapping(v)
	case []any:
		return c.list(v)
	}
	c.left -= 8 // a number or a bool, about
	return v
}

func (c *clipper) text(s string) string {
	n := fitting(s, min(maxShownText, max(c.left, 0)))
	c.left -= quoted(s[:n]) + len(`"",`)
	if n == len(s) {
		return s
	}
	return s[:n] + fmt.Sprintf(" [%d more bytes]", len(s)-n)
}

func (c *clipper) list(l []any) []any {
	for i, e := range l {
		if i == maxShownItems || c.left <= 0 {
			return append(l[:i:i], fmt.Sprintf("[%d more]", len(l)-i))
		}
		l[i] = c.value(e)
	}
	return l
}

func (c *clipper) mapping(m map[string]any) map[string]any {
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i >= maxShownItems || c.left <= 0 {
			delete(m, k)
			continue
		}
		if _, isText := m[k].(string); isText && redact.NameIsSecret(k) {
			m[k] = redact.Mask // an access_token that a server answered with
		}
		c.left -= quoted(k) + len(`"":,`)
		m[k] = c.value(m[k])
	}
	return m
}

// quoted is how many bytes s takes between the quotes of a JSON string.
func quoted(s string) int {
	n := 0
	for _, c := range s {
		n += quotedRune(c)
	}
	return n
}

func quotedRune(c rune) int {
	switch {
	case c == '"', c == '\\', c == '\n', c == '\r', c == '\t':
		return 2
	case c < ' ', c == '<', c == '>', c == '&', c == '\u2028', c == '\u2029', c == utf8.RuneError:
		return len(`\u0000`)
	}
	return utf8.RuneLen(c)
}

// fitting is how many bytes of s, in whole characters, take at most room bytes in JSON.
func fitting(s string, room int) int {
	for i, c := range s {
		if room -= quotedRune(c); room < 0 {
			return i
		}
	}
	return len(s)
}

// sentence makes one line of bounded length of an error's text, whatever a program or a document put into it.
func sentence(s string) string {
	if n := fitting(s, maxSentence); n < len(s) {
		s = s[:n] + "…"
	}
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(s, "\r", "\n")) {
		line = strings.TrimSpace(strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return ' '
			}
			return c
		}, line))
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

package nunjucks

import (
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// A match is one place that text.replace(…, by) found.
type match struct {
	before, text, after string
	groups              []string // the first is group 1
}

// replaceRegex is text.replace(re, by); by is text, in which $1, $&, $` and $' stand for parts of what was found, or a
// function of the match and its groups.
func (s *state) replaceRegex(re *regex, input string, by any) any {
	runes := s.runes(input)
	surroundings := strings.ContainsAny(s.text(by), "`'")
	var b strings.Builder
	last := 0
	for found := range s.matches(re, runes) {
		s.appendText(&b, string(runes[last:found.Index]))
		last = found.Index + found.Length
		m := match{text: found.String(), groups: groupsOf(found)}
		if surroundings {
			s.charge(len(input))
			m.before, m.after = string(runes[:found.Index]), string(runes[last:])
		}
		s.appendReplacement(&b, m, by)
		if !re.global() {
			break
		}
	}
	s.appendText(&b, string(runes[last:]))
	return b.String()
}

func groupsOf(m *regexp2.Match) []string {
	var groups []string
	for _, g := range m.Groups()[1:] {
		groups = append(groups, g.String())
	}
	return groups
}

// replaceText is text.replace(old, by) or, without a limit, text.replaceAll(old, by).
func (s *state) replaceText(input, old string, by any, limit int) any {
	if _, ok := by.(*function); !ok && !strings.Contains(s.text(by), "$") {
		return s.replaced(input, old, s.text(by), limit)
	}
	var b strings.Builder
	last := 0
	for n, i := 0, strings.Index(input, old); i >= 0 && n != limit; n++ {
		s.tick(1)
		s.appendText(&b, input[last:i])
		last = i + len(old)
		s.appendReplacement(&b, match{before: input[:i], text: old, after: input[last:]}, by)
		i = nextIndex(input, old, last)
	}
	s.appendText(&b, input[last:])
	return b.String()
}

// nextIndex finds old from place i on; an empty one is found between characters, and at the end.
func nextIndex(input, old string, i int) int {
	if old == "" {
		if i == len(input) {
			return -1
		}
		_, n := utf8.DecodeRuneInString(input[i:])
		return i + n
	}
	n := strings.Index(input[i:], old)
	if n < 0 {
		return -1
	}
	return i + n
}

func (s *state) appendReplacement(b *strings.Builder, m match, by any) {
	f, ok := by.(*function)
	if !ok {
		s.expand(b, s.text(by), m)
		return
	}
	args := []any{m.text}
	for _, g := range m.groups {
		args = append(args, g)
	}
	s.appendText(b, s.text(f.call(s, args)))
}

// expand writes template with what m matched.
func (s *state) expand(b *strings.Builder, template string, m match) {
	for {
		text, rest, found := strings.Cut(template, "$")
		s.appendText(b, text)
		if !found {
			return
		}
		part, n := m.dollar(rest)
		s.appendText(b, part)
		template = rest[n:]
	}
}

// dollar returns what $rest stands for and how much of rest it takes.
func (m match) dollar(rest string) (string, int) {
	if rest == "" {
		return "$", 0
	}
	switch rest[0] {
	case '$':
		return "$", 1
	case '&':
		return m.text, 1
	case '`':
		return m.before, 1
	case '\'':
		return m.after, 1
	}
	for _, n := range []int{2, 1} {
		if len(rest) < n || strings.Trim(rest[:n], "0123456789") != "" {
			continue
		}
		if i := indexOf(rest[:n]); i > 0 && i <= len(m.groups) {
			return m.groups[i-1], n
		}
	}
	return "$", 0
}

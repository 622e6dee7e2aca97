package nunjucks

import (
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// maxPattern bounds the source of a regular expression, in bytes.
const maxPattern = 4096

// compileRegex reads a JavaScript regular expression. No single match of it runs longer than timeout.
func compileRegex(source, flags string, timeout time.Duration) (*regex, error) {
	if len(source) > maxPattern {
		return nil, errors.New("the pattern is too long")
	}
	options := regexp2.RegexOptions(regexp2.ECMAScript)
	if strings.Contains(flags, "i") {
		options |= regexp2.IgnoreCase
	}
	if strings.Contains(flags, "m") {
		options |= regexp2.Multiline
	}
	compiled, err := regexp2.Compile(source, options)
	if err != nil {
		return nil, err
	}
	compiled.MatchTimeout = timeout
	return &regex{source, flags, compiled}, nil
}

func (re *regex) global() bool { return strings.Contains(re.flags, "g") }

// toRegex makes the argument of match or search a regex.
func (s *state) toRegex(v any) *regex {
	if re, ok := v.(*regex); ok {
		return re
	}
	source := ""
	if !isUndef(v) {
		source = s.text(v)
	}
	re, err := compileRegex(source, "", s.env.limits.Regex)
	if err != nil {
		s.fail("bad regular expression: %v", err)
	}
	return re
}

// matches finds every match in input, within the render's time for regular expressions.
// Their indexes count the runes of input.
func (s *state) matches(re *regex, input []rune) iter.Seq[*regexp2.Match] {
	return func(yield func(*regexp2.Match) bool) {
		m := s.match(func() (*regexp2.Match, error) { return re.compiled.FindRunesMatch(input) })
		for m != nil && yield(m) {
			m = s.match(func() (*regexp2.Match, error) { return re.compiled.FindNextMatch(m) })
		}
	}
}

// match runs one search and takes its time off the budget.
func (s *state) match(find func() (*regexp2.Match, error)) *regexp2.Match {
	s.tick(1)
	start := time.Now()
	m, err := find()
	s.budget.regex -= time.Since(start)
	if err != nil || s.budget.regex < 0 {
		s.failWith(ErrRegexTime, "regular expressions take longer than %v", s.env.limits.Regex)
	}
	return m
}

// runes is text as the regex engine wants it.
func (s *state) runes(text string) []rune {
	s.tick(len(text) / bytesPerStep)
	s.charge(4 * len(text))
	return []rune(text)
}

func (s *state) firstMatch(re *regex, text string) (*regexp2.Match, []rune) {
	input := s.runes(text)
	for m := range s.matches(re, input) {
		return m, input
	}
	return nil, input
}

// exec is re.exec(text): the match and its groups, or null.
func (s *state) exec(re *regex, text string) any {
	m, _ := s.firstMatch(re, text)
	if m == nil {
		return nil
	}
	groups := m.Groups()
	s.chargeList(len(groups))
	l := &list{}
	for _, g := range groups {
		if len(g.Captures) == 0 {
			l.values = append(l.values, undef{})
			continue
		}
		l.values = append(l.values, g.String())
	}
	return l
}

// allMatches is text.match(re) with the flag g: the matched texts, or null.
func (s *state) allMatches(re *regex, text string) any {
	l := &list{}
	for m := range s.matches(re, s.runes(text)) {
		l.values = append(l.values, m.String())
		s.chargeList(len(l.values) % 1024)
	}
	if l.len() == 0 {
		return nil
	}
	return l
}

// splitRegex is text.split(re).
func (s *state) splitRegex(re *regex, input string) []string {
	runes := s.runes(input)
	var parts []string
	last := 0
	for m := range s.matches(re, runes) {
		if m.Length == 0 {
			continue
		}
		parts = append(parts, string(runes[last:m.Index]))
		for _, g := range m.Groups()[1:] {
			parts = append(parts, g.String())
		}
		last = m.Index + m.Length
		if len(parts) > s.env.limits.Items {
			s.chargeList(len(parts))
		}
	}
	return append(parts, string(runes[last:]))
}

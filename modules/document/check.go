package document

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxCode    = 4 << 10 // bytes between two braces
	maxParens  = 50      // nested
	maxChained = 20      // "|" and "+" in one
)

// checkCode bounds what stands between two braces, before anything recursive reads it.
func checkCode(code string, at place) error {
	if len(code) > maxCode {
		return at.errorf("what stands between two braces has at most %d KiB", maxCode>>10)
	}
	var quote byte
	depth, chained := 0, 0
	for i := 0; i < len(code); i++ {
		c := code[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == '|' || c == '+' || c == '^':
			chained++
		case !inName(c) && !strings.ContainsRune(" \t-*<>/,.!:=%&", rune(c)):
			means, _ := utf8.DecodeRuneInString(code[i:])
			return at.errorf("%q means nothing here: %s", means, clip(code))
		}
		if rest := strings.TrimLeft(code[i+1:], " "); c == '|' && quote == 0 {
			if err := checkFilter(rest[:nameLen(rest)], at); err != nil && code[i-min(i, 1)] != '|' {
				return err
			}
		}
		if depth > maxParens || chained > maxChained {
			return at.errorf("this is nested or chained too deep; split it with {%% set %%}: %s", clip(code))
		}
	}
	return nil
}

func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

const (
	maxNested = 20 // tags in tags
	maxLoops  = 3  // of these, loops
)

// checkTags refuses tags that documents don't have, and bounds how deep they stand in each other.
func checkTags(pieces []piece) error {
	var open []piece
	loops := 0
	for _, p := range pieces {
		word := p.word()
		switch word {
		case "if", "for":
			open = append(open, p)
			if word == "for" {
				loops++
			}
			if len(open) > maxNested || loops > maxLoops {
				return p.at.errorf("tags stand in each other at most %d deep, and loops %d", maxNested, maxLoops)
			}
		case "endif", "endfor":
			if len(open) == 0 || "end"+open[len(open)-1].word() != word {
				return p.at.errorf("{%% %s %%} has no beginning", word)
			}
			if word == "endfor" {
				loops--
			}
			open = open[:len(open)-1]
		case "":
			if p.kind == isTag {
				return p.at.errorf("this tag has no name: {%% %s %%}", clip(p.text))
			}
		default:
			if !slices.Contains([]string{"elif", "else", "empty", "set"}, word) {
				return p.at.errorf("there is no tag %q in documents; there are if, elif, else, for, empty, set, block, extends, comment and verbatim", word)
			}
		}
	}
	if n := len(open); n > 0 {
		return open[n-1].at.errorf("{%% %s %%} has no end: {%% end%s %%} is missing", open[n-1].text, open[n-1].word())
	}
	return nil
}

// checkNames refuses names that nothing defines, in a template that is strict. Where |default is said, one may be missing.
func checkNames(pieces []piece, public map[string]any, hyphened []string) error {
	known := []string{"forloop", "in", "and", "or", "not", "true", "false"}
	for _, p := range pieces {
		if word := p.word(); word == "for" || word == "set" {
			head, _, _ := strings.Cut(strings.Replace(p.text, " in ", "=", 1), "=")
			known = append(known, namesIn(head)...)
		}
	}
	for _, p := range pieces {
		if p.kind == isText || strings.Contains(p.text, "|default") {
			continue
		}
		code := joinHyphens(p.text[len(p.word()):], hyphened)
		for _, name := range namesIn(code) {
			if _, ok := public[name]; !ok && !slices.Contains(known, name) {
				return p.at.errorf("%s: there is no value %q; write |default:\"\" where it may be missing", clip(p.text), name)
			}
		}
	}
	return nil
}

// namesIn are the names of values in code: not those of filters and fields, nor what stands in quotes.
func namesIn(code string) []string {
	var names []string
	var quote byte
	before := byte(' ') // what stands before, spaces aside
	for i := 0; i < len(code); i++ {
		c := code[i]
		n := nameLen(code[i:])
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case n > 0:
			if before != '.' && before != '|' && !inName(before) {
				names = append(names, code[i:i+n])
			}
			i += n - 1
		}
		if code[i] != ' ' {
			before = code[i]
		} else if inName(before) {
			before = ' '
		}
	}
	return names
}

package document

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// writeYAML writes each value as a scalar, or as a part of the scalar that it stands in, and then proves it: the text is
// read, and so is what comes out with a harmless word in place of each value. Both must be the same tree, and each value
// must be found where its word was.
func writeYAML(ctx context.Context, spans []span) (string, error) {
	real, err := yamlText(ctx, spans)
	if err != nil {
		return "", err
	}
	words := slices.Clone(spans)
	for i := range words {
		if !words[i].isText() {
			words[i].value = word(i)
		}
	}
	harmless, err := yamlText(ctx, words)
	if err == nil {
		err = proveYAML(ctx, real, harmless, spans)
	}
	return real, err
}

func word(i int) string { return "zq" + strconv.Itoa(i) + "qz" }

func yamlText(ctx context.Context, spans []span) (string, error) {
	var b strings.Builder
	at := spot{lead: true}
	beat := pulse{ctx: ctx}
	for i, s := range spans {
		if err := beat.beat(); err != nil {
			return "", err
		}
		text := s.piece.text
		if !s.isText() {
			var err error
			if text, err = yamlValue(s.value, at, spans[i+1:]); err != nil {
				return "", s.piece.at.errorf("{{ %s }} %s", clip(s.piece.text), err)
			}
		}
		at.read(text)
		b.WriteString(text)
	}
	return b.String(), nil
}

// yamlValue writes v for the spot. Its errors complete a sentence about the value.
func yamlValue(v any, at spot, after []span) (string, error) {
	text := textOf(v)
	switch {
	case at.in == doubleQuoted:
		quoted := quoteYAML(text)
		return quoted[1 : len(quoted)-1], nil
	case at.in == inRemark:
		return strings.Map(oneLine, text), nil
	case at.in == singleQuoted:
		if strings.ContainsFunc(text, needsEscape) {
			return "", fmt.Errorf("holds characters that single quotes can't; use double quotes")
		}
		return strings.ReplaceAll(text, "'", "''"), nil
	case at.in == atStart:
		ends, line := endsScalar(after, at.flow > 0)
		s, ok := v.(string)
		switch {
		case ends && ok:
			at.key = at.key && line && !at.dash
			return yamlScalar(s, at), nil
		case ends:
			return flowYAML(v), nil
		}
	}
	switch {
	case !plainPart(text):
		return "", fmt.Errorf("stands within plain text, where %s can't; put double quotes around all of it", strconv.QuoteToASCII(clip(text)))
	}
	return text, nil
}

// endsScalar says whether the scalar ends where the spans after a value begin, and whether the line does.
func endsScalar(after []span, flow bool) (ends, line bool) {
	var b strings.Builder
	more := false // another value, in this line
	for _, s := range after {
		if more = !s.isText(); more || strings.ContainsRune(s.piece.text, '\n') {
			if !more {
				b.WriteString(s.piece.text)
			}
			break
		}
		b.WriteString(s.piece.text)
	}
	rest, _, _ := strings.Cut(b.String(), "\n")
	rest = strings.TrimSuffix(rest, "\r")
	t := strings.TrimLeft(rest, " ")
	switch {
	case t == "" || t == ":":
		return !more, rest == "" && !more && b.Len() > 0
	case strings.HasPrefix(t, ": "), t != rest && t[0] == '#':
		return true, false
	}
	return flow && strings.IndexByte(",]}", t[0]) >= 0, false
}

// yamlScalar is s alone: plain where that can only be text, a block where it has lines, else in double quotes.
func yamlScalar(s string, at spot) string {
	if plainWord(s) {
		return s
	}
	if at.key && at.flow == 0 {
		if block, ok := blockYAML(s, at.indent+2); ok {
			return block
		}
	}
	return quoteYAML(s)
}

// plainWord says whether s can be nothing but text, in any version of YAML: a letter, then letters, digits and ._/-
func plainWord(s string) bool {
	switch strings.ToLower(s) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return false
	}
	return !inDigits(s[0]) && s[0] != '_' && plainPart(s) && !strings.ContainsAny(s, ":@=+")
}

func inDigits(c byte) bool { return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '/' }

// plainPart says whether s changes nothing of the plain scalar that it is a part of.
func plainPart(s string) bool {
	for i := range len(s) {
		if !inName(s[i]) && strings.IndexByte("./-:@=+", s[i]) < 0 {
			return false
		}
	}
	return !strings.HasSuffix(s, ":")
}

// blockYAML is a text of several lines as they are, if it reads back as what it was.
func blockYAML(s string, indent int) (string, bool) {
	if !strings.Contains(strings.TrimRight(s, "\n"), "\n") || strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && needsEscape(r) }) {
		return "", false
	}
	chomp := map[int]string{0: "-", 1: ""}
	mark, ok := chomp[len(s)-len(strings.TrimRight(s, "\n"))]
	if !ok {
		return "", false // the lines at its end are the next text's
	}
	var b strings.Builder
	b.WriteString("|" + mark)
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		b.WriteByte('\n')
		if line != "" {
			b.WriteString(strings.Repeat(" ", indent) + line)
		}
	}
	var back struct{ K string }
	err := yaml.Unmarshal([]byte(strings.Repeat(" ", indent-2)+"k: "+b.String()+"\n"), &back)
	return b.String(), err == nil && back.K == s
}

// flowYAML is a value that is no text, on one line.
func flowYAML(v any) string {
	switch v := v.(type) {
	case string:
		return quoteYAML(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = flowYAML(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		keys, values := turns(v)
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = quoteYAML(textOf(k)) + ": " + flowYAML(values[i])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return jsonOf(v)
}

// quoteYAML is s in double quotes, on one line, with all that is not plainly printable escaped.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case needsEscape(r) && r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08X`, r)
		case needsEscape(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func needsEscape(r rune) bool {
	return r != ' ' && !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r)
}

func oneLine(r rune) rune {
	if needsEscape(r) {
		return ' '
	}
	return r
}

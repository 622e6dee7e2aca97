package document

import (
	"html"
	"slices"
	"strings"
	"unicode"
)

// writeHTML writes each value with entities, in text and in quoted attributes. Elsewhere a value has no safe form.
func writeHTML(spans []span) (string, error) {
	var b strings.Builder
	m := markup{}
	for _, s := range spans {
		if s.isText() {
			for _, c := range []byte(s.piece.text) {
				m.read(c)
			}
			b.WriteString(s.piece.text)
			continue
		}
		if why := m.refuse(s.value); why != "" {
			return "", s.piece.at.errorf("{{ %s }} %s", clip(s.piece.text), why)
		}
		text := strings.Map(printable, textOf(s.value))
		m.soFar = append(m.soFar, text...)
		b.WriteString(html.EscapeString(text))
	}
	return b.String(), nil
}

// printable keeps characters that XML can hold.
func printable(r rune) rune {
	if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
		return unicode.ReplacementChar
	}
	return r
}

// A markup follows HTML as far as it must know where a value would stand.
type markup struct {
	state markupState
	word  []byte // of the tag, attribute or end under way
	tag   string
	attr  string
	soFar []byte // of the attribute's value
}

type markupState int

const (
	inText markupState = iota
	atTag              // after <
	inTagName
	inTag
	inAttr
	afterAttr // after =
	inDouble
	inSingle
	inBare
	inComment
	inDeclaration
	inRaw // what a script or style holds
)

// read moves on by one byte of the template's.
func (m *markup) read(c byte) {
	switch m.state {
	case inText:
		if c == '<' {
			m.to(atTag)
		}
	case atTag, inTagName:
		m.readTagName(c)
	case inTag, inAttr, afterAttr:
		m.readTag(c)
	case inDouble, inSingle:
		if c == '"' && m.state == inDouble || c == '\'' && m.state == inSingle {
			m.to(inTag)
			return
		}
		m.soFar = append(m.soFar, c)
	case inBare:
		if c == '>' {
			m.endTag()
		} else if isSpace(c) {
			m.to(inTag)
		}
	case inDeclaration:
		if m.word = append(m.word, c); string(m.word) == "--" {
			m.to(inComment)
		} else if c == '>' {
			m.to(inText)
		}
	case inComment, inRaw:
		m.readRaw(c)
	}
}

func (m *markup) to(s markupState) {
	m.state, m.word = s, m.word[:0]
}

func (m *markup) readTagName(c byte) {
	switch {
	case c == '>':
		m.tag = strings.ToLower(string(m.word))
		m.endTag()
	case m.state == atTag && (c == '!' || c == '?'):
		m.to(inDeclaration)
	case m.state == atTag && c != '/' && !inName(c):
		m.to(inText)
	case isSpace(c):
		m.tag = strings.ToLower(string(m.word))
		m.to(inTag)
	default:
		m.state = inTagName
		m.word = append(m.word, c)
	}
}

func (m *markup) readTag(c byte) {
	switch {
	case c == '>' && m.state != afterAttr:
		m.endTag()
	case m.state == afterAttr:
		m.soFar = m.soFar[:0]
		switch {
		case c == '"':
			m.to(inDouble)
		case c == '\'':
			m.to(inSingle)
		case c == '>':
			m.endTag()
		case !isSpace(c):
			m.to(inBare)
		}
	case c == '=':
		m.attr = strings.ToLower(string(m.word))
		m.to(afterAttr)
	case isSpace(c) || c == '/':
		m.state = inTag // the word stays: a = may follow
	default:
		if m.state == inTag {
			m.word = m.word[:0]
		}
		m.state = inAttr
		m.word = append(m.word, c)
	}
}

func (m *markup) endTag() {
	if slices.Contains([]string{"script", "style", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext"}, m.tag) {
		m.to(inRaw)
		return
	}
	m.to(inText)
}

// readRaw looks for the end of a comment, a script or a style.
func (m *markup) readRaw(c byte) {
	end := "-->"
	if m.state == inRaw {
		end = "</" + m.tag
	}
	m.word = append(m.word, c)
	if n := len(m.word) - len(end); n >= 0 && strings.EqualFold(string(m.word[n:]), end) {
		if m.state == inRaw {
			m.tag = "/"
			m.to(inTag)
			return
		}
		m.to(inText)
	} else if n > 0 {
		m.word = m.word[n:]
	}
}

func isSpace(c byte) bool { return strings.IndexByte(" \t\r\n\f", c) >= 0 }

// refuse says why v can't stand here.
func (m *markup) refuse(v any) string {
	switch m.state {
	case inText:
		return ""
	case inDouble, inSingle:
		return m.refuseAttr(v)
	case inComment, inDeclaration:
		return "stands in a comment or declaration, where no value is safe"
	case inRaw:
		return "stands in a " + m.tag + " element, where no value is safe"
	}
	return "stands within a tag; values belong into text, or between the quotes of an attribute"
}

func (m *markup) refuseAttr(v any) string {
	_, isText := v.(string)
	switch {
	case strings.HasPrefix(m.attr, "on"), m.attr == "srcdoc":
		return "stands in the attribute " + m.attr + ", which is a program"
	case m.attr == "style" && isText:
		return "stands in a style, where numbers are safe and text is not"
	case isLink(m.attr) && !harmlessLink(string(m.soFar)+textOf(v)):
		return "is a link that begins neither with http:, https: or mailto:, nor with a path"
	}
	return ""
}

func isLink(attr string) bool {
	return slices.Contains([]string{
		"href", "xlink:href", "src", "srcset", "action", "formaction", "poster", "data", "cite", "background", "ping",
		"manifest", "from", "to", "values", "by",
	}, attr)
}

func harmlessLink(link string) bool {
	scheme, _, has := strings.Cut(link, ":")
	if !has || strings.ContainsAny(scheme, "/?#") {
		return true
	}
	scheme = strings.ToLower(strings.TrimSpace(scheme))
	return scheme == "http" || scheme == "https" || scheme == "mailto"
}

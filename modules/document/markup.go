package document

import (
	"slices"
	"strings"
)

// A markup follows HTML as far as it must know where a value would stand. XML is read alike where both agree; after
// what they read in different ways it is unsure for good.
type markup struct {
	state   markupState
	word    []byte // of the tag, attribute or end under way
	tag     string // in lower case, with its prefix
	attr    string // likewise
	soFar   []byte // of the attribute's value
	filled  bool   // a value stands in the attribute
	badLink bool   // the attribute that has just ended is a link to what it must not be
	foreign bool   // an svg or math tag was read: within it a style is no raw text
	unsure  string // after what
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
	inRaw   // what a script or style holds
	inTitle // what a title or textarea holds: text, but no tags
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
			m.endAttr()
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
		m.readDeclaration(c)
	case inComment:
		m.readComment(c)
	case inRaw, inTitle:
		m.readRaw(c)
	}
}

func (m *markup) to(s markupState) {
	m.state, m.word = s, m.word[:0]
}

// lose says that it can't know any more where a value stands.
func (m *markup) lose(after string) {
	if m.unsure == "" {
		m.unsure = after
	}
}

func (m *markup) endAttr() {
	local := localName(m.attr)
	m.badLink = m.filled && slices.Contains(linkAttrs, local) && !harmlessLink(string(m.soFar)) &&
		!(m.tag == "img" && m.attr == "src" && isPicture(string(m.soFar)))
	m.to(inTag)
}

func (m *markup) readTagName(c byte) {
	switch {
	case m.state == atTag && (c == '!' || c == '?'):
		m.to(inDeclaration)
	case m.state == atTag && c == '/':
		m.state = inTagName
		m.word = append(m.word, c)
	case m.state == atTag && !isLetter(c):
		if m.to(inText); c == '_' || c == ':' || c >= 0x80 {
			m.lose("a tag that begins with no letter")
		}
		if c == '<' {
			m.to(atTag)
		}
	case string(m.word) == "/" && !isLetter(c):
		if m.to(inDeclaration); c == '>' {
			m.to(inText)
		}
		m.lose("an end that names no tag")
	case c == '>', c == '/', isSpace(c):
		m.tag = strings.ToLower(string(m.word))
		if m.to(inTag); c == '>' {
			m.endTag()
		}
	default:
		m.state = inTagName
		m.word = append(m.word, c)
	}
}

func (m *markup) readTag(c byte) {
	switch {
	case c == '>':
		m.endTag()
	case m.state == afterAttr:
		m.soFar, m.filled = m.soFar[:0], false
		switch {
		case c == '"':
			m.to(inDouble)
		case c == '\'':
			m.to(inSingle)
		case !isSpace(c):
			m.to(inBare)
		}
	case c == '/':
		m.to(inTag)
	case isSpace(c):
		m.state = inTag // the word stays: a = may follow
	case c == '=' && len(m.word) > 0:
		m.attr = strings.ToLower(string(m.word))
		m.to(afterAttr)
	default:
		if m.state == inTag {
			m.word = m.word[:0]
		}
		m.state = inAttr
		m.word = append(m.word, c)
	}
}

func (m *markup) endTag() {
	switch name := localName(m.tag); name {
	case "svg", "math":
		m.foreign = true
	case "plaintext":
		m.lose("a plaintext tag")
	case "title", "textarea":
		m.to(inTitle)
		return
	case "script", "style", "xmp", "iframe", "noembed", "noframes", "noscript":
		m.to(inRaw)
		return
	}
	m.to(inText)
}

// readDeclaration reads what begins with <! or <?, and an end that names no tag.
func (m *markup) readDeclaration(c byte) {
	if m.word = append(m.word, c); string(m.word) == "--" {
		m.to(inComment)
		return
	}
	switch {
	case c == '<', c == '[':
		m.lose("a declaration with others in it")
	case c == '>':
		if m.word[0] == '-' {
			m.lose("a comment that is none")
		}
		m.to(inText)
	}
}

func (m *markup) readComment(c byte) {
	m.word = append(m.word, c)
	switch s := string(m.word[max(0, len(m.word)-4):]); {
	case strings.HasSuffix(s, "--!>"), string(m.word) == ">", string(m.word) == "->":
		m.lose("a comment that ends in an unusual way")
	case strings.HasSuffix(s, "-->"):
		m.to(inText)
		return
	}
	if len(m.word) > 64 {
		m.word = append(m.word[:0], m.word[len(m.word)-8:]...)
	}
}

// readRaw looks for the end of a script, a style or a title.
func (m *markup) readRaw(c byte) {
	end := "</" + m.tag
	n := len(m.word)
	if n >= len(end) && strings.EqualFold(string(m.word[n-len(end):]), end) && (c == '>' || c == '/' || isSpace(c)) {
		m.tag = "/"
		if m.to(inTag); c == '>' {
			m.endTag()
		}
		return
	}
	if n > 0 && m.word[n-1] == '<' && (isLetter(c) || c == '!') {
		scripted := m.tag == "script" || m.tag == "style"
		if !scripted || m.foreign || m.tag == "script" && c == '!' {
			m.lose("a " + m.tag + " element with a tag in it")
		}
	}
	if m.word = append(m.word, c); len(m.word) > 256 {
		m.word = append(m.word[:0], m.word[len(m.word)-128:]...)
	}
	if len(m.tag) > 100 {
		m.lose("a very long name of a tag")
	}
}

func isSpace(c byte) bool { return strings.IndexByte(" \t\r\n\f", c) >= 0 }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

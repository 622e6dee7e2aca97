package nunjucks

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEOF tokenKind = iota
	tokenString
	tokenSpace
	tokenData
	tokenBlockStart
	tokenBlockEnd
	tokenVarStart
	tokenVarEnd
	tokenComment
	tokenLeftParen
	tokenRightParen
	tokenLeftBracket
	tokenRightBracket
	tokenLeftBrace
	tokenRightBrace
	tokenOperator
	tokenComma
	tokenColon
	tokenTilde
	tokenPipe
	tokenInt
	tokenFloat
	tokenBool
	tokenNone
	tokenName
	tokenRegex
)

type token struct {
	kind  tokenKind
	text  string
	flags string // of a regex
	pos   pos
}

func (t token) String() string {
	if t.kind == tokenEOF {
		return "end of file"
	}
	return "token: " + t.text
}

const (
	codeSpace  = " \n\t\r"
	delimiters = "()[]{}%*-+~/#,:|.<>=!"
)

// A lexer cuts a source into tokens. Between tags it yields data and comments, inside a tag the rest.
type lexer struct {
	src    string
	i      int // offset of the next byte
	at     pos // of that byte
	inCode bool
}

// fail names the place where the lexer stands and moves on by n bytes, so that a parse may go on behind the mistake.
func (l *lexer) fail(n int, msg, plain string) {
	at := l.at
	l.take(n)
	panic(&Error{Line: at.line, Col: at.col, Msg: msg, Plain: plain})
}

func (l *lexer) rest() string { return l.src[l.i:] }

func (l *lexer) has(prefix string) bool { return strings.HasPrefix(l.rest(), prefix) }

// take moves on by n bytes, or to the end, and returns them.
func (l *lexer) take(n int) string {
	part := l.src[l.i:min(l.i+n, len(l.src))]
	l.i += len(part)
	if nl := strings.LastIndexByte(part, '\n'); nl >= 0 {
		l.at.line += strings.Count(part, "\n")
		l.at.col = 1 + utf8.RuneCountInString(part[nl+1:])
	} else {
		l.at.col += utf8.RuneCountInString(part)
	}
	return part
}

// takeAny takes the first of the prefixes that is there.
func (l *lexer) takeAny(prefixes ...string) string {
	for _, p := range prefixes {
		if l.has(p) {
			return l.take(len(p))
		}
	}
	return ""
}

// takeWhile takes bytes that are in set.
func (l *lexer) takeWhile(set string) string {
	rest := l.rest()
	n := 0
	for n < len(rest) && strings.IndexByte(set, rest[n]) >= 0 {
		n++
	}
	return l.take(n)
}

// next returns the next token; at the end of the source, tokenEOF.
func (l *lexer) next() token {
	start := l.at
	if l.i >= len(l.src) {
		return token{kind: tokenEOF, pos: start}
	}
	var t token
	if l.inCode {
		t = l.code()
	} else {
		t = l.outside()
	}
	t.pos = start
	return t
}

// outside lexes text, comments and the start of tags.
func (l *lexer) outside() token {
	if t := l.takeAny("{%-", "{%"); t != "" {
		l.inCode = true
		return token{kind: tokenBlockStart, text: t}
	}
	if t := l.takeAny("{{-", "{{"); t != "" {
		l.inCode = true
		return token{kind: tokenVarStart, text: t}
	}
	if l.has("{#") {
		n := strings.Index(l.rest()[2:], "#}")
		if n < 0 {
			l.fail(len(l.src), "expected end of comment, got end of file", "{# is never closed; end it with #}")
		}
		return token{kind: tokenComment, text: l.take(n + 4)}
	}
	rest := l.rest()
	n := 0
	for {
		i := strings.IndexAny(rest[n:], "{#")
		if i < 0 {
			return token{kind: tokenData, text: l.take(len(rest))}
		}
		n += i
		switch tail := rest[n:]; {
		case strings.HasPrefix(tail, "{%"), strings.HasPrefix(tail, "{{"), strings.HasPrefix(tail, "{#"):
			return token{kind: tokenData, text: l.take(n)}
		case strings.HasPrefix(tail, "#}"):
			l.take(n)
			l.fail(2, "unexpected end of comment", "#} ends no comment; one begins with {#")
		}
		n++
	}
}

// code lexes inside a tag.
func (l *lexer) code() token {
	c := l.src[l.i]
	if c == '"' || c == '\'' {
		return token{kind: tokenString, text: l.quoted(c)}
	}
	if w := l.takeWhile(codeSpace); w != "" {
		return token{kind: tokenSpace, text: w}
	}
	if t := l.takeAny("%}", "-%}"); t != "" {
		l.inCode = false
		return token{kind: tokenBlockEnd, text: t}
	}
	if t := l.takeAny("}}", "-}}"); t != "" {
		l.inCode = false
		return token{kind: tokenVarEnd, text: t}
	}
	if l.has("r/") {
		return l.regex()
	}
	if strings.IndexByte(delimiters, c) >= 0 {
		op := l.takeAny("===", "!==", "==", "!=", "<=", ">=", "//", "**")
		if op == "" {
			op = l.take(1)
		}
		return token{kind: operatorKind(op), text: op}
	}
	return l.word()
}

// quoted takes a string literal and returns what it says. One that never ends goes to the end of the source.
func (l *lexer) quoted(quote byte) string {
	rest := l.rest()
	var b strings.Builder
	i := 1
	for i < len(rest) && rest[i] != quote {
		c := rest[i]
		if c == '\\' && i+1 < len(rest) {
			i++
			c = unescape(rest[i])
		}
		b.WriteByte(c)
		i++
	}
	l.take(i + 1)
	return b.String()
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	}
	return c
}

// regex takes r/…/flags.
func (l *lexer) regex() token {
	l.take(2)
	rest := l.rest()
	n := 0
	for n < len(rest) && (rest[n] != '/' || n > 0 && rest[n-1] == '\\') {
		n++
	}
	t := token{kind: tokenRegex, text: l.take(n)}
	l.take(1)
	t.flags = l.takeWhile("gimy")
	return t
}

func operatorKind(op string) tokenKind {
	switch op {
	case "(":
		return tokenLeftParen
	case ")":
		return tokenRightParen
	case "[":
		return tokenLeftBracket
	case "]":
		return tokenRightBracket
	case "{":
		return tokenLeftBrace
	case "}":
		return tokenRightBrace
	case ",":
		return tokenComma
	case ":":
		return tokenColon
	case "~":
		return tokenTilde
	case "|":
		return tokenPipe
	}
	return tokenOperator
}

// word takes a number, a keyword or a name.
func (l *lexer) word() token {
	rest := l.rest()
	n := strings.IndexAny(rest, codeSpace+delimiters)
	if n < 0 {
		n = len(rest)
	}
	w := l.take(n)
	switch {
	case strings.Trim(w, "0123456789") != "":
	case l.has("."):
		return token{kind: tokenFloat, text: w + l.take(1) + l.takeWhile("0123456789")}
	default:
		return token{kind: tokenInt, text: w}
	}
	switch w {
	case "true", "false":
		return token{kind: tokenBool, text: w}
	case "none", "null":
		return token{kind: tokenNone, text: w}
	}
	return token{kind: tokenName, text: w}
}

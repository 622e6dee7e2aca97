package nunjucks

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings are Go's, positions in them JavaScript's: counted in UTF-16 units. A slice that cuts a character in two has
// U+FFFD in its place.

// jsSpace is what JavaScript's trim takes away.
const jsSpace = " \t\r\n\v\f\u00a0\ufeff\u2028\u2029\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

func utf16Len(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// slice16 is text from unit i to j, both held within the text.
func slice16(text string, i, j int) string {
	i = max(i, 0)
	if isASCII(text) {
		j = min(j, len(text))
		if i >= j {
			return ""
		}
		return text[i:j]
	}
	units := utf16.Encode([]rune(text))
	j = min(j, len(units))
	if i >= j {
		return ""
	}
	return string(utf16.Decode(units[i:j]))
}

// characters splits text into its units.
func characters(text string) []string {
	if isASCII(text) {
		chars := make([]string, len(text))
		for i := range chars {
			chars[i] = text[i : i+1]
		}
		return chars
	}
	units := utf16.Encode([]rune(text))
	chars := make([]string, len(units))
	for i, u := range units {
		chars[i] = string(utf16.Decode([]uint16{u}))
	}
	return chars
}

// index16 turns a byte offset into a position; -1 stays -1.
func index16(text string, offset int) int {
	if offset < 0 {
		return -1
	}
	return utf16Len(text[:offset])
}

// characters is a list of text, unit by unit.
func (s *state) characters(text string) []any {
	s.chargeList(utf16Len(text))
	return wrapAll(characters(text))
}

// wholeCharacters are what JavaScript's iterators see: characters of two units in one piece.
func (s *state) wholeCharacters(text string) []any {
	s.chargeList(utf8.RuneCountInString(text))
	return wrapAll(strings.Split(text, ""))
}

package graph

import (
	"strings"
	"unicode"
)

// width estimates how wide text is in a common sans-serif font, rather too wide than too narrow: there is no font here
// to measure with.
func width(text string, size float64) float64 {
	em := 0.0
	for _, r := range text {
		em += runeWidth(r)
	}
	return em * size
}

func runeWidth(r rune) float64 {
	switch {
	case strings.ContainsRune("iljI.,:;'|!`", r):
		return 0.31
	case strings.ContainsRune(" ftr()[]{}/\\-\"", r):
		return 0.4
	case strings.ContainsRune("mwMW@%&—…→", r):
		return 0.95
	case r < 0x80 && unicode.IsUpper(r):
		return 0.7
	case r < 0x2000:
		return 0.59
	case unicode.Is(unicode.Mn, r):
		return 0
	}
	return 1.05
}

// fit cuts text to a width.
func fit(text string, size, most float64) string {
	if width(text, size) <= most {
		return text
	}
	most -= size * runeWidth('…')
	end, used := 0, 0.0
	for i, r := range text {
		if used += size * runeWidth(r); used > most {
			break
		}
		end = i + len(string(r))
	}
	return strings.TrimRight(text[:end], " ") + "…"
}

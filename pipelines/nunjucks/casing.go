package nunjucks

import (
	"strings"
	"sync"
	"unicode"
)

// longUpper are the letters that become several in upper case, each followed by those (Unicode's SpecialCasing.txt). Go's
// strings.ToUpper keeps to one for one.
const longUpper = `
ß SS ŉ ʼN ǰ J̌ ΐ Ϊ́ ΰ Ϋ́ և ԵՒ ẖ H̱ ẗ T̈ ẘ W̊ ẙ Y̊ ẚ Aʾ ὐ Υ̓ ὒ Υ̓̀ ὔ Υ̓́ ὖ Υ̓͂ ᾀ ἈΙ ᾁ ἉΙ ᾂ ἊΙ ᾃ ἋΙ
ᾄ ἌΙ ᾅ ἍΙ ᾆ ἎΙ ᾇ ἏΙ ᾈ ἈΙ ᾉ ἉΙ ᾊ ἊΙ ᾋ ἋΙ ᾌ ἌΙ ᾍ ἍΙ ᾎ ἎΙ ᾏ ἏΙ ᾐ ἨΙ ᾑ ἩΙ ᾒ ἪΙ ᾓ ἫΙ ᾔ ἬΙ ᾕ ἭΙ ᾖ ἮΙ ᾗ ἯΙ
ᾘ ἨΙ ᾙ ἩΙ ᾚ ἪΙ ᾛ ἫΙ ᾜ ἬΙ ᾝ ἭΙ ᾞ ἮΙ ᾟ ἯΙ ᾠ ὨΙ ᾡ ὩΙ ᾢ ὪΙ ᾣ ὫΙ ᾤ ὬΙ ᾥ ὭΙ ᾦ ὮΙ ᾧ ὯΙ ᾨ ὨΙ ᾩ ὩΙ ᾪ ὪΙ ᾫ ὫΙ
ᾬ ὬΙ ᾭ ὭΙ ᾮ ὮΙ ᾯ ὯΙ ᾲ ᾺΙ ᾳ ΑΙ ᾴ ΆΙ ᾶ Α͂ ᾷ Α͂Ι ᾼ ΑΙ ῂ ῊΙ ῃ ΗΙ ῄ ΉΙ ῆ Η͂ ῇ Η͂Ι ῌ ΗΙ ῒ Ϊ̀ ΐ Ϊ́ ῖ Ι͂
ῗ Ϊ͂ ῢ Ϋ̀ ΰ Ϋ́ ῤ Ρ̓ ῦ Υ͂ ῧ Ϋ͂ ῲ ῺΙ ῳ ΩΙ ῴ ΏΙ ῶ Ω͂ ῷ Ω͂Ι ῼ ΩΙ ﬀ FF ﬁ FI ﬂ FL ﬃ FFI ﬄ FFL ﬅ ST ﬆ ST
ﬓ ՄՆ ﬔ ՄԵ ﬕ ՄԻ ﬖ ՎՆ ﬗ ՄԽ
`

var upperReplacer = sync.OnceValue(func() *strings.Replacer { return strings.NewReplacer(strings.Fields(longUpper)...) })

// upper is text.toUpperCase().
func upper(text string) string {
	if isASCII(text) {
		return strings.ToUpper(text)
	}
	return strings.ToUpper(upperReplacer().Replace(text))
}

// lower is text.toLowerCase(): a sigma that ends a word has its own form, and a dotted I keeps its dot.
func lower(text string) string {
	if !strings.ContainsAny(text, "Σİ") {
		return strings.ToLower(text)
	}
	runes := []rune(text)
	var b strings.Builder
	for i, r := range runes {
		switch {
		case r == 'İ':
			b.WriteString("i̇")
		case r == 'Σ' && endsWord(runes, i):
			b.WriteRune('ς')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// endsWord reports whether a letter stands before place i, and none behind it.
func endsWord(text []rune, i int) bool {
	before, behind := i-1, i+1
	for before >= 0 && withinWord(text[before]) {
		before--
	}
	for behind < len(text) && withinWord(text[behind]) {
		behind++
	}
	return before >= 0 && hasCase(text[before]) && (behind == len(text) || !hasCase(text[behind]))
}

func hasCase(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) }

// withinWord reports what stands in a word without being a letter of it (Unicode's Case_Ignorable, in the main).
func withinWord(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) || strings.ContainsRune("':.·’", r)
}

package unzip

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxName  = 1024 // bytes of a whole name
	maxPart  = 255  // bytes of a folder's or file's own name: what Linux takes
	maxDepth = 64   // folders below one another
)

// clean returns the path that a name in an archive stands for, with slashes and below the folder that is unpacked into, and
// whether the name says that it is a folder. what is why it is refused; empty is not.
func clean(raw string) (name string, folder bool, what string) {
	// Windows wrote its own separator for years, and what it leads to must not depend on who unpacks it.
	slashed := strings.ReplaceAll(raw, `\`, "/")
	switch {
	case len(raw) > maxName:
		return "", false, "is too long"
	case strings.HasPrefix(slashed, "/"):
		return "", false, "is an absolute path"
	case len(raw) > 1 && raw[1] == ':' && isLetter(raw[0]):
		return "", false, "names a drive"
	case strings.ContainsFunc(raw, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
	}):
		return "", false, "holds characters that can't be shown"
	}
	var parts []string
	for part := range strings.SplitSeq(slashed, "/") {
		switch {
		case part == "" || part == ".":
			continue
		case part == "..":
			return "", false, "leads out of the folder"
		case len(part) > maxPart:
			return "", false, "is too long"
		}
		parts = append(parts, part)
	}
	if len(parts) > maxDepth {
		return "", false, "is nested too deep"
	}
	return strings.Join(parts, "/"), len(parts) == 0 || strings.HasSuffix(slashed, "/"), ""
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// text decodes a name of an archive. Those without the mark of UTF-8 are in it all the same, or in the code page of DOS.
func text(raw []byte, marked bool) string {
	if marked || utf8.Valid(raw) {
		return string(raw)
	}
	var b strings.Builder
	high := []rune(cp437)
	for _, c := range raw {
		if c < 0x80 {
			b.WriteByte(c)
		} else {
			b.WriteRune(high[c-0x80])
		}
	}
	return b.String()
}

// cp437 is the upper half of code page 437.
const cp437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0"

// fold is the same for names that some filesystem takes for one: they differ in case, or in how Unicode spells them.
func fold(name string) string {
	return norm.NFC.String(strings.ToLower(strings.ToUpper(norm.NFC.String(name))))
}

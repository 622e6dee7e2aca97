package argv

import (
	"fmt"
	"strings"
)

// Split returns the words of item as a POSIX shell would see them: separated by white space, kept
// together by '…', "…" or a backslash. Nothing is expanded: $, *, ~ and # stand for themselves. A
// quote that is not closed is an error that says where it was opened.
func Split(item string) ([]string, error) {
	var words []string
	var word strings.Builder
	started := false // an empty pair of quotes is a word too
	for i := 0; i < len(item); i++ {
		switch c := item[i]; c {
		case ' ', '\t', '\n', '\r':
			if started {
				words = append(words, word.String())
				word.Reset()
				started = false
			}
		case '\'', '"':
			end, err := quoted(&word, item, i)
			if err != nil {
				return nil, err
			}
			i, started = end, true
		case '\\':
			if i+1 == len(item) {
				return nil, fmt.Errorf("%q ends in a backslash: write two to mean one", item)
			}
			i++
			if item[i] != '\n' {
				started = true
				word.WriteByte(item[i])
			}
		default:
			started = true
			word.WriteByte(c)
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted appends to word what stands between the quote at item[open] and its partner, whose place it
// returns.
func quoted(word *strings.Builder, item string, open int) (end int, err error) {
	quote := item[open]
	for i := open + 1; i < len(item); i++ {
		c := item[i]
		if c == quote {
			return i, nil
		}
		// Between double quotes a backslash is special before these only.
		if quote == '"' && c == '\\' && i+1 < len(item) && strings.IndexByte("\"\\$`\n", item[i+1]) >= 0 {
			i++
			if item[i] == '\n' {
				continue
			}
			c = item[i]
		}
		word.WriteByte(c)
	}
	return 0, fmt.Errorf("%q: the %c at character %d is not closed: close it, or put a backslash before it",
		item, quote, len([]rune(item[:open]))+1)
}

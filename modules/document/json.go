package document

import (
	"encoding/json"
	"strings"
)

// writeJSON writes each value as a JSON value, or as a part of the string that it stands in.
func writeJSON(spans []span) (string, error) {
	var b strings.Builder
	inString, escaped, touched := false, false, false
	for i, s := range spans {
		if s.isText() {
			if touched && !separates(s.piece.text[0]) {
				return "", s.piece.at.errorf("a value stands next to other text here; put double quotes around both")
			}
			touched = false
			for _, c := range []byte(s.piece.text) {
				switch {
				case escaped:
					escaped = false
				case inString && c == '\\':
					escaped = true
				case c == '"':
					inString = !inString
				}
			}
			b.WriteString(s.piece.text)
			continue
		}
		switch {
		case escaped:
			return "", s.piece.at.errorf("{{ %s }} stands after a backslash", clip(s.piece.text))
		case inString:
			quoted := jsonOf(textOf(s.value))
			b.WriteString(quoted[1 : len(quoted)-1])
		case touched || i > 0 && !separates(last(b.String())):
			return "", s.piece.at.errorf("{{ %s }} stands next to other text; put double quotes around both", clip(s.piece.text))
		default:
			b.WriteString(jsonOf(s.value))
			touched = true
		}
	}
	text := b.String()
	if !json.Valid([]byte(text)) {
		var v any
		err := json.Unmarshal([]byte(text), &v)
		return "", &Error{Msg: "what it makes is no JSON: " + err.Error()}
	}
	return text, nil
}

func last(s string) byte {
	if s == "" {
		return ' '
	}
	return s[len(s)-1]
}

// separates says whether a JSON value ends or begins at c.
func separates(c byte) bool { return strings.IndexByte(" \t\r\n,:[]{}", c) >= 0 }

package document

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
)

// writeJSON writes each value as a JSON value, or as a part of the string that it stands in.
func writeJSON(ctx context.Context, spans []span) (string, error) {
	var b strings.Builder
	inString, escaped, touched := false, false, false
	last := byte(' ')
	beat := pulse{ctx: ctx}
	for _, s := range spans {
		if err := beat.beat(); err != nil {
			return "", err
		}
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
			last = s.piece.text[len(s.piece.text)-1]
			b.WriteString(s.piece.text)
			continue
		}
		switch {
		case escaped:
			return "", s.piece.at.errorf("{{ %s }} stands after a backslash", clip(s.piece.text))
		case inString:
			quoted := jsonOf(textOf(s.value))
			b.WriteString(quoted[1 : len(quoted)-1])
		case touched || !separates(last):
			return "", s.piece.at.errorf("{{ %s }} stands next to other text; put double quotes around both", clip(s.piece.text))
		default:
			b.WriteString(jsonOf(s.value))
			touched = true
		}
	}
	return b.String(), checkJSON(b.String())
}

// checkJSON says what keeps a text from being JSON. A key that stands twice in a map is an error.
func checkJSON(text string) error {
	if !json.Valid([]byte(text)) {
		var v any
		err := json.Unmarshal([]byte(text), &v)
		return &Error{Msg: "what it makes is no JSON: " + err.Error()}
	}
	var open []map[string]bool // the maps' keys so far; of a list nil
	key := false               // what comes is one
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if err != nil {
			return nil // its end: it is valid
		}
		n := len(open)
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open, key = append(open, map[string]bool{}), true
				continue
			case '[':
				open, key = append(open, nil), false
				continue
			}
			open = open[:n-1]
		case string:
			if key && open[n-1][t] {
				return &Error{Msg: "what it makes has the key " + strconv.QuoteToASCII(clip(t)) + " twice in a map"}
			}
			if key {
				open[n-1][t], key = true, false
				continue
			}
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// separates says whether a JSON value ends or begins at c.
func separates(c byte) bool { return strings.IndexByte(" \t\r\n,:[]{}", c) >= 0 }

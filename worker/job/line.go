package job

import (
	"encoding/json"
	"strings"
)

const maxLine = 1 << 20 // bytes; what is longer is JSON or nothing

// fromLine reads a line of text: a pipeline's name, then state as ParseState takes it.
//
//	hello_world name=Ada greeting="Good morning"
//
// It returns nil, nil for all else.
func fromLine(text string) (*Job, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxLine || strings.ContainsAny(text, "\r\n") || json.Valid([]byte(text)) {
		return nil, nil
	}
	var words []string
	for _, w := range split(strings.ReplaceAll(text, "\t", " "), ' ') {
		if w != "" {
			words = append(words, w)
		}
	}
	j := new(Job)
	if name, _, _ := strings.Cut(words[0], "@"); checkName(name) != nil {
		return nil, nil
	}
	for _, w := range words[1:] {
		if !strings.Contains(w, "=") {
			return nil, &Unrecognised{}
		}
	}
	if err := j.call(words[0]); err != nil {
		return nil, err
	}
	if err := j.overlay(words[1:]); err != nil {
		return nil, err
	}
	return j, nil
}

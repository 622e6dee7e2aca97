package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// fromLine reads a line of text: a pipeline's name, then state as ParseState takes it.
//
//	hello_world name=Ada greeting="Good morning"
//
// It returns nil, nil for all else.
func fromLine(text string) (*Job, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "\r\n") || json.Valid([]byte(text)) {
		return nil, nil
	}
	var words []string
	for _, w := range split(strings.ReplaceAll(text, "\t", " "), ' ') {
		if w != "" {
			words = append(words, w)
		}
	}
	if checkName(words[0]) != nil {
		return nil, nil
	}
	for _, w := range words[1:] {
		if !strings.Contains(w, "=") {
			return nil, &Unrecognised{}
		}
	}
	state, err := ParseState(words[1:])
	if err != nil {
		return nil, err
	}
	j := &Job{Pipeline: words[0]}
	if len(state) > 0 {
		j.State = state
	}
	return j, nil
}

// checkName says why name can't be a pipeline's in the catalogue.
func checkName(name string) error {
	const most = 128
	switch {
	case name == "":
		return errors.New(`"pipeline" is empty: give the name of one in the catalogue`)
	case len(name) > most, strings.ContainsAny(name, "/\\:;=,\"'`{}[]()<>|&$*?!# \t\r\n"), strings.ContainsAny(name[:1], ".-@%~+^"):
		return fmt.Errorf("%q is no name of a pipeline: give the name of one in the catalogue", shorten(name))
	}
	return nil
}

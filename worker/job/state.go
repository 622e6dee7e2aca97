package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// ParseState reads state as a command line has it: each argument is one or more key=value, parted by commas. A value is
// JSON where it can be read as JSON, else text; it may hold "=", and commas inside quotes, [] or {}. Single quotes round
// a value only hold it together, as in a shell. What comes later wins. Errors are one sentence that names the position,
// not the text: that may be a secret.
func ParseState(args []string) (state map[string]any, order *nunjucks.Order, err error) {
	state = map[string]any{}
	var keys []string
	in := map[string]*nunjucks.Order{}
	for i, arg := range args {
		if !utf8.ValidString(arg) || strings.IndexByte(arg, 0) >= 0 {
			return nil, nil, fmt.Errorf("state argument %d is not text", i+1)
		}
		pairs := split(arg, ',')
		for n, pair := range pairs {
			at := fmt.Sprintf("state argument %d", i+1)
			if len(pairs) > 1 {
				at += fmt.Sprintf(", part %d", n+1)
			}
			key, text, ok := strings.Cut(pair, "=")
			key = strings.TrimSpace(key)
			switch {
			case !ok:
				return nil, nil, fmt.Errorf("%s has no \"=\": write key=value, and quotes round a value with a comma", at)
			case key == "":
				return nil, nil, fmt.Errorf("%s has no key: write key=value", at)
			}
			if _, again := state[key]; !again {
				keys = append(keys, key)
			}
			state[key], in[key] = typed(text)
		}
	}
	return state, nunjucks.Ordering(keys, in), nil
}

// typed is the value that a text stands for, and the order of the maps in it.
func typed(text string) (any, *nunjucks.Order) {
	if n := len(text); n >= 2 && text[0] == '\'' && text[n-1] == '\'' {
		text = text[1 : n-1]
	}
	if !json.Valid([]byte(text)) {
		return text, nil
	}
	v, order, err := pipelines.DecodeOrdered("state", []byte(text))
	if err != nil || noNUL("", v) != nil || !exact(text, v) {
		return text, nil
	}
	return v, order
}

// exact says whether a number is still the one that was written: templates count in float64, which would make another
// ID of a whole number beyond 2^53.
func exact(text string, v any) bool {
	const most = 1 << 53
	switch v := v.(type) {
	case int64:
		return -most <= v && v <= most
	case float64:
		return strings.ContainsAny(text, ".eE")
	}
	return true
}

// split cuts s at every sep that stands in no quotes and no brackets.
func split(s string, sep byte) []string {
	ends := groups(s)
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		if end, ok := ends[i]; ok {
			i = end
			continue
		}
		if s[i] == sep {
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// groups returns where each "…", […], {…}, and each '…' right after "=", ends, by where it starts. What is never closed
// is no group: an apostrophe, an inch mark.
func groups(s string) map[int]int {
	ends := map[int]int{}
	var open []int
	unclosed := map[byte]bool{}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case unclosed[c]:
		case c == '"', c == '\'' && i > 0 && s[i-1] == '=' && len(open) == 0:
			end, ok := closing(s, i)
			if !ok {
				unclosed[c] = true
				continue
			}
			ends[i] = end
			i = end
		case c == '[', c == '{':
			open = append(open, i)
		case c == ']', c == '}':
			last := len(open) - 1
			if last >= 0 && s[open[last]] == c-2 { // each closes what is two before it in ASCII
				ends[open[last]] = i
				open = open[:last]
			}
		}
	}
	return ends
}

// closing returns where the quote at i is closed, if it is.
func closing(s string, i int) (end int, ok bool) {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] == quote:
			return i, true
		}
	}
	return 0, false
}

// overlay lays what args say over a job's state.
func (j *Job) overlay(args []string) error {
	over, order, err := ParseState(args)
	if err != nil || len(over) == 0 {
		return err
	}
	j.StateOrder = j.StateOrder.Overlay(j.State, over, order)
	if j.State == nil {
		j.State = map[string]any{}
	}
	maps.Copy(j.State, over)
	return nil
}

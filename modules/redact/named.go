package redact

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// AddNamed hides every text and number in v that stands below a key whose name says that it is secret (NameIsSecret), however
// deep in the maps and lists that JSON and YAML decode to.
func (s *Set) AddNamed(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if NameIsSecret(k) {
				s.addAll(e)
			} else {
				s.AddNamed(e)
			}
		}
	case []any:
		for _, e := range v {
			s.AddNamed(e)
		}
	}
}

// addAll hides every text and number in v.
func (s *Set) addAll(v any) {
	switch v := v.(type) {
	case string:
		s.Add(v)
	case int, int64, uint64, json.Number:
		s.Add(fmt.Sprint(v))
	case float64:
		s.Add(fmt.Sprint(v)) // 1.5e+20
		s.Add(strconv.FormatFloat(v, 'f', -1, 64))
	case map[string]any:
		for _, e := range v {
			s.addAll(e)
		}
	case []any:
		for _, e := range v {
			s.addAll(e)
		}
	}
}

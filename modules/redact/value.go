package redact

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Value returns a copy of v with secrets masked in every string, key and number in it, however deep
// in the maps and lists that JSON and YAML decode to. Values of other types are returned as they are.
func (s *Set) Value(v any) any {
	switch v := v.(type) {
	case string:
		return s.String(v)
	case map[string]any:
		return mapOf(s, v, s.Value)
	case []any:
		return listOf(v, s.Value)
	case map[string]string:
		return mapOf(s, v, s.String)
	case []string:
		return listOf(v, s.String)
	case []map[string]any:
		return listOf(v, func(m map[string]any) map[string]any { return mapOf(s, m, s.Value) })
	case json.RawMessage:
		return json.RawMessage(s.String(string(v)))
	case []byte:
		return []byte(s.String(string(v)))
	case json.Number, int, int64, uint64, float64:
		return s.number(v)
	}
	return v
}

// number masks a secret that was written without quotes and decoded to a number.
func (s *Set) number(v any) any {
	text := fmt.Sprint(v)
	if f, ok := v.(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if s.matcher().touches(text) {
		return Mask
	}
	return v
}

// mapOf copies m through each; nil stays nil. Of keys that turn out the same one is kept.
func mapOf[T any](s *Set, m map[string]T, each func(T) T) map[string]T {
	if m == nil {
		return nil
	}
	out := make(map[string]T, len(m))
	for k, v := range m {
		out[s.String(k)] = each(v)
	}
	return out
}

// listOf copies list through each; nil stays nil.
func listOf[T any](list []T, each func(T) T) []T {
	if list == nil {
		return nil
	}
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = each(v)
	}
	return out
}

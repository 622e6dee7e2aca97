package engine

import "fmt"

// What is told of an output is bounded: a module may hand the next task megabytes, a record need not hold them.
const (
	maxShownText  = 64 << 10 // bytes of one string
	maxShownItems = 1000     // elements of one list
)

// shown is what events and records say of an output: without secrets, clipped.
func (r *runner) shown(out map[string]any) map[string]any {
	if len(out) == 0 {
		return nil
	}
	m, _ := clip(r.in.Redact.Value(out)).(map[string]any)
	return m
}

func clip(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) > maxShownText {
			return v[:maxShownText] + fmt.Sprintf(" [%d more bytes]", len(v)-maxShownText)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = clip(e)
		}
	case []any:
		n := len(v)
		if n > maxShownItems {
			v = append(v[:maxShownItems:maxShownItems], fmt.Sprintf("[%d more]", n-maxShownItems))
		}
		for i, e := range v {
			v[i] = clip(e)
		}
		return v
	}
	return v
}

package meshoptimizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// given says whether a switch of any type is on.
func given(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != "" && v != "0" && v != "false"
	}
	return fmt.Sprint(v) != "0"
}

// centerOf is what of the bounds comes to the origin, for each axis; "" leaves it.
func centerOf(v any) (axes [3]string, err error) {
	list, ok := v.([]any)
	switch t := v.(type) {
	case nil:
		return axes, nil
	case bool:
		if !t {
			return axes, nil
		}
		list = []any{"center", "center", "center"}
	case string:
		if list = words(t); len(list) == 1 {
			list = []any{t, t, t}
		}
	default:
		if !ok {
			return axes, errors.New("must be center, min, max or none, or a list of three")
		}
	}
	if len(list) != len(axes) {
		return axes, fmt.Errorf("has %d parts, and must have one or three", len(list))
	}
	for i, w := range list {
		switch s := strings.ToLower(strings.TrimSpace(fmt.Sprint(w))); s {
		case "center", "min", "max":
			axes[i] = s
		case "none", "null", "false", "<nil>":
		default:
			return axes, fmt.Errorf("is %q, and must be center, min, max or none, or a list of three", s)
		}
	}
	return axes, nil
}

// words splits "1 2 3" and "1,2,3".
func words(s string) []any {
	var list []any
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t,[]", r) }) {
		list = append(list, w)
	}
	return list
}

// numbers reads three, as a list or a text; nothing is zeros.
func numbers(v any) (out [3]float64, err error) {
	list, ok := v.([]any)
	if s, text := v.(string); text {
		list, ok = words(s), true
	}
	if v == nil || ok && len(list) == 0 {
		return out, nil
	}
	if !ok || len(list) != len(out) {
		return out, errors.New("must be three numbers of degrees")
	}
	for i, x := range list {
		if out[i], err = number(fmt.Sprint(x), -1e6); err != nil {
			return out, err
		}
	}
	return out, nil
}

// number reads one from least to a million; empty is 0.
func number(s string, least float64) (float64, error) {
	if s = strings.TrimSpace(s); s == "" {
		return 0, nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || !(x >= least && x <= 1e6) {
		return 0, fmt.Errorf("is %q, and must be a number from %v to a million", s, least)
	}
	return x, nil
}

// qualityOf is JPEG's; 0 is none.
func qualityOf(v any) (int, error) {
	named := map[string]int{"low": 60, "medium": 80, "high": 92, "true": 85, "false": 0, "none": 0, "": 0, "<nil>": 0}
	s := strings.ToLower(strings.TrimSpace(fmt.Sprint(v)))
	if q, ok := named[s]; ok {
		return q, nil
	}
	q, err := strconv.Atoi(s)
	if err != nil || q < 0 || q > 100 {
		return 0, fmt.Errorf("is %q, and must be a quality from 1 to 100, or low, medium, high, true or false", s)
	}
	return q, nil
}

// bytesOf reads a size; a bare number is millions of bytes.
func bytesOf(s string) (int64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	unit := 1e6
	for _, u := range []struct {
		name  string
		bytes float64
	}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1}} {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = rest, u.bytes
			break
		}
	}
	x, err := number(text, 0)
	if err != nil && unit == 1 {
		x, err = strconv.ParseFloat(strings.TrimSpace(text), 64)
	}
	if err != nil || !(x >= 0 && x*unit <= 1<<40) {
		return 0, fmt.Errorf("is %q, and must be a size as 5MB, 800kB or a number of MB", s)
	}
	return int64(x * unit), nil
}

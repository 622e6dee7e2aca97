package modules

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// value turns v into what a field of f's type holds: string, bool, int64, float64, time.Duration, []any,
// map[string]any, or anything. ok is false when it can't be and a problem was reported.
func (c *checker) value(at string, f Field, v any) (clean any, ok bool) {
	if f.Type == Any || c.dynamic != nil && c.dynamic(v) {
		return v, true
	}
	switch f.Type {
	case List:
		return c.list(at, f, v)
	case Map:
		return c.mapping(at, f, v)
	case String:
		return c.text(at, f, v)
	case Bool:
		clean, ok = toBool(v)
	case Integer:
		clean, ok = toInt(v)
	case Number:
		clean, ok = toFloat(v)
	case Duration:
		clean, ok = toDuration(v, f.Unit)
	}
	if !ok {
		c.mismatch(at, f, v)
	}
	return clean, ok
}

func (c *checker) mismatch(at string, f Field, v any) {
	c.report(at, "prop %q must be %s, got %s", at, wanted(f), got(f, v))
}

func (c *checker) text(at string, f Field, v any) (any, bool) {
	s, ok := toText(v)
	if !ok {
		c.mismatch(at, f, v)
		return nil, false
	}
	if f.Enum == nil || slices.Contains(f.Enum, s) {
		return s, true
	}
	for _, e := range f.Enum {
		if strings.EqualFold(e, s) {
			return e, true
		}
	}
	c.report(at, "prop %q must be one of %s, got %s", at, strings.Join(f.Enum, ", "), got(f, v))
	return nil, false
}

func (c *checker) list(at string, f Field, v any) (any, bool) {
	list, ok := toList(v)
	if !ok {
		c.mismatch(at, f, v)
		return nil, false
	}
	if f.Elem == nil {
		return list, true
	}
	clean := make([]any, len(list))
	all := true
	for i, e := range list {
		e, ok := c.value(fmt.Sprintf("%s[%d]", at, i), *elem(f), e)
		clean[i] = e
		all = all && ok
	}
	return clean, all
}

func (c *checker) mapping(at string, f Field, v any) (any, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		c.mismatch(at, f, v)
		return nil, false
	}
	if f.Fields != nil {
		before := len(c.problems)
		return c.object(at, f.Fields, m), len(c.problems) == before
	}
	if f.Elem == nil {
		return m, true
	}
	clean := make(map[string]any, len(m))
	all := true
	for _, key := range slices.Sorted(maps.Keys(m)) {
		e, ok := c.value(join(at, key), *elem(f), m[key])
		clean[key] = e
		all = all && ok
	}
	return clean, all
}

// elem returns the element field of a list or map, as secret as its parent.
func elem(f Field) *Field {
	e := *f.Elem
	e.Secret = f.Secret
	return &e
}

func wanted(f Field) string {
	switch f.Type {
	case Bool:
		return "true or false"
	case Integer:
		return "an integer"
	case Duration:
		if f.Unit == time.Second {
			return "a duration such as 10m or a number of seconds"
		}
		return "a duration such as 10m or a number of milliseconds"
	}
	return "a " + string(f.Type)
}

// got names a value in an error: short, and never the value of a secret.
func got(f Field, v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "a map"
	case string:
		if f.Secret {
			return "other text"
		}
		return strconv.Quote(clip(v, 60))
	}
	if _, ok := toList(v); ok {
		return "a list"
	}
	if f.Secret {
		return "something else"
	}
	return clip(fmt.Sprint(v), 60)
}

// clip shortens s to at most n bytes, at a character's edge, and marks that it did.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// toText accepts text, numbers (printed as JavaScript does) and booleans.
func toText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	}
	if i, ok := wholeNumber(v); ok {
		return strconv.FormatInt(i, 10), true
	}
	n, ok := v.(float64)
	if !ok || math.IsNaN(n) || math.IsInf(n, 0) {
		return "", false
	}
	text, err := json.Marshal(n)
	return string(text), err == nil
}

func toBool(v any) (any, bool) {
	switch v {
	case true, "true":
		return true, true
	case false, "false":
		return false, true
	}
	return nil, false
}

func toInt(v any) (any, bool) {
	if s, ok := v.(string); ok {
		i, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err == nil {
			return i, true
		}
		n, ok := toFloat(s)
		if !ok {
			return nil, false
		}
		v = n
	}
	i, ok := wholeNumber(v)
	return i, ok
}

// wholeNumber accepts Go's integers, and floats that are whole and small enough to be exact.
func wholeNumber(v any) (int64, bool) {
	const exact = 1 << 53
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return r.Int(), true
	case r.CanUint():
		return int64(r.Uint()), r.Uint() <= math.MaxInt64
	case r.CanFloat():
		n := r.Float()
		return int64(n), n == math.Trunc(n) && math.Abs(n) <= exact
	}
	return 0, false
}

func toFloat(v any) (any, bool) {
	if s, ok := v.(string); ok {
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	}
	if i, ok := wholeNumber(v); ok {
		return float64(i), true
	}
	n, ok := v.(float64)
	return n, ok && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// toDuration accepts "10m" and a number of units, neither below zero.
func toDuration(v any, unit time.Duration) (any, bool) {
	if s, ok := v.(string); ok {
		if d, err := time.ParseDuration(strings.TrimSpace(s)); err == nil {
			return d, d >= 0
		}
	}
	n, ok := toFloat(v)
	if !ok {
		return nil, false
	}
	d := n.(float64) * float64(unit)
	return time.Duration(d), d >= 0 && d < math.MaxInt64
}

// toList accepts every kind of slice: templates and module outputs yield more than []any.
func toList(v any) ([]any, bool) {
	if list, ok := v.([]any); ok {
		return list, true
	}
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice {
		return nil, false
	}
	list := make([]any, r.Len())
	for i := range list {
		list[i] = r.Index(i).Interface()
	}
	return list, true
}

package curl

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func flag(v any) (bool, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	if s, ok := v.(string); ok && (s == "true" || s == "false") {
		return s == "true", nil
	}
	return false, fmt.Errorf("must be true or false")
}

// line is one line of text; a number is its digits.
func line(v any) (string, error) {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case int, int64, float64:
		s = fmt.Sprint(v)
	default:
		return "", fmt.Errorf("must be text")
	}
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		return "", fmt.Errorf("must be one line of text")
	}
	return s, nil
}

func number(v any, unit string) (float64, error) {
	s, err := line(v)
	if err == nil {
		var f float64
		if f, err = strconv.ParseFloat(s, 64); err == nil && f >= 0 && f <= 1e15 {
			return f, nil
		}
	}
	return 0, fmt.Errorf("must be a number of %s, 0 or more", unit)
}

func count(v any, low, high int) (int, error) {
	f, err := number(v, "times")
	if n := int(f); err == nil && float64(n) == f && n >= low && n <= high {
		return n, nil
	}
	return 0, fmt.Errorf("must be %d to %d", low, high)
}

func seconds(v any) (time.Duration, error) {
	const day = 24 * 60 * 60
	f, err := number(v, "seconds")
	if err == nil && f > day {
		err = fmt.Errorf("must be at most a day, %d seconds", day)
	}
	return time.Duration(f * float64(time.Second)), err
}

// bytesOf reads a size as curl does: 500, 10k, 1.5M, 2G.
func bytesOf(v any) (int64, error) {
	s, err := line(v)
	if err != nil {
		return 0, err
	}
	unit := int64(1)
	for i, suffix := range []string{"k", "m", "g", "t"} {
		if rest, ok := strings.CutSuffix(strings.ToLower(s), suffix); ok {
			s, unit = rest, 1<<(10*(i+1))
		}
	}
	f, err := number(s, "bytes, such as 500, 10k or 2G")
	if err == nil && f*float64(unit) > 1<<50 {
		err = fmt.Errorf("must be at most 1024T")
	}
	return int64(f * float64(unit)), err
}

// token says whether s may be the name of a header (RFC 9110, 5.6.2).
func token(s string) bool {
	odd := func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}
	return s != "" && !strings.ContainsFunc(s, odd)
}

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// since reads a time before now: "12h", "90m", "1 day", "12 hours ago", "2026-01-31", or RFC 3339.
func since(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	ago, ok := before(strings.TrimSpace(strings.TrimSuffix(text, "ago")))
	if !ok {
		return time.Time{}, fmt.Errorf("%q is no time; write it like 12h, \"12 hours ago\", \"1 day\", 2026-01-31 or 2026-01-31T12:00:00Z", text)
	}
	return now.Add(-ago), nil
}

// before reads "12h" and "12 hours".
func before(text string) (time.Duration, bool) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, true
	}
	number := strings.TrimRightFunc(text, func(r rune) bool { return r == ' ' || (r|0x20) >= 'a' && (r|0x20) <= 'z' })
	unit, ok := map[string]time.Duration{
		"s": time.Second, "second": time.Second, "sec": time.Second,
		"m": time.Minute, "minute": time.Minute, "min": time.Minute,
		"h": time.Hour, "hour": time.Hour,
		"d": 24 * time.Hour, "day": 24 * time.Hour,
		"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour,
	}[singular(strings.ToLower(strings.TrimSpace(text[len(number):])))]
	n, err := strconv.ParseFloat(number, 64)
	const most = 100 * 365 * 24 * float64(time.Hour)
	if err != nil || !ok || !(n >= 0 && n*float64(unit) < most) {
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}

func singular(unit string) string {
	if len(unit) > 1 {
		return strings.TrimSuffix(unit, "s")
	}
	return unit
}

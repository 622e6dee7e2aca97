package sqsqueue

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// An origin is what a message was before it was sent again. It travels as the attribute millrace.origin.
type origin struct {
	ID         string `json:"id"`
	Enqueued   int64  `json:"enqueued,omitempty"` // ms since 1970
	Deliveries int    `json:"deliveries"`
	Buried     int64  `json:"buried,omitempty"` // ms since 1970
}

func (o origin) text() string {
	b, err := json.Marshal(o)
	if err != nil {
		return "" // it holds a text and numbers: there is no such error
	}
	return string(b)
}

// parseOrigin reads what anyone may have written; it is zero for what we have not.
func parseOrigin(text string) origin {
	const long = 1024
	if text == "" || len(text) > long {
		return origin{}
	}
	var o origin
	if json.Unmarshal([]byte(text), &o) != nil {
		return origin{}
	}
	soon := time.Now().Add(time.Hour).UnixMilli()
	ok := isID(o.ID) && o.Deliveries >= 0 && o.Deliveries <= maxDeliveries &&
		o.Enqueued >= 0 && o.Enqueued <= soon && o.Buried >= 0 && o.Buried <= soon
	if !ok {
		return origin{}
	}
	return o
}

// isID holds for message IDs: those of SQS are UUIDs.
func isID(s string) bool {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, other) < 0
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

const (
	maxDeliveries = 1_000_000 // more than any message has

	maxReason = 1024 // bytes of a reason
	minReason = 32   // what there is room for in the longest message that Send takes
)

// clip makes a reason fit for an attribute: not too long, characters that SQS takes, never empty.
func clip(reason string, long int) string {
	s := strings.Map(func(r rune) rune {
		if !sendable(r) {
			return utf8.RuneError
		}
		return r
	}, reason)
	for len(s) > long {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	if s == "" {
		return "no reason was given"
	}
	return s
}

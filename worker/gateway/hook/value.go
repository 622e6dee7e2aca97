package hook

import (
	"net/textproto"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines"
)

// header is a header's name, as http.Header has it; "" where it is not there.
func header(v pipelines.Value) string {
	name := v.Text()
	if name != "" && (strings.ContainsFunc(name, func(r rune) bool { return !isHeaderRune(r) }) || len(name) > 100) {
		v.Errorf("%s is no name of a header", v.Name)
		return ""
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

func isHeaderRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

func number(v pipelines.Value, least, most, otherwise int64) int64 {
	n, ok := v.Any.(int64)
	switch {
	case ok && n >= least && n <= most:
		return n
	case v.Any != nil:
		v.Errorf("%s must be a whole number from %d to %d", v.Name, least, most)
	}
	return otherwise
}

func duration(v pipelines.Value, least, most, otherwise time.Duration) time.Duration {
	if v.Any == nil {
		return otherwise
	}
	text, _ := v.Any.(string)
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		v.Errorf(`%s must be a duration from %v to %v, as in "90m"`, v.Name, least, most)
		return otherwise
	}
	return d
}

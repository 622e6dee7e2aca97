package redact

import (
	"net/url"
	"strings"
)

// InURLs returns the credentials in the URLs that stand in a text, as they stand there: the password before the host, and the
// values of the query whose names say that they are secret (NameIsSecret).
func InURLs(text string) []string {
	var found []string
	for {
		_, rest, ok := strings.Cut(text, "://")
		if !ok {
			return found
		}
		text = rest
		if end := strings.IndexAny(rest, " \t\r\n\"'<>"); end >= 0 {
			rest = rest[:end]
		}
		rest, _, _ = strings.Cut(rest, "#")
		path, query, _ := strings.Cut(rest, "?")
		host, _, _ := strings.Cut(path, "/")
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			if _, password, ok := strings.Cut(host[:at], ":"); ok && password != "" {
				found = append(found, password)
			}
		}
		for pair := range strings.SplitSeq(query, "&") {
			if name, value, _ := strings.Cut(pair, "="); value != "" && NameIsSecret(name) {
				found = append(found, value)
			}
		}
	}
}

// AddInURLs hides the credentials of all URLs in v (InURLs), however deep in the maps and lists that JSON and YAML decode to.
func (s *Set) AddInURLs(v any) {
	switch v := v.(type) {
	case string:
		for _, secret := range InURLs(v) {
			s.Add(secret)
			if plain, err := url.QueryUnescape(secret); err == nil {
				s.Add(plain)
			}
		}
	case map[string]any:
		for _, e := range v {
			s.AddInURLs(e)
		}
	case []any:
		for _, e := range v {
			s.AddInURLs(e)
		}
	}
}

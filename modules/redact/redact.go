// Package redact keeps secrets out of everything people and machines can read back: logs, events,
// records, errors. What an author sends on purpose does not pass through it.
package redact

import (
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// Mask stands for a secret.
	Mask = "[REDACTED]"
	// minLen is how many bytes a secret needs to be one: "none", "true" or "1234" would blot out
	// innocent text.
	minLen = 6
)

// A Set is the secrets that must not be seen. The zero value is empty and ready; all methods may be
// called from any number of goroutines.
type Set struct {
	mu      sync.Mutex
	forms   map[string]struct{}     // guarded by mu
	current atomic.Pointer[matcher] // of forms; nil when they have changed, built on next use
}

// Add hides secret from now on, whole and, if it has several lines, each line; as it is and as it
// looks inside JSON, a URL, hex or base64, also where base64 encodes it together with what is around
// it. Anything shorter than 6 bytes without surrounding space is ignored.
func (s *Set) Add(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forms == nil {
		s.forms = make(map[string]struct{})
	}
	addForms(s.forms, strings.TrimSpace(secret))
	for line := range strings.FieldsFuncSeq(secret, isLineEnd) {
		addForms(s.forms, strings.TrimSpace(line))
	}
	s.current.Store(nil)
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }

// String returns in with every secret replaced by Mask; overlapping ones share a mask.
func (s *Set) String(in string) string {
	m := s.matcher()
	if !m.touches(in) {
		return in
	}
	var c cursor
	out, _ := c.advance(m, nil, []byte(in), true)
	return string(out)
}

// matcher returns the matcher of what has been added so far.
func (s *Set) matcher() *matcher {
	if m := s.current.Load(); m != nil {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.current.Load()
	if m == nil {
		m = newMatcher(s.forms)
		s.current.Store(m)
	}
	return m
}

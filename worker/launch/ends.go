package launch

import (
	"strings"
	"sync"
)

// An ends keeps the first and the last bytes written to it: a crash says why in its first line, and a program that
// gave up in its last.
type ends struct {
	max  int // bytes of each
	mu   sync.Mutex
	head []byte // guarded by mu
	tail []byte // guarded by mu
}

func (e *ends) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(len(p), e.max-len(e.head))
	e.head = append(e.head, p[:n]...)
	e.tail = append(e.tail, p[n:]...)
	if over := len(e.tail) - e.max; over > 0 {
		e.tail = append(e.tail[:0], e.tail[over:]...)
	}
	return len(p), nil
}

func (e *ends) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.TrimSpace(string(e.head) + string(e.tail))
}

// reason is the line that says most of why a Go program died: the first one of its panic or fatal error.
func (e *ends) reason() string {
	for line := range strings.Lines(e.String()) {
		for _, start := range []string{"panic:", "fatal error:", "runtime:"} {
			if strings.HasPrefix(line, start) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

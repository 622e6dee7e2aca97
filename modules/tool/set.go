package tool

import (
	"context"
	"fmt"
	"strings"
)

// A Set knows which tools this machine has. It is made once and asked from any goroutine; what it found it remembers.
type Set struct {
	// Path is where programs are looked for, as PATH is written.
	Path string
	// Override names a program by hand, by the tool's name; empty is none. nil has none.
	Override func(name string) string
	// Known are tools that somebody else found on this machine; they are not looked for again.
	Known []Found
}

// A MissingError is a tool that this machine lacks, or has in a version that is too old.
type MissingError struct {
	Tool   Tool
	Reason string // "no program magick or convert-im6.q16 is in PATH"
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is missing: %s; %s", e.Tool.Name, e.Reason, e.Tool.Get)
}

// Find returns the tool, or a *MissingError.
func (s *Set) Find(ctx context.Context, t Tool) (Found, error) {
	return Found{}, &MissingError{Tool: t, Reason: "no program " + strings.Join(t.Programs, " or ") + " is in PATH"}
}

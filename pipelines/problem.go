package pipelines

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a document with a problem can be run.
type Severity string

const (
	SeverityError   Severity = "error"   // it can't, or its task is bound to fail
	SeverityWarning Severity = "warning" // it can, and may do something else than its author meant
	SeverityNote    Severity = "note"    // nothing is wrong: something its author may want to know
)

// A Problem is one thing wrong with a document: one sentence with the remedy, and the place.
type Problem struct {
	Pos      Pos
	Severity Severity
	Msg      string
}

// String is the problem as compilers print theirs: "hello.yaml:12:5: …", warnings and notes named as such.
func (p Problem) String() string {
	msg := p.Msg
	if p.Severity != SeverityError {
		msg = string(p.Severity) + ": " + msg
	}
	if place := p.Pos.String(); place != "" {
		return place + ": " + msg
	}
	return msg
}

// A ParseError is everything that keeps a document from being a pipeline, in the order of the text.
type ParseError struct{ Problems []Problem }

// maxListed is how many problems an error's text spells out.
const maxListed = 10

func (e *ParseError) Error() string {
	n := min(len(e.Problems), maxListed)
	lines := make([]string, 0, n+1)
	for _, p := range e.Problems[:n] {
		lines = append(lines, p.String())
	}
	if more := len(e.Problems) - n; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}

// maxProblems is how many problems of one document are kept: hostile ones have a hundred thousand.
const maxProblems = 200

// Problems collects what is wrong while a document is looked at, up to a bound. The zero value has none.
type Problems []Problem

// Errorf adds an error.
func (ps *Problems) Errorf(pos Pos, format string, args ...any) {
	ps.Add(Problem{pos, SeverityError, fmt.Sprintf(format, args...)})
}

// Add adds a problem, unless there are as many as are kept.
func (ps *Problems) Add(p Problem) {
	if !ps.Full() {
		*ps = append(*ps, p)
	}
}

// Full says that nothing is added any more.
func (ps Problems) Full() bool { return len(ps) >= maxProblems }

// Sorted returns the problems in the order of the text, each once. It reorders ps.
func (ps Problems) Sorted() []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Msg, b.Msg))
	})
	return slices.Compact(ps)
}

// Shorten cuts text that a problem quotes.
func Shorten(s string) string {
	const most = 60 // characters
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}

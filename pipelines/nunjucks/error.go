package nunjucks

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// An Error is one mistake in a template, or one found while it ran.
type Error struct {
	Name      string // of the template, as given to Parse or found by an include
	Line, Col int    // from 1, columns in characters; 0 is unknown
	Msg       string
	Err       error // what lies beneath, may be nil: a limit (ErrSteps, …), the context's cause, an error of a Func, Filter or Loader
}

func (e *Error) Error() string {
	name := e.Name
	if name == "" {
		name = "template"
	}
	if e.Line == 0 {
		return name + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", name, e.Line, e.Col, e.Msg)
}

func (e *Error) Unwrap() error { return e.Err }

// errBug marks a panic that is not ours: a mistake in this package or in a host function.
var errBug = errors.New("template engine bug")

// rescue turns a panic into *err. Defer it in every exported method that parses or evaluates.
func rescue(err *error, name string) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		if r.Name == "" {
			r.Name = name
		}
		*err = r
	default:
		*err = &Error{Name: name, Msg: fmt.Sprintf("the template engine broke: %v", r), Err: fmt.Errorf("%w: %v\n%s", errBug, r, debug.Stack())}
	}
}

// A pos is a place in a source, from 1. The zero pos is unknown.
type pos struct{ line, col int }

// fail ends the render with a message at the place being evaluated.
func (s *state) fail(format string, args ...any) {
	s.failWith(nil, format, args...)
}

// failWith is fail with the error that lies beneath.
func (s *state) failWith(err error, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if s.op != "" {
		msg = s.op + ": " + msg
	}
	e := &Error{Line: s.at.line, Col: s.at.col, Msg: msg, Err: err}
	if s.template != nil {
		e.Name = s.template.name
	}
	panic(e)
}

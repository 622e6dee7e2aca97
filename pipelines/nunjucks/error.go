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
	Msg       string // as Nunjucks words it, where it does
	Plain     string // the same in other words, with a remedy; empty where there are none
	Err       error  // what lies beneath, may be nil: a limit (ErrSteps, …), the context's cause, an error of a Func, Filter or Loader
}

func (e *Error) Error() string {
	name := e.Name
	if name == "" {
		name = "template"
	}
	if e.Line == 0 {
		return name + ": " + e.Text()
	}
	return fmt.Sprintf("%s:%d:%d: %s", name, e.Line, e.Col, e.Text())
}

// Text says to people what is wrong, without the place.
func (e *Error) Text() string {
	if e.Plain != "" {
		return e.Plain
	}
	return e.Msg
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
	s.end(&Error{Msg: fmt.Sprintf(format, args...), Err: err})
}

// failPlain is fail with other words for people.
func (s *state) failPlain(plain, format string, args ...any) {
	s.end(&Error{Msg: fmt.Sprintf(format, args...), Plain: plain})
}

// end ends the render with e, at the place being evaluated.
func (s *state) end(e *Error) {
	if s.op != "" {
		e.Msg = s.op + ": " + e.Msg
		if e.Plain != "" {
			e.Plain = s.op + ": " + e.Plain
		}
	}
	e.Line, e.Col = s.at.line, s.at.col
	if s.template != nil {
		e.Name = s.template.name
	}
	panic(e)
}

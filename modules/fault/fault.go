// Package fault says what may be done about an error.
package fault

import (
	"context"
	"errors"
	"time"
)

// Kind is what an error allows its caller to do. It has a text form in events and records.
type Kind string

const (
	Unknown   Kind = ""          // not classified: retried until attempts run out
	Transient Kind = "transient" // will probably pass: retry
	Permanent Kind = "permanent" // will never pass: do not retry
	Canceled  Kind = "canceled"  // we were told to stop: not the job's fault
)

// An Error is a cause with a Kind. Its text is the cause's.
type Error struct {
	Kind  Kind
	After time.Duration // with Transient: not sooner than this; 0 lets the caller choose
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// As gives err a kind; nil stays nil. The outermost kind is the one that counts.
func As(k Kind, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Err: err}
}

// After marks err as transient, not worth trying again before d; nil stays nil.
func After(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: Transient, After: d, Err: err}
}

// Of returns the kind of err, looking through %w and errors.Join. A bare context.Canceled is Canceled.
func Of(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) {
		return Canceled
	}
	return Unknown
}

// Delay returns how long err asks its caller to wait before a retry; 0 when it does not say.
func Delay(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.After
	}
	return 0
}

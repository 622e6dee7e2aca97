package cloud

import "errors"

// Why is the reason for which a call was not done.
type Why string

const (
	Missing     Why = "missing"     // the queue or bucket does not exist
	Denied      Why = "denied"      // the credentials are wrong, have expired, or lack a permission
	Locked      Why = "locked"      // the key that encrypts the queue or bucket can't be used
	Throttled   Why = "throttled"   // too many calls, or too many at once for one key
	Skewed      Why = "skewed"      // our clock and the service's differ too much
	Unreachable Why = "unreachable" // no answer, or one that says that the service is down
	Refused     Why = "refused"     // the call itself is wrong: it will never pass
	Unclear     Why = "unclear"     // an answer that we don't know: it may pass
)

// An Error is a call that a service did not do. Its text is one line: what was called, what came back, and a remedy
// where there is one.
type Error struct {
	Call string // what was called and on what: "receive from https://…/jobs"
	Why  Why
	Code string // the service's own word, empty where there was no answer
	Text string // what came back, for people
	Err  error  // as the SDK says it
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string { return e.Call + ": " + e.Text }

// Is says whether err is a call that was not done for this reason.
func Is(err error, w Why) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Why == w
}

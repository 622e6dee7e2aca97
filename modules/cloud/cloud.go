// Package cloud is what the drivers of cloud services share: how to get in, and what a refusal means.
//
// Every error of a call to AWS, to IBM COS or to a server that speaks as they do passes through Explain, where the call
// is made: above it there are no SDK types and no error codes, only an *Error with a Why, and a fault kind.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/modules/fault"
)

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
	Err  error  // as the SDK says it
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	switch e.Why {
	case Missing:
		if elsewhere(e.Code) {
			return fmt.Sprintf("%s: it is in another region than the one that was given (%s); give its own", e.Call, e.Code)
		}
		return fmt.Sprintf("%s: it does not exist (%s); check name, account and region", e.Call, e.Code)
	case Denied:
		return fmt.Sprintf("%s: %s", e.Call, e.denied())
	case Locked:
		return fmt.Sprintf("%s: the KMS key that encrypts it can't be used (%s); enable the key again", e.Call, e.Code)
	case Skewed:
		return fmt.Sprintf("%s: this machine's clock is off (%s); set it by NTP", e.Call, e.Code)
	}
	return fmt.Sprintf("%s: %s", e.Call, e.said())
}

func (e *Error) denied() string {
	if e.Code == "" {
		return fmt.Sprintf("no credentials were found (%s); give them by the environment, a profile, or the pod's identity", oneLine(root(e.Err)))
	}
	return fmt.Sprintf("the credentials are wrong, have expired, or lack the permission (%s)", e.Code)
}

// said is what came back, or that nothing did.
func (e *Error) said() string {
	_, strange := errors.AsType[*smithy.DeserializationError](e.Err)
	switch {
	case strange && e.Why == Unclear:
		return fmt.Sprintf("what answers is no such service (HTTP status %d); check the endpoint's URL", Status(e.Err))
	case e.Why == Unreachable && Status(e.Err) == 0:
		return fmt.Sprintf("no answer from %s; check the endpoint, DNS and the network's rules", silent(e.Err))
	}
	return oneLine(e.Err)
}

// Is says whether err is a call that was not done for this reason.
func Is(err error, w Why) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Why == w
}

// Explain makes an *Error of an SDK's error, permanent where it is Refused and else transient; the end of ctx, and what our
// own side refuses for good (an address that jobs may not reach), are left as what they are; nil stays nil. call is for people: what was called, and on what.
func Explain(ctx context.Context, call string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", call, context.Cause(ctx))
	}
	if e := settled(err); e != nil {
		return fmt.Errorf("%s: %w", call, e)
	}
	code, status := answer(err)
	e := &Error{Call: call, Code: code, Err: err, Why: why(code, status, err)}
	switch e.Why {
	case Refused:
		return fault.As(fault.Permanent, e)
	case Denied, Missing, Locked, Unclear: // credentials rotate, queues are made again: not at the pace of a flaky network
		return fault.After(5*time.Second, e)
	}
	return fault.As(fault.Transient, e)
}
